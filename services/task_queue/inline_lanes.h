#pragma once

#include <utility>

#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_queue.h"

namespace switchyard::task_queue {

// Lanes without threads: every operation is a batch of its own, answered before the call returns. For tests and
// simulations.
class InlineLanes final : public TaskLanes {
 public:
  // Borrows both.
  InlineLanes(TaskStore& store, TaskQueue& queue) : store_(store), queue_(queue) {}

  void Submit(Submission submission, SubmitAnswer answer) override {
    absl::StatusOr<Submitted> submitted = absl::InternalError("not executed");
    const absl::Status status = store_.RunBatch([&](TaskBatch& batch) {
      return queue_.Submit(batch, {&submission, 1}, {&submitted, 1});
    });
    if (!status.ok()) submitted = status;
    if (submitted.ok()) queue_.Learn(*submitted);
    answer(std::move(submitted));
  }

  void Execute(Command command, ExecuteAnswer answer) override {
    absl::StatusOr<Executed> executed = absl::InternalError("not executed");
    const absl::Status status = store_.RunBatch([&](TaskBatch& batch) {
      return queue_.Execute(batch, {&command, 1}, {&executed, 1});
    });
    if (!status.ok()) executed = status;
    if (executed.ok()) queue_.Learn(*executed);
    answer(std::move(executed));
  }

 private:
  TaskStore& store_;
  TaskQueue& queue_;
};

}  // namespace switchyard::task_queue
