// Whom the service asks, as its use cases see them.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/verification/work.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::verification {

// The task queue. Calls block, for a bounded time. Thread-safe.
class QueuePort {
 public:
  virtual ~QueuePort() = default;
  // One answer for each, in order.
  virtual std::vector<absl::StatusOr<task_queue::v1::ReadVerifyingResponse>> ReadVerifying(
      absl::Span<const WorkKey> keys) = 0;
  virtual absl::StatusOr<task_queue::v1::ConcludeTasksResponse> Conclude(
      const task_queue::v1::ConcludeTasksRequest& request) = 0;
  // One answer for each, in order; with their histories, without what they brought back.
  virtual std::vector<absl::StatusOr<task_queue::v1::Task>> ReadTasks(absl::Span<const TaskId> tasks) = 0;
  // The rest is about the tasks of judges, which are this service's own.
  virtual absl::StatusOr<TaskId> Submit(const task_queue::v1::SubmitTaskRequest& request) = 0;
  // One answer for each, in order; with what they brought back.
  virtual std::vector<absl::StatusOr<task_queue::v1::Task>> GetTasks(absl::Span<const TaskId> tasks) = 0;
  // Not waited for.
  virtual void Cancel(const TaskId& task, std::string_view reason) = 0;
};

}  // namespace switchyard::verification
