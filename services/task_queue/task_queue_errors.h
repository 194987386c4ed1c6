// One factory per failure that a caller of the task queue can see. The reasons are part of the contract.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {

absl::Status TaskNotFound(const TaskId& id);
// The report or action is of another assignment than the current one; nothing was changed.
absl::Status StaleGeneration(const TaskId& id, Generation given, Generation current);
absl::Status StaleShardEpoch(const TaskId& id);
absl::Status StaleSession(const TaskId& id, std::string_view agent);
// A later connection of the agent has had a session.
absl::Status StaleConnection(std::string_view agent, std::int64_t given, std::int64_t latest);
// The task cannot be assigned now.
absl::Status TaskNotReady(const TaskId& id, TaskState state, HoldReason hold);
absl::Status NotOwner(const TaskId& id, std::string_view agent);
// What was asked makes no sense in the task's state.
absl::Status WrongState(const TaskId& id, TaskState state, std::string_view wanted);
absl::Status RequestIdReused(std::string_view request_id);
// `field` of the specification names a task that is not stored.
absl::Status DependencyNotFound(const TaskId& id, std::string_view field);
absl::Status CountChanged(int expected, int actual);
absl::Status SelectionTooLarge(int bound);
absl::Status ResumeTokenExpired();
absl::Status ResumeTokenInvalid();
absl::Status WatchTooSlow();
absl::Status ReadyFeedOverrun();
absl::Status VerifyingFeedOverrun();
absl::Status TooManyWatchers(int bound);
// The task changed under every try; the caller may try again.
absl::Status TooMuchContention(const TaskId& id);

std::string_view NameOf(TaskState state);
std::string_view NameOf(HoldReason hold);

}  // namespace switchyard::task_queue
