# Sources of one target compiled several at a time, so that what they all include is read, and its templates made, once. It
# halves a build from nothing. Names in anonymous namespaces are therefore unique within their target. Every other build
# type compiles each source alone, as suits who changes one at a time and proves that each includes what it uses.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT SWITCHYARD_SANITIZE)
  set(together ON)
else()
  set(together OFF)
endif()
option(SWITCHYARD_UNITY "Compile several sources of a target at a time" ${together})
set(SWITCHYARD_UNITY_SOURCES 8)

# sy_unity(<target>): after its sources are known. They are spread evenly, since the longest to compile is waited for.
function(sy_unity target)
  if(NOT SWITCHYARD_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cc$")
  list(LENGTH sources count)
  if(count LESS 2)
    return()
  endif()
  math(EXPR batches "(${count} + ${SWITCHYARD_UNITY_SOURCES} - 1) / ${SWITCHYARD_UNITY_SOURCES}")
  math(EXPR size "(${count} + ${batches} - 1) / ${batches}")
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
  # It warns of types of anonymous namespaces in included files, which here are sources.
  target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
endfunction()
