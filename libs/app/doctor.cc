#include "libs/app/doctor.h"

#include "libs/base/status.h"

namespace switchyard::app {

absl::StatusOr<std::vector<DoctorFinding>> RunDoctor(pg::Pool& pool, const std::vector<DoctorCheck>& checks,
                                                     absl::Duration timeout) {
  std::vector<DoctorFinding> findings;
  for (const DoctorCheck& check : checks) {
    const absl::StatusOr<pg::Result> breaches = pool.Execute(*check.statement, pg::Params(), {.timeout = timeout});
    if (!breaches.ok()) return Annotate(breaches.status(), check.statement->name);
    for (const pg::Row row : *breaches) {
      findings.push_back({.invariant = check.invariant, .breach = std::string(row.Text(0))});
    }
  }
  return findings;
}

}  // namespace switchyard::app
