// What feeds and sweeps read of waiting tasks: for a verdict, for each other.
#include "libs/base/status_macros.h"
#include "services/task_queue/postgres_task_store.h"
#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {
namespace {

std::vector<Wait> ToWaits(const pg::Result& rows) {
  std::vector<Wait> waits;
  waits.reserve(rows.size());
  for (const pg::Row row : rows) waits.push_back({row.GetId<TaskId>(0), row.GetId<TaskId>(1)});
  return waits;
}

}  // namespace

absl::StatusOr<std::vector<JudgingTask>> PostgresTaskStore::ScanJudging(const TaskId& after, int limit) {
  pg::Params params;
  params.Add(after).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kScanJudging, params));
  std::vector<JudgingTask> tasks;
  for (const pg::Row row : rows) tasks.push_back({row.GetId<TaskId>(0), Generation(row.Int64(1))});
  return tasks;
}

absl::StatusOr<std::vector<Wait>> PostgresTaskStore::ScanWaits(const Wait& after, int limit) {
  pg::Params params;
  params.Add(after.task).Add(after.awaited).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kScanWaits, params));
  return ToWaits(rows);
}

absl::StatusOr<std::vector<Wait>> PostgresTaskStore::WaitsFor(absl::Span<const TaskId> awaited, const Wait& after,
                                                              int limit) {
  pg::UuidArray wanted;
  for (const TaskId& id : awaited) wanted.Append(id);
  pg::Params params;
  params.Add(wanted).Add(after.awaited).Add(after.task).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kWaitsFor, params));
  return ToWaits(rows);
}

}  // namespace switchyard::task_queue
