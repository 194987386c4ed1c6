# sy_proto_library(<name> [GRPC] PROTOS ... DEPS ...)
# Generated code is compiled once, here; everything else links it. Paths are relative to proto/.
set(SWITCHYARD_PROTO_ROOT "${CMAKE_SOURCE_DIR}/proto")
set(SWITCHYARD_PROTO_OUT "${CMAKE_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${SWITCHYARD_PROTO_OUT}")

function(sy_proto_library name)
  cmake_parse_arguments(ARG "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(sources "")
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(outputs "${SWITCHYARD_PROTO_OUT}/${stem}.pb.cc" "${SWITCHYARD_PROTO_OUT}/${stem}.pb.h")
    set(arguments --cpp_out=${SWITCHYARD_PROTO_OUT})
    if(ARG_GRPC)
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
      if(output MATCHES "\\.cc$")
        list(APPEND sources "${output}")
      endif()
    endforeach()
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC "${SWITCHYARD_PROTO_OUT}")
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
  # Dependents include generated headers, so these must exist first.
  add_custom_target(${name}_sources DEPENDS ${sources})
  add_dependencies(${name} ${name}_sources)
endfunction()
