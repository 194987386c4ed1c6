#include "services/task_queue/decide.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "services/task_queue/life.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

using Outcome = absl::StatusOr<Answered>;

Answered Unchanged(const TaskRecord& record) { return {.state = record.state, .unchanged = true}; }

bool IsLive(const TaskRecord& record) { return !IsFinal(record.state) && record.state != TaskState::kDeadLetter; }
bool IsOwned(const TaskRecord& record) { return record.stage() == Stage::kRunning; }

Outcome On(const Assign& assign, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.stage() != Stage::kReady) {
    if (record.generation != assign.seen) return StaleGeneration(id, assign.seen, record.generation);
    return TaskNotReady(id, record.state, record.hold);
  }
  if (record.generation != assign.seen) return StaleGeneration(id, assign.seen, record.generation);
  life.GiveTo(assign.agent, assign.routing, assign.route_summary);
  return Answered{record.state};
}

// Whether this is the report that ended the attempt.
bool Closed(const Report& report, const Attempt& attempt) {
  const bool finished = std::holds_alternative<Finished>(report.what);
  // Evidence was in: whatever ended the wait for a verdict, the executor had finished.
  if (attempt.answered == TaskState::kVerifying) return finished;
  switch (attempt.outcome) {
    case AttemptOutcome::kSucceeded:
      return finished;
    case AttemptOutcome::kFailed:
      return std::holds_alternative<Failed>(report.what);
    case AttemptOutcome::kRejected:
      return std::holds_alternative<Rejected>(report.what);
    case AttemptOutcome::kReleased:
      return std::holds_alternative<Released>(report.what);
    // Either of them ends an assignment that was to be cancelled; when neither came, the attempt says CANCEL_TIMEOUT.
    case AttemptOutcome::kCancelled:
      if (attempt.failure.reason == "RELEASED") return std::holds_alternative<Released>(report.what);
      return finished && attempt.failure.reason.empty();
    default:
      return false;
  }
}

// A report on an assignment that is over: the answer of the first time when it is the one that ended it.
Outcome OnClosed(const Report& report, const TaskId& id, const TaskRecord& record) {
  if (record.state == TaskState::kVerifying && record.generation == report.generation && record.agent == report.agent &&
      std::holds_alternative<Finished>(report.what)) {
    return Unchanged(record);
  }
  for (const Attempt& attempt : record.history) {
    if (attempt.generation == report.generation && attempt.agent == report.agent && Closed(report, attempt)) {
      return Answered{.state = attempt.answered, .unchanged = true};
    }
  }
  return StaleGeneration(id, report.generation, record.generation);
}

Outcome OnRunning(const Accepted&, Life& life) {
  if (life.record().state == TaskState::kRunning) return Unchanged(life.record());
  life.Accept();
  return Answered{life.record().state};
}

Outcome OnRunning(const Rejected& rejected, Life& life) {
  if (rejected.permanent) {
    life.Refuse(rejected.failure);
  } else {
    life.Lose(AttemptOutcome::kRejected, "REJECTED", rejected.failure);
  }
  return Answered{life.record().state};
}

Outcome OnRunning(const PhaseChanged& changed, Life& life) {
  const TaskRecord& record = life.record();
  // After an answer the same phase again still says that the agent goes on.
  if (record.state == TaskState::kRunning && record.phase == changed.phase && record.answer.empty()) {
    return Unchanged(record);
  }
  life.EnterPhase(changed.phase);
  return Answered{life.record().state};
}

Outcome OnRunning(const Blocked& blocked, Life& life) {
  const TaskRecord& record = life.record();
  const bool answered = !record.answer.empty();
  if ((record.phase == Phase::kBlocked || answered) && record.question == blocked.question) return Unchanged(record);
  life.Block(blocked.question, blocked.reason);
  return Answered{life.record().state};
}

Outcome OnRunning(const Progressed& progressed, Life& life) {
  // Much finer than the silence that would have the task taken back.
  const absl::Duration granularity =
      std::min(life.rules().progress_granularity, SilenceLimit(life.rules(), life.record().policy) / 4);
  if (life.record().state == TaskState::kRunning && life.now() - life.record().sign_time < granularity) {
    return Unchanged(life.record());
  }
  life.Progress(progressed.message);
  return Answered{life.record().state};
}

Outcome OnRunning(const Finished& finished, Life& life) {
  life.Finish(finished);
  return Answered{life.record().state};
}

Outcome OnRunning(const Failed& failed, Life& life) {
  life.Fail(failed);
  return Answered{life.record().state};
}

Outcome OnRunning(const Released& released, Life& life) {
  life.Release(released.reason, released.retry_after);
  return Answered{life.record().state};
}

Outcome OnRunning(const RouteChanged& changed, Life& life) {
  if (life.record().routing == changed.routing) return Unchanged(life.record());
  life.ChangeRoute(changed.routing, changed.cause, changed.message);
  return Answered{life.record().state};
}

Outcome On(const Report& report, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.generation != report.generation || !IsOwned(record)) return OnClosed(report, id, record);
  if (record.agent != report.agent) return NotOwner(id, report.agent);
  return std::visit([&](const auto& what) { return OnRunning(what, life); }, report.what);
}

Outcome On(const Conclude& conclude, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.generation != conclude.generation) return StaleGeneration(id, conclude.generation, record.generation);
  if (record.state != TaskState::kVerifying) {
    const TaskState wanted = conclude.verdict == Verdict::kSucceeded ? TaskState::kSucceeded : TaskState::kPartial;
    if (conclude.verdict != Verdict::kFailed && record.state == wanted) return Unchanged(record);
    const Attempt* last = record.history.empty() ? nullptr : &record.history.back();
    if (conclude.verdict == Verdict::kFailed && last != nullptr && last->generation == conclude.generation &&
        last->outcome == AttemptOutcome::kVerificationFailed) {
      return Unchanged(record);
    }
    return WrongState(id, record.state, "VERIFYING");
  }
  life.Judge(conclude);
  return Answered{record.state};
}

