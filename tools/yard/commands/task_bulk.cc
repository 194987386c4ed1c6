#include "tools/yard/bulk.h"
#include "tools/yard/commands/commands.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr absl::Duration kBulkTimeout = absl::Seconds(60);

// A count reads; the rest must not be done twice, since the second time would meet other tasks.
Repeat RepeatOf(bool dry_run) { return dry_run ? Repeat::kSafe : Repeat::kNever; }

template <class Response>
absl::StatusOr<BulkOutcome> Outcome(absl::StatusOr<Response> response) {
  if (!response.ok()) return response.status();
  return BulkOutcome{response->matched(), response->results()};
}

absl::StatusOr<BulkOutcome> CallRetry(Session& session, const tq::TaskSelection& selection, bool dry_run) {
  tq::RetryTasksRequest request;
  *request.mutable_selection() = selection;
  request.set_dry_run(dry_run);
  return Outcome(session.Call(&TaskQueueStub::RetryTasks, request, RepeatOf(dry_run), kBulkTimeout));
}

}  // namespace

absl::Status TaskCancel(Session& session) {
  BulkVerb verb{.verb = "cancel", .done = "cancelled", .states = {}, .call = {}};
  verb.states = {tq::TASK_STATE_QUEUED, tq::TASK_STATE_ASSIGNED, tq::TASK_STATE_RUNNING, tq::TASK_STATE_VERIFYING};
  verb.call = [&](const tq::TaskSelection& selection, bool dry_run) {
    tq::CancelTasksRequest request;
    *request.mutable_selection() = selection;
    request.set_dry_run(dry_run);
    request.set_reason(session.invocation().Get("reason"));
    return Outcome(session.Call(&TaskQueueStub::CancelTasks, request, RepeatOf(dry_run), kBulkTimeout));
  };
  return RunBulk(session, verb);
}

absl::Status TaskRetry(Session& session) {
  BulkVerb verb{.verb = "retry", .done = "retried", .states = {}, .call = {}};
  // A hold is asked for among queued tasks; otherwise a retry is about what was given up.
  verb.states = {session.invocation().Has("hold") ? tq::TASK_STATE_QUEUED : tq::TASK_STATE_DEAD_LETTER};
  verb.call = [&](const tq::TaskSelection& selection, bool dry_run) { return CallRetry(session, selection, dry_run); };
  return RunBulk(session, verb);
}

absl::Status DeadLetterRetry(Session& session) {
  BulkVerb verb{.verb = "retry", .done = "retried", .states = {tq::TASK_STATE_DEAD_LETTER}, .call = {}};
  verb.call = [&](const tq::TaskSelection& selection, bool dry_run) { return CallRetry(session, selection, dry_run); };
  return RunBulk(session, verb);
}

absl::Status DeadLetterDiscard(Session& session) {
  BulkVerb verb{.verb = "discard", .done = "discarded", .states = {tq::TASK_STATE_DEAD_LETTER}, .call = {}};
  verb.call = [&](const tq::TaskSelection& selection, bool dry_run) {
    tq::DiscardDeadLettersRequest request;
    *request.mutable_selection() = selection;
    request.set_dry_run(dry_run);
    request.set_reason(session.invocation().Get("reason"));
    return Outcome(session.Call(&TaskQueueStub::DiscardDeadLetters, request, RepeatOf(dry_run), kBulkTimeout));
  };
  return RunBulk(session, verb);
}

}  // namespace switchyard::yard
