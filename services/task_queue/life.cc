#include "services/task_queue/life.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

absl::Duration Or(absl::Duration own, absl::Duration fallback) { return own > absl::ZeroDuration() ? own : fallback; }

// The entry for the n-th occurrence (from 1); the last one repeats.
absl::Duration Nth(const std::vector<absl::Duration>& list, int n) {
  if (list.empty()) return absl::ZeroDuration();
  return list[std::min<std::size_t>(std::max(n, 1), list.size()) - 1];
}

int MaxAttempts(const Rules& rules, const TaskPolicy& policy) {
  if (policy.max_attempts > 0) return policy.max_attempts;
  const auto& backoff = policy.backoff.empty() ? rules.backoff : policy.backoff;
  return static_cast<int>(backoff.size()) + 1;
}

bool WasStarted(const TaskRecord& record) {
  return std::any_of(record.history.begin(), record.history.end(),
                     [](const Attempt& attempt) { return attempt.accept_time != absl::InfiniteFuture(); });
}

Failure LostWithEffects() {
  return {.reason = "LOST_WITH_EFFECTS", .message = "its effects may have happened; look before running it again"};
}

void Sooner(Limit& limit, Limit::Kind kind, absl::Time time) {
  if (time < limit.time) limit = {kind, time};
}

}  // namespace

absl::Duration SilenceLimit(const Rules& rules, const TaskPolicy& policy) {
  return Or(policy.stuck, policy.uses_model ? rules.stuck_with_model : rules.stuck_mechanical);
}

Limit NextLimit(const Rules& rules, const TaskRecord& record) {
  const TaskPolicy& policy = record.policy;
  Limit limit;
  if (IsFinal(record.state) || record.state == TaskState::kDeadLetter) return limit;
  Sooner(limit, Limit::Kind::kCompleteBy, policy.complete_by);
  switch (record.state) {
    case TaskState::kQueued:
      if (policy.time_to_live != absl::InfiniteDuration() && !WasStarted(record)) {
        Sooner(limit, Limit::Kind::kTimeToLive, record.create_time + policy.time_to_live);
      }
      if (record.hold != HoldReason::kNone && record.hold != HoldReason::kPaused) {
        Sooner(limit, Limit::Kind::kHoldEnds, record.hold_until);
      }
      break;
    case TaskState::kAssigned:
      Sooner(limit, Limit::Kind::kAccept, record.assign_time + Or(policy.accept, rules.accept));
      break;
    case TaskState::kRunning:
      Sooner(limit, Limit::Kind::kRun, record.accept_time + Or(policy.run, rules.run));
      if (record.phase != Phase::kBlocked) {
        Sooner(limit, Limit::Kind::kStuck, record.sign_time + SilenceLimit(rules, policy));
      }
      break;
    case TaskState::kVerifying:
      Sooner(limit, Limit::Kind::kVerification, record.sign_time + Or(policy.verification, rules.verification));
      break;
    default:
      break;
  }
  if (record.cancel_requested) Sooner(limit, Limit::Kind::kCancelGrace, record.cancel_time + rules.cancel_grace);
  return limit;
}

void Life::Tell(EventKind kind, std::string_view cause, std::string_view message) {
  std::vector<TaskEvent>& timeline = record_.timeline;
  const int ordinal = timeline.empty() ? 1 : timeline.back().ordinal + 1;
  timeline.push_back({.kind = kind,
                      .time = now_,
                      .state = record_.state,
                      .hold = record_.hold,
                      .hold_until = record_.hold_until,
                      .generation = record_.generation,
                      .agent = record_.agent,
                      .phase = record_.phase,
                      .cause = std::string(cause),
                      .message = std::string(message),
                      .ordinal = ordinal});
  if (timeline.size() > kTimelineHead + kTimelineTail) {
    timeline.erase(timeline.begin() + kTimelineHead);
    ++record_.omitted_events;
  }
}

void Life::Submit(absl::Time start_time) {
  record_.create_time = now_;
  record_.state = TaskState::kQueued;
  if (start_time > now_) {
    record_.hold = HoldReason::kDelayed;
    record_.hold_until = start_time;
  } else if (!record_.awaits.empty()) {
    record_.hold = HoldReason::kDependency;
    record_.hold_until = WaitsUntil();
  }
  Tell(EventKind::kSubmitted, record_.hold == HoldReason::kNone ? "" : NameOf(record_.hold), WaitText());
}

