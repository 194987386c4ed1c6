#include "services/verification/verifier.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/verification/proto_time.h"

namespace switchyard::verification {
namespace {

namespace tq = task_queue::v1;

// A verdict that another replica decided this recently is that one's to tell.
constexpr absl::Duration kOthersTell = absl::Seconds(1);
// Of the time until the task queue gives up, a judge gets this much.
constexpr double kJudgeShare = 0.8;
constexpr int kSweepTurns = 20;

// Another time it may do.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status);
}

bool IsStale(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == "STALE_GENERATION" || reason == "WRONG_STATE" || reason == "TASK_NOT_FOUND";
}

absl::Time DueOf(const tq::ReadVerifyingResponse& read, const Policy& policy, absl::Time now) {
  absl::Duration patience = policy.judge_timeout;
  if (read.has_due()) patience = std::min(patience, (ToTime(read.due()) - now) * kJudgeShare);
  return Whole(now + std::max(patience, absl::ZeroDuration()));
}

}  // namespace

void Verifier::Hear(absl::Span<const WorkKey> keys) {
  std::size_t dropped = 0;
  {
    MutexLock lock(mutex_);
    for (const WorkKey& key : keys) {
      if (waiting_.count(key) > 0 || judging_.count(key) > 0) continue;
      if (pending_.size() >= kMostPending) {
        ++dropped;
        continue;
      }
      waiting_.insert(key);
      pending_.push_back(key);
    }
    deps_.meter.Pending(pending_.size());
  }
  if (dropped > 0) deps_.meter.Dropped(dropped);
  deps_.wake_tick();
}

std::vector<WorkKey> Verifier::TakeSome() {
  MutexLock lock(mutex_);
  std::vector<WorkKey> keys;
  while (!pending_.empty() && keys.size() < static_cast<std::size_t>(options_.in_flight)) {
    keys.push_back(pending_.front());
    waiting_.erase(pending_.front());
    pending_.pop_front();
  }
  deps_.meter.Pending(pending_.size());
  return keys;
}

void Verifier::SetJudging(const WorkKey& key, bool judging) {
  MutexLock lock(mutex_);
  if (!judging) {
    judging_.erase(key);
    return;
  }
  // Other replicas end some of them unnoticed.
  if (judging_.size() >= kMostJudging) judging_.clear();
  judging_.insert(key);
}

void Verifier::PutBack(const std::vector<WorkKey>& keys) {
  MutexLock lock(mutex_);
  for (const WorkKey& key : keys) {
    if (pending_.size() < kMostPending && waiting_.insert(key).second) pending_.push_back(key);
  }
  deps_.meter.Pending(pending_.size());
}

absl::Status Verifier::Tick() {
  absl::Status failure;
  std::vector<WorkKey> again;
  while (true) {
    const std::vector<WorkKey> keys = TakeSome();
    if (keys.empty()) break;
    const std::size_t before = again.size();
    failure.Update(DecideSome(keys, again));
    // The task queue or the store is away.
    if (again.size() - before == keys.size()) break;
  }
  PutBack(again);
  return failure;
}

Record Verifier::Decide(const WorkKey& key, const ReadVerifying& read, const std::vector<Policy>& policies) {
  const absl::Time now = deps_.clock.Now();
  const Work work = ToWork(read);
  const Policy& policy = ChoosePolicy(policies, work.project, work.tier);
  const Assessment assessment = Assess(work, policy);
  Judgement judgement;
  absl::Time due = absl::InfiniteFuture();
  if (NeedsJudge(work, policy, assessment)) {
    if (AuthorFamilies(work).has_value()) {
      judgement.state = JudgeState::kPending;
      due = DueOf(read, policy, now);
    } else {
      judgement = Unjudged("the author's family is not known, so no judge can be shown to be of another one");
    }
  }
  const Decision decision = Combine(assessment, judgement, policy);
  Record record = MakeRecord(
      key, read,
      {.work = work, .assessment = assessment, .policy = policy, .judgement = judgement, .decision = decision}, now);
  if (judgement.state == JudgeState::kPending) {
    record.state = RecordState::kJudging;
    record.verdict = Verdict::kNone;
    record.judge_due = due;
  } else {
    record.state = RecordState::kDecided;
    record.decide_time = record.create_time;
  }
  return record;
}

absl::StatusOr<std::vector<KeptRecord>> Verifier::Add(const std::vector<Record>& records) {
  const absl::Time look_after = deps_.clock.Now() + options_.sweep;
  absl::StatusOr<std::vector<KeptRecord>> kept = deps_.store.Add(records, look_after);
  if (kept.ok() || records.size() == 1 || absl::IsUnavailable(kept.status())) return kept;
  LogWarning("reports are stored one by one: together they cannot be", {{"status", kept.status()}});
  std::vector<KeptRecord> some;
  for (const Record& record : records) {
    absl::StatusOr<std::vector<KeptRecord>> one = deps_.store.Add({&record, 1}, look_after);
    if (!one.ok()) {
      LogError("a report cannot be stored", {{"task_id", record.key.task.ToString()}, {"status", one.status()}});
      continue;
    }
    for (KeptRecord& each : *one) some.push_back(std::move(each));
  }
  return some;
}

