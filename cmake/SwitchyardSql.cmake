# sy_sql(<name> NAMESPACE <ns> ROOT <dir>)
# Embeds <dir>/queries/*.sql and <dir>/migrations/V*.sql: one header with a pg::Statement per query, whose name is
# the file's, and a list of pg::Migration. One statement per file keeps SQL reviewable and labels its metric.
function(sy_sql name)
  cmake_parse_arguments(ARG "" "NAMESPACE;ROOT" "" ${ARGN})
  get_filename_component(root "${ARG_ROOT}" ABSOLUTE)
  file(RELATIVE_PATH relative "${CMAKE_SOURCE_DIR}" "${root}")
  file(GLOB queries CONFIGURE_DEPENDS "${root}/queries/*.sql")
  file(GLOB migrations CONFIGURE_DEPENDS "${root}/migrations/V*.sql")
  set(out "${CMAKE_BINARY_DIR}/generated/${relative}")
  set(header "${out}/statements.h")
  set(source "${out}/statements.cc")
  add_custom_command(
    OUTPUT "${header}" "${source}"
    COMMAND ${CMAKE_COMMAND} -DNAMESPACE=${ARG_NAMESPACE} -DROOT=${root} -DRELATIVE=${relative}
            -DHEADER=${header} -DSOURCE=${source} -P "${CMAKE_SOURCE_DIR}/cmake/EmbedSql.cmake"
    DEPENDS ${queries} ${migrations} "${CMAKE_SOURCE_DIR}/cmake/EmbedSql.cmake"
    COMMENT "Embedding SQL of ${relative}"
    VERBATIM)
  add_library(${name} STATIC "${source}" "${header}")
  target_include_directories(${name} PUBLIC "${CMAKE_BINARY_DIR}/generated")
  target_link_libraries(${name} PUBLIC switchyard_options)
  add_custom_target(${name}_sources DEPENDS "${header}")
  add_dependencies(${name} ${name}_sources)
endfunction()
