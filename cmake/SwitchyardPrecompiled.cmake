# Headers that most sources include, parsed once for each way of compiling. It saves a fourth of a build from nothing and
# changes nothing else: sources include what they use, and every other build type proves it by doing without.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT SWITCHYARD_SANITIZE)
  set(precompile ON)
else()
  set(precompile OFF)
endif()
option(SWITCHYARD_PRECOMPILED "Precompile the headers that most sources include" ${precompile})

set(SWITCHYARD_COMMON_HEADERS
    <algorithm> <array> <cstddef> <cstdint> <functional> <map> <memory> <optional> <string> <string_view> <utility>
    <vector>
    <absl/container/flat_hash_map.h> <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <absl/strings/str_join.h> <absl/time/time.h>
    <google/protobuf/descriptor.pb.h> <google/protobuf/duration.pb.h> <google/protobuf/timestamp.pb.h>
    <google/protobuf/generated_message_reflection.h> <google/protobuf/map_entry.h> <google/protobuf/map_field.h>
    <google/protobuf/unknown_field_set.h>
    <grpcpp/grpcpp.h> <grpcpp/generic/async_generic_service.h> <grpcpp/impl/client_unary_call.h>
    <grpcpp/impl/codegen/proto_utils.h> <grpcpp/impl/codegen/server_callback_handlers.h> <grpcpp/impl/rpc_method.h>
    <grpcpp/impl/rpc_service_method.h> <grpcpp/impl/service_type.h> <grpcpp/support/async_stream.h>
    <grpcpp/support/async_unary_call.h> <grpcpp/support/client_callback.h> <grpcpp/support/message_allocator.h>
    <grpcpp/support/method_handler.h> <grpcpp/support/server_callback.h> <grpcpp/support/stub_options.h>
    <grpcpp/support/sync_stream.h>)

function(sy_precompiled flavour)
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS;OPTIONS" ${ARGN})
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/precompiled/${flavour}.cc" CONTENT "// Only here to have the headers read.\n")
  add_library(switchyard_precompiled_${flavour} OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/precompiled/${flavour}.cc")
  target_link_libraries(switchyard_precompiled_${flavour} PRIVATE switchyard_options ${ARG_DEPS})
  target_compile_options(switchyard_precompiled_${flavour} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(switchyard_precompiled_${flavour} PRIVATE ${ARG_HEADERS})
endfunction()

# sy_use_precompiled(<target> <flavour>): "code", or "test" for tests, which are compiled otherwise.
function(sy_use_precompiled target flavour)
  if(SWITCHYARD_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM switchyard_precompiled_${flavour})
  endif()
endfunction()

if(SWITCHYARD_PRECOMPILED)
  # What is linked decides about it elsewhere, and a precompiled header is only used where all agree.
  add_compile_options(-pthread)
  if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
    # As ccache asks for it with precompiled headers.
    add_compile_options(-fpch-preprocess)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CMAKE_CXX_COMPILER_LAUNCHER}")
  endif()
  sy_precompiled(code HEADERS ${SWITCHYARD_COMMON_HEADERS} DEPS gRPC::grpc++ protobuf::libprotobuf)
  sy_precompiled(test
    HEADERS ${SWITCHYARD_COMMON_HEADERS} <gmock/gmock.h> <gtest/gtest.h>
    DEPS gRPC::grpc++ protobuf::libprotobuf GTest::gmock GTest::gtest
    OPTIONS -O0)
endif()