void Life::Offer(std::string_view cause) {
  record_.state = TaskState::kQueued;
  record_.hold = HoldReason::kNone;
  record_.hold_until = absl::InfiniteFuture();
  Tell(EventKind::kReady, cause);
}

void Life::HoldFor(HoldReason reason, absl::Time until, std::string_view cause, std::string_view message) {
  record_.state = TaskState::kQueued;
  record_.hold = reason;
  record_.hold_until = until;
  Tell(EventKind::kHeld, cause, message);
}

void Life::Pause(std::string_view reason) {
  // hold_until stays: it tells Unpause what was still to be waited for.
  record_.hold = HoldReason::kPaused;
  Tell(EventKind::kHeld, "PAUSED", reason);
}

void Life::Unpause() {
  // The timeline tells what was interrupted: nothing but the pause itself happens to a paused task.
  const auto before = std::find_if(record_.timeline.rbegin(), record_.timeline.rend(),
                                   [](const TaskEvent& event) { return event.hold != HoldReason::kPaused; });
  const HoldReason interrupted = before == record_.timeline.rend() ? HoldReason::kNone : before->hold;
  const bool timed = interrupted != HoldReason::kNone && interrupted != HoldReason::kDependency;
  if (timed && record_.hold_until > now_) {
    HoldFor(interrupted, record_.hold_until, "RESUMED", "");
  } else {
    OfferOrWait("RESUMED");
  }
}

void Life::GiveTo(std::string_view agent, std::string_view routing, std::string_view route_summary) {
  record_.generation = Next(record_.generation);
  record_.state = TaskState::kAssigned;
  record_.agent = std::string(agent);
  record_.routing = std::string(routing);
  record_.assign_time = now_;
  record_.accept_time = absl::InfiniteFuture();
  record_.sign_time = now_;
  record_.phase = Phase::kNone;
  Tell(EventKind::kAssigned, "", route_summary);
}

void Life::Accept() {
  record_.state = TaskState::kRunning;
  record_.accept_time = now_;
  record_.sign_time = now_;
  Tell(EventKind::kAccepted);
}

void Life::EnterPhase(Phase phase) {
  // A phase implies acceptance: the report of it may have been overtaken.
  if (record_.state == TaskState::kAssigned) Accept();
  record_.phase = phase;
  record_.sign_time = now_;
  if (phase != Phase::kBlocked) {
    // The agent goes on, so it has the answer.
    record_.question.clear();
    record_.answer.clear();
  }
  Tell(EventKind::kPhase);
}

void Life::Block(std::string_view question, std::string_view reason) {
  if (record_.state == TaskState::kAssigned) Accept();
  record_.phase = Phase::kBlocked;
  record_.question = std::string(question);
  record_.answer.clear();
  record_.sign_time = now_;
  Tell(EventKind::kBlocked, reason, question);
}

void Life::TakeAnswer(std::string_view answer) {
  record_.phase = Phase::kExecuting;
  // The question stays until the agent goes on: it tells a late repetition of it from a new one.
  record_.answer = std::string(answer);
  record_.sign_time = now_;
  Tell(EventKind::kAnswered);
}

void Life::Progress(std::string_view message) {
  if (record_.state == TaskState::kAssigned) Accept();
  record_.sign_time = now_;
  if (!message.empty()) Tell(EventKind::kProgress, "", message);
}

void Life::ChangeRoute(std::string_view routing, std::string_view cause, std::string_view message) {
  if (record_.state == TaskState::kAssigned) Accept();
  record_.routing = std::string(routing);
  record_.sign_time = now_;
  Tell(EventKind::kRouteChanged, cause, message);
}

void Life::RequestCancel(std::string_view reason) {
  record_.cancel_requested = true;
  record_.cancel_time = now_;
  record_.cancel_reason = std::string(reason);
  Tell(EventKind::kCancelRequested, "CANCELLED", reason);
}

void Life::TakeOutcome(const std::string& result, const std::string& usage, const std::string& model) {
  outcome_taken_ = true;
  record_.result = result;
  record_.usage = usage;
  record_.model = model;
}

