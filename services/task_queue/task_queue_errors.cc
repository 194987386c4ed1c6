#include "services/task_queue/task_queue_errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::task_queue {
namespace {

using absl::StatusCode;

std::string Text(const TaskId& id) { return id.ToString(); }

}  // namespace

absl::Status TaskNotFound(const TaskId& id) {
  return MakeError(StatusCode::kNotFound,
                   absl::StrCat("no task ", Text(id), " is stored; a finished one is dropped after its retention"),
                   {.reason = "TASK_NOT_FOUND", .metadata = {{"task_id", Text(id)}}});
}

absl::Status StaleGeneration(const TaskId& id, Generation given, Generation current) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("generation ", ToInt(given), " of task ", Text(id), " is over; nothing was changed"),
                   {.reason = "STALE_GENERATION",
                    .metadata = {{"task_id", Text(id)},
                                 {"generation", absl::StrCat(ToInt(given))},
                                 {"current_generation", absl::StrCat(ToInt(current))}}});
}

absl::Status StaleShardEpoch(const TaskId& id) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("shard ", ShardOf(id), " is leased by another scheduler now"),
                   {.reason = "STALE_SHARD_EPOCH", .metadata = {{"shard", absl::StrCat(ShardOf(id))}}});
}

absl::Status StaleSession(const TaskId& id, std::string_view agent) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("agent ", ToAbsl(agent), " has a newer session, or none"),
                   {.reason = "STALE_SESSION", .metadata = {{"agent_id", std::string(agent)}, {"task_id", Text(id)}}});
}

absl::Status StaleConnection(std::string_view agent, std::int64_t given, std::int64_t latest) {
  return MakeError(
      StatusCode::kFailedPrecondition,
      absl::StrCat("connection ", given, " of agent ", ToAbsl(agent), " is older than its connection ", latest),
      {.reason = "STALE_CONNECTION",
       .metadata = {{"agent_id", std::string(agent)}, {"connection", absl::StrCat(latest)}}});
}

absl::Status TaskNotReady(const TaskId& id, TaskState state, HoldReason hold) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("task ", Text(id), " is ", ToAbsl(NameOf(state)),
                                hold == HoldReason::kNone ? "" : absl::StrCat(", held: ", ToAbsl(NameOf(hold)))),
                   {.reason = "TASK_NOT_READY", .metadata = {{"state", std::string(NameOf(state))}}});
}

absl::Status NotOwner(const TaskId& id, std::string_view agent) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("task ", Text(id), " does not belong to agent ", ToAbsl(agent)),
                   {.reason = "NOT_OWNER", .metadata = {{"agent_id", std::string(agent)}}});
}

absl::Status WrongState(const TaskId& id, TaskState state, std::string_view wanted) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("task ", Text(id), " is ", ToAbsl(NameOf(state)), "; this needs ", ToAbsl(wanted)),
                   {.reason = "WRONG_STATE", .metadata = {{"state", std::string(NameOf(state))}}});
}

absl::Status RequestIdReused(std::string_view request_id) {
  return MakeError(StatusCode::kAlreadyExists,
                   "this request id came with other content before; use a new one for a new task",
                   {.reason = "REQUEST_ID_REUSED", .metadata = {{"request_id", std::string(request_id)}}});
}

absl::Status DependencyNotFound(const TaskId& id, std::string_view field) {
  return MakeError(StatusCode::kNotFound,
                   absl::StrCat("no task ", Text(id), " is stored that this one could wait for; nothing was submitted"),
                   {.reason = "DEPENDENCY_NOT_FOUND",
                    .metadata = {{"task_id", Text(id)}},
                    .violations = {{.field = std::string(field), .description = "no such task is stored"}}});
}

absl::Status CountChanged(int expected, int actual) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat(actual, " tasks match, not the expected ", expected, "; nothing was done"),
                   {.reason = "COUNT_CHANGED",
                    .metadata = {{"expected_count", absl::StrCat(expected)}, {"actual_count", absl::StrCat(actual)}}});
}

absl::Status SelectionTooLarge(int bound) {
  return MakeError(StatusCode::kFailedPrecondition,
                   absl::StrCat("more than ", bound, " tasks match; narrow the filter"),
                   {.reason = "SELECTION_TOO_LARGE", .metadata = {{"bound", absl::StrCat(bound)}}});
}

absl::Status ResumeTokenExpired() {
  return MakeError(StatusCode::kOutOfRange, "RESUME_TOKEN_EXPIRED",
                   "events after this token are gone; list the tasks, then watch from now");
}

absl::Status ResumeTokenInvalid() {
  return MakeError(StatusCode::kInvalidArgument, "RESUME_TOKEN_INVALID", "not a token that this service gave out");
}

absl::Status WatchTooSlow() {
  return MakeError(StatusCode::kResourceExhausted, "the watcher reads too slowly; resume from its last token",
                   {.reason = "WATCH_TOO_SLOW", .retry_after = absl::Seconds(1)});
}

absl::Status ReadyFeedOverrun() {
  return MakeError(StatusCode::kResourceExhausted, "the reader of the ready feed is too slow; open it again to rescan",
                   {.reason = "READY_FEED_OVERRUN", .retry_after = absl::Milliseconds(100)});
}

absl::Status VerifyingFeedOverrun() {
  return MakeError(StatusCode::kResourceExhausted, "the reader of the verifying feed is too slow; open it again",
                   {.reason = "VERIFYING_FEED_OVERRUN", .retry_after = absl::Milliseconds(100)});
}

absl::Status TooManyWatchers(int bound) {
  return MakeError(StatusCode::kResourceExhausted,
                   absl::StrCat("this replica serves its bound of ", bound, " watchers"),
                   {.reason = "TOO_MANY_WATCHERS", .retry_after = absl::Seconds(5)});
}

absl::Status TooMuchContention(const TaskId& id) {
  return MakeError(StatusCode::kAborted, absl::StrCat("task ", Text(id), " changed under every try"),
                   {.reason = "CONTENTION", .retry_after = absl::Milliseconds(100)});
}

std::string_view NameOf(TaskState state) {
  switch (state) {
    case TaskState::kQueued:
      return "QUEUED";
    case TaskState::kAssigned:
      return "ASSIGNED";
    case TaskState::kRunning:
      return "RUNNING";
    case TaskState::kVerifying:
      return "VERIFYING";
    case TaskState::kSucceeded:
      return "SUCCEEDED";
    case TaskState::kPartial:
      return "PARTIAL";
    case TaskState::kDeadLetter:
      return "DEAD_LETTER";
    case TaskState::kCancelled:
      return "CANCELLED";
    case TaskState::kExpired:
      return "EXPIRED";
    case TaskState::kDiscarded:
      return "DISCARDED";
  }
  return "UNKNOWN";
}

std::string_view NameOf(HoldReason hold) {
  switch (hold) {
    case HoldReason::kNone:
      return "NONE";
    case HoldReason::kDelayed:
      return "DELAYED";
    case HoldReason::kBackoff:
      return "BACKOFF";
    case HoldReason::kDependency:
      return "DEPENDENCY";
    case HoldReason::kPaused:
      return "PAUSED";
    case HoldReason::kApproval:
      return "APPROVAL";
    case HoldReason::kNoRoute:
      return "NO_ROUTE";
    case HoldReason::kNoAgent:
      return "NO_AGENT";
  }
  return "UNKNOWN";
}

}  // namespace switchyard::task_queue
