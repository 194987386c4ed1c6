#pragma once

#include <string_view>

namespace switchyard::pg {

// One prepared statement, embedded from a file of its own. `name` is the file's and labels metrics.
struct Statement {
  std::string_view name;
  std::string_view sql;
};

struct Migration {
  int version;
  std::string_view name;
  // SHA-256 of the file: a migration is never edited once it is merged.
  std::string_view checksum;
  std::string_view sql;
};

}  // namespace switchyard::pg