Outcome On(const Hold& hold, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.generation != hold.generation) return StaleGeneration(id, hold.generation, record.generation);
  if (record.state != TaskState::kQueued) return WrongState(id, record.state, "QUEUED");
  // A person's pause is ended by a person only, a start time and a backoff by the time or a person.
  if (record.hold == HoldReason::kPaused) return WrongState(id, record.state, "a task that is not paused");
  if (record.hold == HoldReason::kDelayed || record.hold == HoldReason::kBackoff) {
    return WrongState(id, record.state, "a task whose time has come");
  }
  if (record.hold == HoldReason::kDependency && !record.awaits.empty()) {
    return WrongState(id, record.state, "a task that waits for no other");
  }
  const bool offers = hold.reason == HoldReason::kNone;
  if (record.hold == hold.reason && (offers || record.hold_until == hold.until)) return Unchanged(record);
  if (offers) {
    life.Offer("HOLD_ENDED");
  } else {
    life.HoldFor(hold.reason, hold.until, std::string(NameOf(hold.reason)), hold.message);
  }
  return Answered{record.state};
}

Outcome On(const Cancel& cancel, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state == TaskState::kCancelled) return Unchanged(record);
  if (!IsLive(record)) return WrongState(id, record.state, "a live task");
  if (record.cancel_requested) return Unchanged(record);
  if (IsOwned(record)) {
    life.RequestCancel(cancel.reason);
  } else {
    life.CancelNow(cancel.reason);
  }
  return Answered{record.state};
}

Outcome On(const Retry&, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state == TaskState::kDeadLetter) {
    life.Revive();
    return Answered{record.state};
  }
  // One without a route too: the person has changed what it waited for.
  if (record.state == TaskState::kQueued &&
      (record.hold == HoldReason::kBackoff || record.hold == HoldReason::kNoRoute)) {
    life.Offer("RETRIED_BY_USER");
    return Answered{record.state};
  }
  if (record.stage() == Stage::kReady) {
    if (record.refusing_agents.empty()) return Unchanged(record);
    life.ForgetRefusals();
    return Answered{record.state};
  }
  return WrongState(id, record.state, "DEAD_LETTER, or a queued task that backs off");
}

Outcome On(const Discard& discard, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state == TaskState::kDiscarded) return Unchanged(record);
  if (record.state != TaskState::kDeadLetter) return WrongState(id, record.state, "DEAD_LETTER");
  life.Discard(discard.reason);
  return Answered{record.state};
}

Outcome On(const PauseOne& pause, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state != TaskState::kQueued) return WrongState(id, record.state, "QUEUED");
  if (record.hold == HoldReason::kPaused) return Unchanged(record);
  life.Pause(pause.reason);
  return Answered{record.state};
}

Outcome On(const ResumeOne&, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state != TaskState::kQueued || record.hold != HoldReason::kPaused) return Unchanged(record);
  life.Unpause();
  return Answered{record.state};
}

Outcome On(const Answer& answer, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (IsOwned(record) && !record.answer.empty() && record.answer == answer.answer) return Unchanged(record);
  if (!IsOwned(record) || record.phase != Phase::kBlocked) return WrongState(id, record.state, "a blocked task");
  life.TakeAnswer(answer.answer);
  return Answered{life.record().state};
}

Outcome On(const AgentLost& lost, const TaskId& id, Life& life) {
  const TaskRecord& record = life.record();
  if (!IsOwned(record) || record.agent != lost.agent || record.generation != lost.generation) {
    return Unchanged(record);
  }
  life.Lose(AttemptOutcome::kLost, lost.cause, {.reason = lost.cause, .message = ""});
  return Answered{record.state};
}

Outcome On(const DependenciesEnded& news, const TaskId&, Life& life) {
  const TaskRecord& record = life.record();
  if (record.state != TaskState::kQueued || record.awaits.empty() || !life.Settle(news.ended)) return Unchanged(record);
  return Answered{record.state};
}

Outcome On(const Due&, const TaskId&, Life& life) {
  if (!life.ActOnDue()) return Unchanged(life.record());
  return Answered{life.record().state};
}

}  // namespace

absl::StatusOr<Answered> Decide(const Rules& rules, const Command& command, absl::Time now, TaskRecord& record) {
  const TaskState before = record.state;
  Life life(rules, now, record);
  Outcome outcome = std::visit([&](const auto& what) { return On(what, command.id, life); }, command.what);
  if (!outcome.ok() || outcome->unchanged) return outcome;
  // A broken table of transitions must never reach the database.
  if (!IsTransitionLegal(before, record.state)) std::abort();
  ++record.revision;
  return outcome;
}

void Begin(absl::Time start_time, absl::Time now, TaskRecord& record, const std::vector<EndedTask>& ended) {
  const Rules unused;
  Life life(unused, now, record);
  life.TakeEnds(ended);
  life.Submit(start_time);
  life.EndIfDependenciesFailed();
  record.revision = 1;
}

absl::Time AcceptBy(const Rules& rules, const TaskRecord& record) {
  const absl::Duration limit = record.policy.accept > absl::ZeroDuration() ? record.policy.accept : rules.accept;
  return record.assign_time + limit;
}

absl::Time DueTime(const Rules& rules, const TaskRecord& record) { return NextLimit(rules, record).time; }

}  // namespace switchyard::task_queue
