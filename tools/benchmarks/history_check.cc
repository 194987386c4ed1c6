#include "tools/benchmarks/history_check.h"

#include <memory>
#include <string>

#include "libs/base/status_macros.h"

namespace switchyard::bench {
namespace {

constexpr pg::Statement kCountSucceeded{"bench_count_succeeded",
                                        "SELECT count(*) FROM task_queue.outcome WHERE state = 5"};

}  // namespace

absl::Status CheckHistory(const Installation& installation, std::int64_t lives) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Session> session, installation.Connect());
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session->Execute(kCountSucceeded));
  if (rows[0].Int64(0) == lives) return absl::OkStatus();
  return absl::DataLossError("the history holds " + std::to_string(rows[0].Int64(0)) + " of " + std::to_string(lives) +
                             " lives");
}

}  // namespace switchyard::bench
