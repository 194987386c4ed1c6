# Writes HEADER and SOURCE from the SQL files under ROOT. Run by sy_sql at build time.
file(GLOB queries "${ROOT}/queries/*.sql")
file(GLOB migrations "${ROOT}/migrations/V*.sql")
list(SORT queries)
list(SORT migrations COMPARE NATURAL)

# Comments go: text inside a statement costs bytes at every parse. The file keeps them for readers.
function(read_sql path out)
  file(READ "${path}" text)
  string(REGEX REPLACE "(^|\n)--[^\n]*" "\\1" text "${text}")
  string(STRIP "${text}" text)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

set(declarations "")
set(definitions "")
foreach(path ${queries})
  get_filename_component(stem "${path}" NAME_WE)
  string(REPLACE "_" ";" words "${stem}")
  set(constant "k")
  foreach(word ${words})
    string(SUBSTRING "${word}" 0 1 first)
    string(SUBSTRING "${word}" 1 -1 rest)
    string(TOUPPER "${first}" first)
    string(APPEND constant "${first}${rest}")
  endforeach()
  read_sql("${path}" text)
  string(REGEX REPLACE ";[ \n]*$" "" text "${text}")
  string(APPEND declarations "extern const pg::Statement ${constant};\n")
  string(APPEND definitions "const pg::Statement ${constant}{\"${stem}\", R\"sql_text(${text})sql_text\"};\n")
endforeach()

set(list "")
foreach(path ${migrations})
  get_filename_component(stem "${path}" NAME_WE)
  file(READ "${path}" text)
  file(SHA256 "${path}" checksum)
  string(REGEX MATCH "^V0*([0-9]+)__(.*)$" matched "${stem}")
  if(NOT matched)
    message(FATAL_ERROR "${path}: a migration is named V<number>__<words>.sql")
  endif()
  string(APPEND list "      {${CMAKE_MATCH_1}, \"${CMAKE_MATCH_2}\", \"${checksum}\", R\"sql_text(${text})sql_text\"},\n")
endforeach()

file(WRITE "${HEADER}" "// Generated from ${RELATIVE}.
#pragma once

#include <vector>

#include \"libs/pg/statement.h\"

namespace ${NAMESPACE} {

${declarations}
// In the order in which they are applied.
const std::vector<pg::Migration>& Migrations();

}  // namespace ${NAMESPACE}
")
file(WRITE "${SOURCE}" "// Generated from ${RELATIVE}.
#include \"${RELATIVE}/statements.h\"

namespace ${NAMESPACE} {

${definitions}
const std::vector<pg::Migration>& Migrations() {
  static const auto& migrations = *new std::vector<pg::Migration>{
${list}  };
  return migrations;
}

}  // namespace ${NAMESPACE}
")
