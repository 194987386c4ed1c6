# sy_proto_library(<name> [GRPC] PROTOS ... DEPS ...)
# Generated code is compiled once, here; everything else links it. Paths are relative to proto/. <name>_messages is it
# without the services, for what links no gRPC.
set(SWITCHYARD_PROTO_ROOT "${CMAKE_SOURCE_DIR}/proto")
set(SWITCHYARD_PROTO_OUT "${CMAKE_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${SWITCHYARD_PROTO_OUT}")

function(sy_proto_library name)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(messages "")
  set(services "")
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(outputs "${SWITCHYARD_PROTO_OUT}/${stem}.pb.cc" "${SWITCHYARD_PROTO_OUT}/${stem}.pb.h")
    set(arguments --cpp_out=${SWITCHYARD_PROTO_OUT})
    file(STRINGS "${SWITCHYARD_PROTO_ROOT}/${proto}" declared REGEX "^service ")
    if(ARG_GRPC AND declared)
      list(APPEND outputs "${SWITCHYARD_PROTO_OUT}/${stem}.grpc.pb.cc" "${SWITCHYARD_PROTO_OUT}/${stem}.grpc.pb.h")
      list(APPEND arguments --grpc_out=${SWITCHYARD_PROTO_OUT}
           --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN_PROGRAM})
    endif()
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${PROTOC_PROGRAM} -I ${SWITCHYARD_PROTO_ROOT} ${arguments} ${proto}
      DEPENDS "${SWITCHYARD_PROTO_ROOT}/${proto}"
      COMMENT "protoc ${proto}"
      VERBATIM)
    foreach(output ${outputs})
      if(output MATCHES "\\.grpc\\.pb\\.cc$")
        list(APPEND services "${output}")
      elseif(output MATCHES "\\.cc$")
        list(APPEND messages "${output}")
      endif()
    endforeach()
  endforeach()
  add_library(${name}_messages STATIC ${messages})
  target_include_directories(${name}_messages SYSTEM PUBLIC "${SWITCHYARD_PROTO_OUT}")
  target_link_libraries(${name}_messages PUBLIC protobuf::libprotobuf)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name}_messages PUBLIC ${dep}_messages)
  endforeach()
  # Dependents include generated headers, so these must exist first.
  add_custom_target(${name}_sources DEPENDS ${messages} ${services})
  add_dependencies(${name}_messages ${name}_sources)
  sy_use_precompiled(${name}_messages code)
  if(ARG_GRPC)
    add_library(${name} STATIC ${services})
    target_link_libraries(${name} PUBLIC ${name}_messages ${ARG_DEPS} gRPC::grpc++)
    sy_use_precompiled(${name} code)
    sy_unity(${name})
  else()
    add_library(${name} ALIAS ${name}_messages)
  endif()
endfunction()