void Life::Finish(const Finished& finished) {
  if (record_.state == TaskState::kAssigned) Accept();
  TakeOutcome(finished.result, finished.usage, finished.model);
  if (record_.policy.needs_verdict) {
    if (record_.cancel_requested) {
      CloseAttempt(AttemptOutcome::kCancelled, false, {});
      End(TaskState::kCancelled, "CANCELLED", {.reason = "CANCELLED", .message = record_.cancel_reason});
      return;
    }
    record_.state = TaskState::kVerifying;
    record_.phase = Phase::kNone;
    record_.question.clear();
    record_.sign_time = now_;
    Tell(EventKind::kEvidence);
    return;
  }
  // A success that outran its cancellation is a success: the work is done.
  ++record_.attempts;
  CloseAttempt(AttemptOutcome::kSucceeded, true, {});
  End(TaskState::kSucceeded, "", {});
}

void Life::Fail(const Failed& failed) {
  if (record_.state == TaskState::kAssigned) Accept();
  TakeOutcome(failed.result, failed.usage, failed.model);
  ++record_.attempts;
  CloseAttempt(AttemptOutcome::kFailed, true, failed.failure);
  RetryOrGiveUp("FAILED", failed.failure, failed.permanent);
}

void Life::Release(std::string_view reason, absl::Duration retry_after) {
  const bool started = record_.state == TaskState::kRunning;
  ++record_.releases;
  CloseAttempt(record_.cancel_requested ? AttemptOutcome::kCancelled : AttemptOutcome::kReleased, false,
               {.reason = "RELEASED", .message = std::string(reason)});
  if (record_.cancel_requested) {
    End(TaskState::kCancelled, "CANCELLED", {.reason = "CANCELLED", .message = record_.cancel_reason});
  } else if (started && record_.policy.on_lost == OnLost::kDeadLetter) {
    End(TaskState::kDeadLetter, "RELEASED", LostWithEffects());
  } else if (record_.releases >= rules_.max_releases) {
    End(TaskState::kDeadLetter, "RELEASED_TOO_OFTEN", {.reason = "RELEASED_TOO_OFTEN", .message = std::string(reason)});
  } else {
    WaitBefore(retry_after, "RELEASED", reason);
  }
}

void Life::Lose(AttemptOutcome outcome, std::string_view cause, Failure failure) {
  const bool started = record_.state == TaskState::kRunning;
  ++record_.losses;
  if (failure.reason.empty()) failure.reason = std::string(cause);
  Avoid(record_.agent);
  CloseAttempt(outcome, false, failure);
  record_.failure = failure;
  if (record_.cancel_requested) {
    End(TaskState::kCancelled, cause, {.reason = "CANCELLED", .message = record_.cancel_reason});
  } else if (started && outcome == AttemptOutcome::kLost && record_.policy.on_lost == OnLost::kDeadLetter) {
    End(TaskState::kDeadLetter, cause, LostWithEffects());
  } else if (record_.losses >= rules_.max_losses) {
    End(TaskState::kDeadLetter, "LOST_TOO_OFTEN",
        {.reason = "LOST_TOO_OFTEN",
         .message = absl::StrCat(record_.losses, " assignments ended without a charge; the last: ", failure.reason)});
  } else {
    WaitBefore(Nth(rules_.loss_cooldown, record_.losses), cause, failure.message);
  }
}

void Life::Refuse(Failure failure) {
  if (failure.reason.empty()) failure.reason = "REFUSED";
  std::erase(record_.avoid_agents, record_.agent);
  record_.refusing_agents.push_back(record_.agent);
  CloseAttempt(AttemptOutcome::kRejected, false, failure);
  record_.failure = failure;
  if (record_.cancel_requested) {
    End(TaskState::kCancelled, "REFUSED", {.reason = "CANCELLED", .message = record_.cancel_reason});
  } else if (record_.refusing_agents.size() >= kRefusalBound) {
    End(TaskState::kDeadLetter, "REFUSED_BY_AGENTS",
        {.reason = "REFUSED_BY_AGENTS",
         .message = absl::StrCat(record_.refusing_agents.size(), " agents refuse it; the last: ", failure.message)});
  } else {
    WaitBefore(absl::ZeroDuration(), "REFUSED", failure.message);
  }
}

