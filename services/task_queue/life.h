// The verbs of a task's life: each changes a record from one lawful form to another and writes the timeline. Which verb
// a command becomes is decided in decide.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {

// The next moment at which a record must be looked at, and what that moment means.
struct Limit {
  enum class Kind {
    kNone,
    kHoldEnds,
    kTimeToLive,
    kCompleteBy,
    kAccept,
    kRun,
    kStuck,
    kCancelGrace,
    kVerification,
  } kind = Kind::kNone;
  absl::Time time = absl::InfiniteFuture();
};
// A running task that gives no sign for this long is taken back.
absl::Duration SilenceLimit(const Rules& rules, const TaskPolicy& policy);
Limit NextLimit(const Rules& rules, const TaskRecord& record);

// Borrows everything; lives for one command.
class Life {
 public:
  Life(const Rules& rules, absl::Time now, TaskRecord& record) : rules_(rules), now_(now), record_(record) {}

  const TaskRecord& record() const { return record_; }
  const Rules& rules() const { return rules_; }
  absl::Time now() const { return now_; }

  void Submit(absl::Time start_time);
  // Of the tasks that it waits for, some have ended; false when that is no news.
  bool TakeEnds(const std::vector<EndedTask>& ended);
  // The same, and what follows from it.
  bool Settle(const std::vector<EndedTask>& ended);
  // Ends what can never be met; false when there is hope.
  bool EndIfDependenciesFailed();
  // Into the offer, unless it waits for other tasks.
  void OfferOrWait(std::string_view cause);
  void Offer(std::string_view cause);
  void HoldFor(HoldReason reason, absl::Time until, std::string_view cause, std::string_view message);
  void Pause(std::string_view reason);
  // Back to what the pause interrupted: a hold that has not ended meanwhile still holds.
  void Unpause();

  void GiveTo(std::string_view agent, std::string_view routing, std::string_view route_summary);
  void Accept();
  void EnterPhase(Phase phase);
  void Block(std::string_view question, std::string_view reason);
  void TakeAnswer(std::string_view answer);
  void Progress(std::string_view message);
  void ChangeRoute(std::string_view routing, std::string_view cause, std::string_view message);
  void RequestCancel(std::string_view reason);
  // Of a task that no agent owns.
  void CancelNow(std::string_view reason);

  void Finish(const Finished& finished);
  void Fail(const Failed& failed);
  void Release(std::string_view reason, absl::Duration retry_after);
  // An end of the assignment that charges no attempt.
  void Lose(AttemptOutcome outcome, std::string_view cause, Failure failure);
  // The agent will never take it: neither an attempt nor a loss, and it is not offered to that agent again.
  void Refuse(Failure failure);
  // The agents may have learnt better.
  void ForgetRefusals();
  void Judge(const Conclude& conclude);
  void Revive();
  void Discard(std::string_view reason);
  // Final, or the dead letter.
  void End(TaskState state, std::string_view cause, Failure failure);

  // False when no limit has passed.
  bool ActOnDue();

 private:
  void CloseAttempt(AttemptOutcome outcome, bool charged, Failure failure);
  // What the report that closed the attempt is answered, now that it is known.
  void StoreAnswer();
  // After a charged attempt: another one, or the dead letter.
  void RetryOrGiveUp(std::string_view cause, const Failure& failure, bool permanent);
  // Says it with the event that was told last.
  void Remark(const std::string& message);
  absl::Time WaitsUntil() const;
  // "waits for A, B and 4 more"; empty when it waits for nothing.
  std::string WaitText() const;
  void LeaveAgent();
  void WaitBefore(absl::Duration wait, std::string_view cause, std::string_view message);
  void Avoid(const std::string& agent);
  void TakeOutcome(const std::string& result, const std::string& usage, const std::string& model);
  void Tell(EventKind kind, std::string_view cause = "", std::string_view message = "");

  const Rules& rules_;
  const absl::Time now_;
  TaskRecord& record_;
  // Within this command: the agent's outcome was taken; the attempt that was closed does not know its answer yet.
  bool outcome_taken_ = false;
  bool awaits_answer_ = false;
};

}  // namespace switchyard::task_queue
