# Language level, warnings, sanitizers, ccache and the fastest linker at hand.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# Assertions of invariants stay in every build: a broken invariant stops the process.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

option(SWITCHYARD_WERROR "Treat warnings as errors" ON)
set(SWITCHYARD_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")

add_library(switchyard_options INTERFACE)
target_include_directories(switchyard_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(switchyard_options INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wnon-virtual-dtor -Woverloaded-virtual)
if(SWITCHYARD_WERROR)
  target_compile_options(switchyard_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(switchyard_options INTERFACE -Wthread-safety)
endif()
if(SWITCHYARD_SANITIZE)
  add_compile_options("-fsanitize=${SWITCHYARD_SANITIZE}" -fno-sanitize-recover=all)
  add_link_options("-fsanitize=${SWITCHYARD_SANITIZE}")
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

find_program(MOLD_PROGRAM mold)
find_program(LLD_PROGRAM ld.lld)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
elseif(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
# Links of whole binaries need memory more than cores.
set_property(GLOBAL PROPERTY JOB_POOLS link=2)
set(CMAKE_JOB_POOL_LINK link)