absl::Status Verifier::DecideSome(const std::vector<WorkKey>& keys, std::vector<WorkKey>& again) {
  const absl::Time begun = deps_.clock.Now();
  const std::vector<absl::StatusOr<ReadVerifying>> reads = deps_.queue.ReadVerifying(keys);
  const absl::StatusOr<std::vector<StoredPolicy>> stored = deps_.store.ListPolicies();
  if (!stored.ok()) {
    if (IsPassing(stored.status())) again.insert(again.end(), keys.begin(), keys.end());
    return stored.status();
  }
  const std::vector<Policy> policies = FromStored(*stored);
  std::vector<Record> records;
  absl::Status failure;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (reads[i].ok()) {
      records.push_back(Decide(keys[i], *reads[i], policies));
    } else if (!IsStale(reads[i].status())) {
      if (IsPassing(reads[i].status())) again.push_back(keys[i]);
      failure.Update(reads[i].status());
    }
  }
  if (records.empty()) return failure;
  const absl::StatusOr<std::vector<KeptRecord>> kept = Add(records);
  if (!kept.ok()) {
    for (const Record& record : records) {
      if (IsPassing(kept.status())) again.push_back(record.key);
    }
    return kept.status();
  }
  std::vector<Record> told;
  bool judging = false;
  for (const KeptRecord& one : *kept) {
    if (one.record.state == RecordState::kJudging) {
      SetJudging(one.record.key, true);
      judging = judging || one.fresh;
    }
    // The task queue awaits it still, whatever is said of it here: one of the two may be restored from a copy.
    if (one.record.verdict == Verdict::kNone) continue;
    if (one.fresh) deps_.meter.Decided(one.record);
    if (one.fresh || begun - one.record.create_time >= kOthersTell) told.push_back(one.record);
  }
  if (judging) deps_.wake_sweep();
  if (const absl::Status status = Tell(told); !status.ok()) {
    for (const Record& record : told) {
      if (IsPassing(status)) again.push_back(record.key);
    }
    failure.Update(status);
  }
  deps_.meter.Batch(records.size(), deps_.clock.Now() - begun);
  return failure;
}

std::optional<RecordState> Verifier::Settle(const Record& record) {
  const absl::StatusOr<tq::Task> task = deps_.queue.ReadTasks({&record.key.task, 1}).front();
  if (!task.ok()) {
    if (ReasonOf(task.status()) == "TASK_NOT_FOUND") return RecordState::kSuperseded;
    return std::nullopt;
  }
  if (task->generation() == record.key.generation && task->state() == tq::TASK_STATE_VERIFYING) return std::nullopt;
  // It was taken before, and the answer got lost; the task may have gone on since.
  const tq::AttemptOutcome taken =
      record.verdict == Verdict::kFailed ? tq::ATTEMPT_OUTCOME_VERIFICATION_FAILED : tq::ATTEMPT_OUTCOME_SUCCEEDED;
  const bool ours = std::any_of(task->history().begin(), task->history().end(), [&](const tq::Attempt& attempt) {
    return attempt.generation() == record.key.generation && attempt.outcome() == taken;
  });
  return ours ? RecordState::kConcluded : RecordState::kSuperseded;
}

absl::Status Verifier::Tell(const std::vector<Record>& records) {
  if (records.empty()) return absl::OkStatus();
  tq::ConcludeTasksRequest request;
  for (const Record& record : records) ToProto(record, *request.add_conclusions());
  SY_ASSIGN_OR_RETURN(const tq::ConcludeTasksResponse response, deps_.queue.Conclude(request));
  std::vector<Finish> finishes;
  absl::Status failure;
  for (std::size_t i = 0; i < records.size() && i < static_cast<std::size_t>(response.results_size()); ++i) {
    const tq::ItemError& error = response.results(static_cast<int>(i)).error();
    std::optional<RecordState> end = RecordState::kConcluded;
    if (error.code() != 0) {
      const absl::Status refused =
          MakeError(static_cast<absl::StatusCode>(error.code()), error.reason(), error.message());
      end = IsStale(refused) ? Settle(records[i]) : std::nullopt;
      if (!end.has_value()) failure.Update(refused);
    }
    if (end.has_value()) finishes.push_back({records[i].key, *end});
  }
  // Told twice it counts once, so what is not marked is told again.
  SY_RETURN_IF_ERROR(deps_.store.End(finishes));
  for (const Finish& finish : finishes) deps_.meter.Ended(finish.state);
  return failure;
}

absl::StatusOr<bool> Verifier::Sweep() {
  const absl::Time begun = deps_.clock.Now();
  bool soon = false;
  absl::Status failure;
  for (int turn = 0; turn < kSweepTurns; ++turn) {
    SY_ASSIGN_OR_RETURN(
        const std::vector<Record> claimed,
        deps_.store.Claim(deps_.clock.Now(), kFirstLook, std::max(options_.sweep, kFirstLook), options_.in_flight));
    std::vector<Record> decided, judging;
    for (const Record& record : claimed) {
      (record.state == RecordState::kDecided ? decided : judging).push_back(record);
    }
    soon = soon || !judging.empty();
    failure.Update(Tell(decided));
    failure.Update(Judge(judging));
    if (claimed.size() < static_cast<std::size_t>(options_.in_flight)) break;
    // Whoever does not answer is not waited for again and again.
    if (!failure.ok() && deps_.clock.Now() - begun >= options_.sweep) break;
  }
  SY_ASSIGN_OR_RETURN(const Backlog backlog, deps_.store.CountUnfinished());
  deps_.meter.Unfinished(backlog);
  SY_RETURN_IF_ERROR(failure);
  return soon || backlog.judging > 0;
}

}  // namespace switchyard::verification
