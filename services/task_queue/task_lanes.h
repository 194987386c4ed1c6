#pragma once

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/task_queue.h"

namespace switchyard::task_queue {

// The ways into the store: operations of one kind share a batch and a commit. Answers come on another thread, after the
// commit, exactly once. Thread-safe; never blocks: what does not fit is answered QUEUE_FULL at once.
class TaskLanes {
 public:
  using SubmitAnswer = absl::AnyInvocable<void(absl::StatusOr<Submitted>)>;
  using ExecuteAnswer = absl::AnyInvocable<void(absl::StatusOr<Executed>)>;

  virtual ~TaskLanes() = default;
  virtual void Submit(Submission submission, SubmitAnswer answer) = 0;
  virtual void Execute(Command command, ExecuteAnswer answer) = 0;
};

}  // namespace switchyard::task_queue
