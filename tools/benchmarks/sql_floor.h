#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/id.h"
#include "libs/pg/connection.h"
#include "services/task_queue/task.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {

// The statements of the service, without the service: each method is one batch, one transaction. Rows are of the same
// form and size, made once. Not thread-safe.
class PlainWriter {
 public:
  static absl::StatusOr<PlainWriter> Make(const Installation& installation);

  using CarryOf = absl::FunctionRef<std::string_view(std::size_t)>;

  absl::Status Submit(absl::Span<const Uuid> ids);
  absl::Status Assign(absl::Span<const Uuid> ids);
  absl::Status Report(absl::Span<const Uuid> ids);
  // Rows for a long past, without events: tasks and where they stand.
  absl::Status Fill(absl::Span<const Uuid> ids, task_queue::Lane lane, task_queue::Stage stage, CarryOf carry_of);

 private:
  PlainWriter() = default;
  absl::Status Commit(absl::Span<const pg::Session::Call> calls, int first_affects);
  const std::string& Events(std::string& kept, std::size_t& kept_size, std::size_t count,
                            const task_queue::TaskRecord& record, std::size_t from);

  std::unique_ptr<pg::Session> session_;
  std::string agent_;
  std::int64_t session_epoch_ = 0;
  std::vector<std::int64_t> shard_epochs_;
  task_queue::TaskRecord queued_, running_, done_;
  std::string spec_, title_, queued_carry_, running_carry_, done_carry_;
  std::string submit_events_, assign_events_, report_events_;
  std::size_t submit_size_ = 0, assign_size_ = 0, report_size_ = 0;
};

struct FloorPlan {
  // As observed of the service. Without `assign` and `report` tasks are only submitted.
  int submit = 1, assign = 0, report = 0;
  double seconds = 5;
};
struct Floor {
  double rate = 0;
  double client_us = 0, postgres_us = 0;
};
// As many connections at a time as the service has lanes for it; the service must be stopped.
absl::StatusOr<Floor> MeasureFloor(const Installation& installation, const FloorPlan& plan);

}  // namespace switchyard::bench
