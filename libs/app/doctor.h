#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/pg/pool.h"
#include "libs/pg/statement.h"

namespace switchyard::app {

// One invariant of the data. The statement only reads and answers one text column, one row per breach, with a limit.
struct DoctorCheck {
  // What holds when nothing is wrong: "a rotated token names its predecessor".
  std::string_view invariant;
  const pg::Statement* statement;
};

struct DoctorFinding {
  std::string_view invariant;
  std::string breach;
};

// Runs every check, each within `timeout`; the first one that cannot be run ends it.
absl::StatusOr<std::vector<DoctorFinding>> RunDoctor(pg::Pool& pool, const std::vector<DoctorCheck>& checks,
                                                     absl::Duration timeout);

}  // namespace switchyard::app
