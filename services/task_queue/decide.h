// The rules of a task's life, in one place and pure: what a command does to a record at a moment.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {

// What a caller hears when a command was taken.
struct Answered {
  // After the command, or, for a final report that comes again, as the first one was answered.
  TaskState state = TaskState::kQueued;
  // The command changes nothing and nothing is to be written.
  bool unchanged = false;
};

// Applies `command` to `record` and appends the events that tell of it. A refusal (STALE_GENERATION, NOT_OWNER, …)
// leaves the record as it was. Every change leads along a legal transition and adds one to the revision.
absl::StatusOr<Answered> Decide(const Rules& rules, const Command& command, absl::Time now, TaskRecord& record);

// The record of a new task with its first events: READY at once, or HELD until `start_time` or for other tasks. `ended`
// are those of them that have ended already; the new task may be over at once on that account.
void Begin(absl::Time start_time, absl::Time now, TaskRecord& record, const std::vector<EndedTask>& ended = {});

// When the next time limit of the record passes; InfiniteFuture when none is set.
absl::Time DueTime(const Rules& rules, const TaskRecord& record);

// When an assigned task must be accepted.
absl::Time AcceptBy(const Rules& rules, const TaskRecord& record);

}  // namespace switchyard::task_queue
