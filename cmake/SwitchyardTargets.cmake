# One shape for every target of the project.
include(GoogleTest)

# The code of the tests themselves: half the time to compile. What they test is compiled as it is shipped.
set(SWITCHYARD_TEST_OPTIONS $<$<CONFIG:Release>:-O0>)

# sy_library(<name> SOURCES ... DEPS ...): a static library, or an interface when it has no sources.
function(sy_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC switchyard_options ${ARG_DEPS})
    sy_use_precompiled(${name} code)
    sy_unity(${name})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE switchyard_options ${ARG_DEPS})
  endif()
endfunction()

# sy_binary(<name> SOURCES ... DEPS ...): an executable in build/<preset>/bin, on jemalloc where sanitizers allow it.
function(sy_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE switchyard_options ${ARG_DEPS})
  sy_use_precompiled(${name} code)
  sy_unity(${name})
  if(NOT SWITCHYARD_SANITIZE)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
endfunction()

# sy_test(<name> SOURCES ... DEPS ... LABELS unit|integration|faults): GoogleTest cases, each its own CTest case.
# Integration cases start a Postgres of their own per binary, so they run as one CTest case per binary.
function(sy_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE switchyard_options ${ARG_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${SWITCHYARD_TEST_OPTIONS})
  sy_use_precompiled(${name} test)
  sy_unity(${name})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# sy_contract(<name> SOURCES ... DEPS ...): cases that several tests link, such as what every store must keep.
function(sy_contract name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC switchyard_options ${ARG_DEPS} GTest::gmock GTest::gtest)
  target_compile_options(${name} PRIVATE ${SWITCHYARD_TEST_OPTIONS})
  sy_use_precompiled(${name} test)
  sy_unity(${name})
endfunction()

# sy_benchmark(<name> SOURCES ... DEPS ...): a Google Benchmark program; built with the rest, run by tools/bench.
function(sy_benchmark name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE switchyard_options ${ARG_DEPS} benchmark::benchmark benchmark::benchmark_main)
  if(NOT SWITCHYARD_SANITIZE)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
endfunction()