void Life::ForgetRefusals() {
  record_.refusing_agents.clear();
  Offer("RETRIED_BY_USER");
}

void Life::RetryOrGiveUp(std::string_view cause, const Failure& failure, bool permanent) {
  record_.failure = failure;
  if (record_.cancel_requested) {
    End(TaskState::kCancelled, "CANCELLED", {.reason = "CANCELLED", .message = record_.cancel_reason});
  } else if (permanent || record_.attempts >= MaxAttempts(rules_, record_.policy)) {
    End(TaskState::kDeadLetter, permanent ? "PERMANENT_FAILURE" : "ATTEMPTS_EXHAUSTED", failure);
  } else {
    const auto& backoff = record_.policy.backoff.empty() ? rules_.backoff : record_.policy.backoff;
    WaitBefore(Nth(backoff, record_.attempts), cause, failure.message);
  }
}

void Life::WaitBefore(absl::Duration wait, std::string_view cause, std::string_view message) {
  const std::string left = record_.agent;
  LeaveAgent();
  record_.state = TaskState::kQueued;
  record_.hold = wait > absl::ZeroDuration() ? HoldReason::kBackoff : HoldReason::kNone;
  record_.hold_until = wait > absl::ZeroDuration() ? now_ + wait : absl::InfiniteFuture();
  Tell(EventKind::kReturned, cause, message);
  record_.timeline.back().agent = left;
  StoreAnswer();
}

void Life::LeaveAgent() {
  record_.agent.clear();
  record_.routing.clear();
  record_.phase = Phase::kNone;
  record_.question.clear();
  record_.answer.clear();
  record_.assign_time = absl::InfiniteFuture();
  record_.accept_time = absl::InfiniteFuture();
  record_.sign_time = absl::InfiniteFuture();
}

void Life::CloseAttempt(AttemptOutcome outcome, bool charged, Failure failure) {
  const bool judging = record_.state == TaskState::kVerifying;
  record_.history.push_back({.generation = record_.generation,
                             .agent = record_.agent,
                             .outcome = outcome,
                             .charged = charged,
                             .failure = std::move(failure),
                             .assign_time = record_.assign_time,
                             .accept_time = record_.accept_time,
                             .finish_time = now_,
                             // That of an earlier attempt may still stand in the record.
                             .usage = judging || outcome_taken_ ? record_.usage : ""});
  // The evidence was answered before; what follows is not the executor's report any more.
  if (judging) record_.history.back().answered = TaskState::kVerifying;
  awaits_answer_ = !judging;
  if (record_.history.size() > kHistoryBound) record_.history.erase(record_.history.begin());
}

void Life::StoreAnswer() {
  if (awaits_answer_) record_.history.back().answered = record_.state;
}

void Life::Judge(const Conclude& conclude) {
  const Failure& failure = conclude.failure;
  ++record_.attempts;
  switch (conclude.verdict) {
    case Verdict::kSucceeded:
      CloseAttempt(AttemptOutcome::kSucceeded, true, {});
      End(TaskState::kSucceeded, "VERIFIED", {});
      break;
    case Verdict::kPartial:
      CloseAttempt(AttemptOutcome::kSucceeded, true, failure);
      End(TaskState::kPartial, "PARTLY_VERIFIED", failure);
      break;
    // What is not understood passes nothing.
    case Verdict::kFailed:
    default:
      CloseAttempt(AttemptOutcome::kVerificationFailed, true, failure);
      RetryOrGiveUp("VERIFICATION_FAILED", failure, conclude.permanent);
      break;
  }
  Remark(conclude.message);
}

void Life::Remark(const std::string& message) {
  if (!message.empty()) record_.timeline.back().message = message;
}

void Life::Revive() {
  record_.attempts = 0;
  record_.losses = 0;
  record_.releases = 0;
  record_.refusing_agents.clear();
  record_.cancel_requested = false;
  record_.finish_time = absl::InfiniteFuture();
  // A limit of the whole life that has passed would end it again at once.
  TaskPolicy& policy = record_.policy;
  if (policy.complete_by <= now_) policy.complete_by = absl::InfiniteFuture();
  if (record_.create_time + policy.time_to_live <= now_) policy.time_to_live = absl::InfiniteDuration();
  record_.state = TaskState::kQueued;
  record_.hold = HoldReason::kNone;
  record_.hold_until = absl::InfiniteFuture();
  Tell(EventKind::kRevived, "RETRIED_BY_USER");
}

