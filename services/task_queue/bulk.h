#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::task_queue {

// One change to many tasks, chosen by ids or by a filter. Thread-safe; what reads the store blocks.
class BulkChanges final {
 public:
  BulkChanges(TaskStore& store, TaskLanes& lanes) : store_(store), lanes_(lanes) {}

  // What is left of the caller's time, or why nobody waits for the answer any more.
  using Patience = absl::FunctionRef<absl::StatusOr<absl::Duration>()>;

  // The tasks selected: SELECTION_TOO_LARGE beyond the bound, COUNT_CHANGED when they are not as many as expected. A
  // filter that names no states is narrowed to `states`: those that the change is about. Validation comes first.
  // `patience` is asked before every page, since a narrow filter may have to pass over very many tasks.
  absl::StatusOr<std::vector<TaskId>> Select(const v1::TaskSelection& selection, std::vector<TaskState> states,
                                             bool check_count, Patience patience);

  using Make = std::function<Command(const TaskId&)>;
  using Answers = std::vector<absl::StatusOr<Executed>>;
  // Applies `make` to each; calls `done` once all are answered, with a result per task in order. A part at a time, so
  // that others find room in the lane. What has not begun by `until` is not done.
  void Apply(std::vector<TaskId> tasks, Make make, absl::Time until, std::function<void(Answers)> done);

 private:
  struct Run;
  void ApplyPart(const std::shared_ptr<Run>& run);

  TaskStore& store_;
  TaskLanes& lanes_;
};

// Gathers the answers to a number of operations. Shared by their callbacks; thread-safe.
template <class Answer>
class Gather final {
 public:
  using Answers = std::vector<absl::StatusOr<Answer>>;
  Gather(std::size_t count, std::function<void(Answers)> done)
      : answers_(count, absl::StatusOr<Answer>(absl::InternalError("not answered"))),
        left_(count),
        done_(std::move(done)) {}

  // Each index exactly once; the last one calls `done` on its thread.
  void Set(std::size_t index, absl::StatusOr<Answer> answer) {
    answers_[index] = std::move(answer);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_(std::move(answers_));
  }

 private:
  // Every element has one writer.
  Answers answers_;
  std::atomic<std::size_t> left_;
  const std::function<void(Answers)> done_;
};

}  // namespace switchyard::task_queue
