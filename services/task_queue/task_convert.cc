#include "services/task_queue/task_convert.h"

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/field_checks.h"
#include "services/task_queue/proto_time.h"

namespace switchyard::task_queue {
namespace {

absl::Status Parse(std::string_view what, const std::string& bytes, google::protobuf::MessageLite* out) {
  if (out->ParseFromString(bytes)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, "STORED_DATA_CORRUPT",
                   absl::StrCat("the stored ", ToAbsl(what), " of a task cannot be read"));
}

template <class Record>
bool HasFailure(const Record& record) {
  return !record.failure.reason.empty() || !record.failure.message.empty();
}

absl::Status SetResult(const TaskRecord& record, TaskView view, v1::Task* out) {
  if (record.result.empty() && record.usage.empty()) return absl::OkStatus();
  v1::TaskResult* result = out->mutable_result();
  SY_RETURN_IF_ERROR(Parse("result", record.result, result));
  if (!record.usage.empty()) SY_RETURN_IF_ERROR(Parse("usage", record.usage, result->mutable_usage()));
  if (view == TaskView::kList) {
    result->clear_output();
    result->clear_evidence();
    result->clear_checks();
    result->clear_state_summary();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ToProto(const StoredTask& task, TaskView view, v1::Task* out) {
  const TaskRecord& record = task.record;
  out->Clear();
  out->set_id(record.id.ToString());
  SY_RETURN_IF_ERROR(Parse("specification", task.spec, out->mutable_spec()));
  out->set_state(static_cast<v1::TaskState>(record.state));
  out->set_hold_reason(static_cast<v1::HoldReason>(record.hold));
  if (IsFinite(record.hold_until)) Set(record.hold_until, out->mutable_hold_until());
  out->set_generation(ToInt(record.generation));
  out->set_attempts(record.attempts);
  out->set_losses(record.losses);
  out->set_phase(static_cast<v1::Phase>(record.phase));
  out->set_agent_id(record.agent);
  if (IsFinite(record.create_time)) Set(record.create_time, out->mutable_create_time());
  if (IsFinite(record.assign_time)) Set(record.assign_time, out->mutable_assign_time());
  if (IsFinite(record.accept_time)) Set(record.accept_time, out->mutable_accept_time());
  if (IsFinite(record.finish_time)) Set(record.finish_time, out->mutable_finish_time());
  SY_RETURN_IF_ERROR(SetResult(record, view, out));
  if (HasFailure(record)) ToProto(record.failure, out->mutable_failure());
  for (const Attempt& attempt : record.history) SY_RETURN_IF_ERROR(ToProto(attempt, out->add_history()));
  out->set_principal(record.principal);
  out->set_traceparent(task.traceparent);
  out->set_cancel_requested(record.cancel_requested);
  out->set_question(record.question);
  return absl::OkStatus();
}

absl::Status ToProto(const StoredTask& task, absl::Time accept_by, v1::AssignResult* out) {
  out->Clear();
  out->set_task_id(task.record.id.ToString());
  out->set_generation(ToInt(task.record.generation));
  SY_RETURN_IF_ERROR(Parse("specification", task.spec, out->mutable_spec()));
  if (IsFinite(accept_by)) Set(accept_by, out->mutable_accept_by());
  out->set_traceparent(task.traceparent);
  out->set_routing(task.record.routing);
  out->set_state_summary(FindingsAgainst(task.record));
  return absl::OkStatus();
}

std::string FindingsAgainst(const TaskRecord& record) {
  const auto last = std::find_if(record.history.rbegin(), record.history.rend(),
                                 [](const Attempt& attempt) { return attempt.charged; });
  if (last == record.history.rend() || last->outcome != AttemptOutcome::kVerificationFailed) return "";
  return absl::StrCat("The attempt before was not accepted (", last->failure.reason, "): ", last->failure.message);
}

absl::Status ToProto(const StoredTask& task, absl::Time accept_by, v1::AssignedTask* out) {
  out->Clear();
  out->set_agent_id(task.record.agent);
  SY_RETURN_IF_ERROR(ToProto(task, accept_by, out->mutable_assignment()));
  out->set_state(static_cast<v1::TaskState>(task.record.state));
  out->set_phase(static_cast<v1::Phase>(task.record.phase));
  return absl::OkStatus();
}

absl::Status ToProto(const TaskRecord& record, v1::ReadyTask* out) {
  SY_RETURN_IF_ERROR(Parse("requirements", record.matching, out));
  out->set_task_id(record.id.ToString());
  out->set_generation(ToInt(record.generation));
  out->set_shard(record.shard());
  out->set_lane(static_cast<v1::Lane>(record.lane));
  out->set_retried(record.retried());
  out->set_project(record.project);
  if (IsFinite(record.create_time)) Set(record.create_time, out->mutable_create_time());
  out->clear_avoid_agent_ids();
  for (const std::string& agent : record.avoid_agents) out->add_avoid_agent_ids(agent);
  out->clear_refusing_agent_ids();
  for (const std::string& agent : record.refusing_agents) out->add_refusing_agent_ids(agent);
  return absl::OkStatus();
}

void ToProto(const PublishedEvent& published, v1::TaskEvent* out) {
  const TaskEvent& event = published.event;
  out->Clear();
  out->set_task_id(published.task.ToString());
  out->set_project(published.project);
  out->set_lane(static_cast<v1::Lane>(published.lane));
  out->set_kind(static_cast<v1::EventKind>(event.kind));
  if (IsFinite(event.time)) Set(event.time, out->mutable_time());
  out->set_state(static_cast<v1::TaskState>(event.state));
  out->set_hold_reason(static_cast<v1::HoldReason>(event.hold));
  out->set_generation(ToInt(event.generation));
  out->set_agent_id(event.agent);
  out->set_phase(static_cast<v1::Phase>(event.phase));
  out->set_cause(event.cause);
  out->set_message(event.message);
  out->set_ordinal(event.ordinal);
  if (IsFinite(event.hold_until)) Set(event.hold_until, out->mutable_hold_until());
}

void ToProto(const TaskRecord& record, const TaskEvent& event, v1::TaskEvent* out) {
  ToProto(PublishedEvent{.task = record.id, .project = record.project, .lane = record.lane, .event = event}, out);
}

absl::StatusOr<PublishedEvent> FromProto(const v1::TaskEvent& event) {
  FaultList faults;
  CheckId(FieldPath("task_id"), event.task_id(), faults);
  CheckEnum(FieldPath("kind"), event.kind(), v1::EventKind_IsValid, false, faults);
  CheckEnum(FieldPath("state"), event.state(), v1::TaskState_IsValid, false, faults);
  CheckEnum(FieldPath("hold_reason"), event.hold_reason(), v1::HoldReason_IsValid, false, faults);
  CheckEnum(FieldPath("phase"), event.phase(), v1::Phase_IsValid, true, faults);
  CheckEnum(FieldPath("lane"), event.lane(), v1::Lane_IsValid, false, faults);
  if (event.has_time()) CheckTime(FieldPath("time"), event.time(), absl::InfiniteFuture(), faults);
  if (event.has_hold_until()) CheckTime(FieldPath("hold_until"), event.hold_until(), absl::InfiniteFuture(), faults);
  if (!faults.empty()) return InvalidFields(std::move(faults).Take());
  SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(event.task_id()));
  return PublishedEvent{
      .task = id,
      .project = event.project(),
      .lane = static_cast<Lane>(event.lane()),
      .event = {.kind = static_cast<EventKind>(event.kind()),
                .time = event.has_time() ? ToTime(event.time()) : absl::InfiniteFuture(),
                .state = static_cast<TaskState>(event.state()),
                .hold = static_cast<HoldReason>(event.hold_reason()),
                .hold_until = event.has_hold_until() ? ToTime(event.hold_until()) : absl::InfiniteFuture(),
                .generation = Generation(event.generation()),
                .agent = event.agent_id(),
                .phase = static_cast<Phase>(event.phase()),
                .cause = event.cause(),
                .message = event.message(),
                .ordinal = event.ordinal()}};
}

void ToProto(const Failure& failure, v1::TaskFailure* out) {
  out->set_reason(failure.reason);
  out->set_message(failure.message);
}

absl::Status ToProto(const Attempt& attempt, v1::Attempt* out) {
  out->set_generation(ToInt(attempt.generation));
  out->set_agent_id(attempt.agent);
  out->set_outcome(static_cast<v1::AttemptOutcome>(attempt.outcome));
  out->set_charged(attempt.charged);
  if (HasFailure(attempt)) ToProto(attempt.failure, out->mutable_failure());
  if (!attempt.usage.empty()) SY_RETURN_IF_ERROR(Parse("usage", attempt.usage, out->mutable_usage()));
  if (IsFinite(attempt.assign_time)) Set(attempt.assign_time, out->mutable_assign_time());
  if (IsFinite(attempt.accept_time)) Set(attempt.accept_time, out->mutable_accept_time());
  if (IsFinite(attempt.finish_time)) Set(attempt.finish_time, out->mutable_finish_time());
  return absl::OkStatus();
}

bool ToProto(const TaskRecord& record, v1::Directive* out) {
  if (record.agent.empty()) return false;
  if (record.cancel_requested) {
    out->mutable_cancel()->set_reason(record.cancel_reason);
  } else if (!record.answer.empty()) {
    out->mutable_answer()->set_answer(record.answer);
  } else {
    return false;
  }
  out->set_task_id(record.id.ToString());
  out->set_generation(ToInt(record.generation));
  out->set_agent_id(record.agent);
  return true;
}

void ToProto(Lane lane, const StageCounts& counts, bool paused, int weight, absl::Time now, v1::LaneStats* out) {
  const auto count = [&](Stage stage) { return counts.by_stage[static_cast<int>(stage)]; };
  out->set_lane(static_cast<v1::Lane>(lane));
  out->set_ready(count(Stage::kReady));
  out->set_held(count(Stage::kHeld));
  out->set_assigned_or_running(count(Stage::kRunning));
  out->set_verifying(count(Stage::kJudging));
  out->set_dead_letter(count(Stage::kDead));
  out->set_finished(count(Stage::kDone));
  if (IsFinite(counts.oldest_ready)) {
    Set(std::max(now - counts.oldest_ready, absl::ZeroDuration()), out->mutable_oldest_ready_age());
  }
  out->set_paused(paused);
  out->set_weight(weight);
}

v1::Lane LaneOf(const PauseEntry& entry) {
  int number = 0;
  if (entry.kind != PauseEntry::Kind::kLane || !absl::SimpleAtoi(entry.key, &number) || !v1::Lane_IsValid(number)) {
    return v1::LANE_UNSPECIFIED;
  }
  return static_cast<v1::Lane>(number);
}

void ToProto(const PauseEntry& entry, v1::Pause* out) {
  if (entry.kind == PauseEntry::Kind::kLane) {
    out->mutable_target()->set_lane(LaneOf(entry));
  } else {
    out->mutable_target()->set_project(entry.key);
  }
  out->set_reason(entry.reason);
  out->set_principal(entry.principal);
  if (IsFinite(entry.create_time)) Set(entry.create_time, out->mutable_create_time());
}

absl::StatusOr<PauseEntry> FromProto(const v1::Pause& pause) {
  return ToPauseEntry(pause.target(), pause.reason(), pause.principal(),
                      pause.has_create_time() ? ToTime(pause.create_time()) : absl::InfinitePast());
}

void ToProto(absl::Span<const PauseEntry> entries, v1::PauseSet* out) {
  out->Clear();
  for (const PauseEntry& entry : entries) {
    if (entry.kind == PauseEntry::Kind::kProject) {
      out->add_projects(entry.key);
    } else if (const v1::Lane lane = LaneOf(entry); lane != v1::LANE_UNSPECIFIED) {
      out->add_lanes(lane);
    }
  }
}

}  // namespace switchyard::task_queue