void Life::Discard(std::string_view reason) {
  record_.state = TaskState::kDiscarded;
  record_.finish_time = now_;
  Tell(EventKind::kFinished, "DISCARDED", reason);
}

void Life::End(TaskState state, std::string_view cause, Failure failure) {
  const std::string left = record_.agent;
  LeaveAgent();
  record_.state = state;
  record_.hold = HoldReason::kNone;
  record_.hold_until = absl::InfiniteFuture();
  record_.awaits.clear();
  record_.finish_time = now_;
  record_.failure = std::move(failure);
  Tell(EventKind::kFinished, cause, record_.failure.message);
  record_.timeline.back().agent = left;
  StoreAnswer();
}

void Life::CancelNow(std::string_view reason) {
  Failure failure{.reason = "CANCELLED", .message = std::string(reason)};
  if (record_.state == TaskState::kVerifying) CloseAttempt(AttemptOutcome::kCancelled, false, failure);
  End(TaskState::kCancelled, "CANCELLED", std::move(failure));
}

void Life::Avoid(const std::string& agent) {
  auto& avoided = record_.avoid_agents;
  if (std::find(avoided.begin(), avoided.end(), agent) != avoided.end()) return;
  if (avoided.size() == kAvoidBound) avoided.erase(avoided.begin());
  avoided.push_back(agent);
}

bool Life::ActOnDue() {
  const Limit limit = NextLimit(rules_, record_);
  if (limit.time > now_) return false;
  const Stage stage = record_.stage();
  switch (limit.kind) {
    case Limit::Kind::kNone:
      return false;
    case Limit::Kind::kHoldEnds:
      OfferOrWait("HOLD_ENDED");
      break;
    case Limit::Kind::kTimeToLive:
      End(TaskState::kExpired, "TIME_TO_LIVE", {.reason = "TIME_TO_LIVE", .message = "it did not start in time"});
      break;
    case Limit::Kind::kCompleteBy:
      if (stage == Stage::kRunning || stage == Stage::kJudging)
        CloseAttempt(AttemptOutcome::kTimedOut, false, {.reason = "COMPLETE_BY", .message = ""});
      End(TaskState::kExpired, "COMPLETE_BY", {.reason = "COMPLETE_BY", .message = "it did not end in time"});
      break;
    case Limit::Kind::kAccept:
      Lose(AttemptOutcome::kNotAccepted, "ACCEPT_TIMEOUT",
           {.reason = "ACCEPT_TIMEOUT", .message = absl::StrCat(record_.agent, " did not answer the assignment")});
      break;
    case Limit::Kind::kRun:
    case Limit::Kind::kStuck: {
      const bool stuck = limit.kind == Limit::Kind::kStuck;
      const Failure failure{.reason = stuck ? "STUCK" : "RUN_TIMEOUT",
                            .message = stuck ? "no sign of progress" : "one attempt took too long"};
      ++record_.attempts;
      CloseAttempt(AttemptOutcome::kTimedOut, true, failure);
      // What may have had effects outside of its workspace is not simply run again.
      RetryOrGiveUp(failure.reason, failure, record_.policy.on_lost == OnLost::kDeadLetter);
      break;
    }
    case Limit::Kind::kCancelGrace:
      CloseAttempt(AttemptOutcome::kCancelled, false, {.reason = "CANCEL_TIMEOUT", .message = ""});
      End(TaskState::kCancelled, "CANCEL_TIMEOUT", {.reason = "CANCELLED", .message = record_.cancel_reason});
      break;
    case Limit::Kind::kVerification:
      CloseAttempt(AttemptOutcome::kTimedOut, false, {.reason = "VERIFICATION_TIMEOUT", .message = ""});
      End(TaskState::kDeadLetter, "VERIFICATION_TIMEOUT",
          {.reason = "VERIFICATION_TIMEOUT", .message = "no verdict came in time; the evidence is kept"});
      break;
  }
  return true;
}

}  // namespace switchyard::task_queue
