#include "services/executor/executor_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kPastKeys = 2'000;
constexpr std::size_t kMessageBytes = 4'000;

std::string Cut(std::string_view text) { return std::string(text.substr(0, kMessageBytes)); }

}  // namespace

ExecutorCore::ExecutorCore(Journal& journal, WorkChecker& checker, const Clock& clock, CoreLimits limits)
    : journal_(journal), checker_(checker), clock_(clock), limits_(limits) {}

ExecutorCore::~ExecutorCore() = default;

// ---- The session.

HelloFacts ExecutorCore::Hello() const {
  return {.held = Held(), .restarted = !welcomed_ever_, .draining = draining_, .slots = limits_.slots};
}

std::vector<HeldTask> ExecutorCore::Held() const {
  std::vector<HeldTask> held;
  held.reserve(tasks_.size());
  for (const auto& [key, task] : tasks_) {
    const HeldState state = task.stage == Stage::kDone      ? HeldState::kDone
                            : task.stage == Stage::kBlocked ? HeldState::kBlocked
                            : task.verifying                ? HeldState::kVerifying
                                                            : HeldState::kRunning;
    held.push_back({.key = key, .state = state});
  }
  return held;
}

void ExecutorCore::OnWelcome(const Welcomed& welcome) {
  session_ = welcomed_ever_ = true;
  interval_ = std::max(welcome.heartbeat_interval, absl::Milliseconds(50));
  // A lease cannot be shorter than the time between two signs of it.
  grace_ = std::max(welcome.grace, interval_ * 2);
  OnHeard();
  heartbeat_at_ = clock_.Now() + welcome.heartbeat_offset;
  heartbeats_ = last_assignment_ = sent_through_ = 0;
  for (auto& [key, task] : tasks_) {
    task.asked = task.confirmed = task.outdated = false;
    task.confirm_at = absl::InfinitePast();
  }
  for (const TaskKey& key : welcome.drop) Forget(key);
}

void ExecutorCore::OnStreamEnded() {
  session_ = false;
  heartbeat_at_ = absl::InfiniteFuture();
  sent_through_ = 0;
  for (auto& [key, task] : tasks_) task.confirmed = false;
  loose_.clear();
  // What was rejected comes again when it still is ours, and is looked at anew.
  std::erase_if(reports_, [](const auto& entry) { return entry.second.report.kind == ReportKind::kReject; });
}

void ExecutorCore::OnHeard() {
  // Nobody looked in time, as when the process stood still: what lies behind the lease ends all the same, and answers
  // may be as old as the silence.
  if (clock_.Now() >= lease_end()) {
    Tick();
    for (auto& [key, task] : tasks_) {
      task.outdated = task.asked;
      task.asked = task.confirmed = false;
    }
  }
  heard_ = clock_.Now();
  lease_over_ = stopping_ = false;
}

// ---- Work that arrives.

void ExecutorCore::OnAssign(std::vector<Assignment> assignments) {
  for (Assignment& assignment : assignments) {
    last_assignment_ = std::max(last_assignment_, assignment.number);
    Take(std::move(assignment));
  }
}

void ExecutorCore::Take(Assignment assignment) {
  const TaskKey key = assignment.key;
  if (assignment.probe) {
    if (!probes_.insert(key).second) return;
    loose_.push_back({.key = key, .kind = ReportKind::kAccept});
    actions_.probe.push_back(std::move(assignment));
    return;
  }
  if (const auto found = tasks_.find(key); found != tasks_.end()) {
    const bool said = std::any_of(reports_.begin(), reports_.end(),
                                  [&](const auto& entry) { return entry.second.report.key == key; });
    if (!said) Say(key, ReportKind::kAccept);
    return;
  }
  // A newer generation means that the older one is somebody's past.
  std::vector<TaskKey> stale;
  for (auto at = tasks_.lower_bound({.task_id = key.task_id, .generation = 0});
       at != tasks_.end() && at->first.task_id == key.task_id; ++at) {
    if (at->first.generation > key.generation) {
      return Refuse(assignment, {.reason = "STALE_GENERATION", .message = "a newer generation of this task is held"});
    }
    stale.push_back(at->first);
  }
  for (const TaskKey& old : stale) Forget(old);

  if (const Objection objection = ObjectionTo(assignment); !objection.reason.empty()) {
    return Refuse(assignment, objection);
  }
  tasks_[key] = Task{.assignment = std::move(assignment)};
  Say(key, ReportKind::kAccept);
}

ExecutorCore::Objection ExecutorCore::ObjectionTo(Assignment& assignment) {
  if (std::find(past_.begin(), past_.end(), assignment.key) != past_.end()) {
    return {.reason = "ALREADY_FINISHED", .message = "this executor is done with it already", .used = true};
  }
  if (draining_) return {.reason = "DRAINING", .message = "the executor stops"};
  if (!disk_full_.empty()) return {.reason = "DISK_FULL", .message = disk_full_};
  if (!journal_fault_.empty() && clock_.Now() < journal_at_) {
    return {.reason = journal_reason_, .message = journal_fault_};
  }
  if (tasks_.size() >= limits_.max_held) {
    return {.reason = "TOO_MANY_HELD",
            .message = absl::StrCat("it holds ", tasks_.size(), " tasks that no hub has acknowledged")};
  }
  if (busy() >= limits_.slots) {
    return {.reason = "NO_SLOT", .message = absl::StrCat("all ", limits_.slots, " slots are taken")};
  }
  if (const absl::Status status = checker_.Check(assignment); !status.ok()) {
    const std::string reason = ReasonOf(status);
    // What its rules forbid and what it cannot read stays so; a missing program or sandbox may come back.
    return {.reason = reason.empty() ? "UNSUPPORTED" : reason,
            .message = std::string(status.message()),
            .permanent = absl::IsPermissionDenied(status) || absl::IsInvalidArgument(status)};
  }
  return {};
}

void ExecutorCore::Refuse(const Assignment& assignment, const Objection& objection) {
  Report& report = Say(assignment.key, ReportKind::kReject);
  report.reason = objection.reason;
  report.message = Cut(objection.message);
  report.permanent = objection.permanent;
  report.routed = assignment.routed && !objection.used;
}

Report& ExecutorCore::Say(const TaskKey& key, ReportKind kind) {
  const std::int64_t number = next_number_++;
  return (reports_[number] = {.report = {.number = number, .key = key, .kind = kind}}).report;
}

int ExecutorCore::busy() const {
  int count = 0;
  for (const auto& [key, task] : tasks_) count += task.stage != Stage::kDone ? 1 : 0;
  return count;
}

// Work that nobody wants any more may take a moment to die; until then its slot is not free for a start.
void ExecutorCore::StartWaiting() {
  std::size_t going = running_.size();
  for (auto& [key, task] : tasks_) {
    if (task.stage == Stage::kStarting) ++going;
  }
  for (auto& [key, task] : tasks_) {
    if (going >= static_cast<std::size_t>(limits_.slots)) return;
    if (task.stage != Stage::kWaiting) continue;
    // Of an older generation, on its way out.
    const auto former = running_.lower_bound({.task_id = key.task_id, .generation = 0});
    if (former != running_.end() && former->task_id == key.task_id) continue;
    if (task.assignment.beyond_workspace && (!task.confirmed || LeaseOver())) {
      task.stage = Stage::kConfirming;
      task.asked = task.confirmed = false;
      continue;
    }
    task.stage = Stage::kStarting;
    ++going;
  }
}

// What was ours when it was asked may be somebody else's by the time a slot or the journal is free.
void ExecutorCore::ForgetConfirmations() {
  for (auto& [key, task] : tasks_) {
    if (!task.confirmed || task.stage == Stage::kRunning || task.stage == Stage::kBlocked) continue;
    task.confirmed = false;
    task.confirm_at = clock_.Now() + limits_.confirm_retry;
  }
}

void ExecutorCore::OnConfirmation(const TaskKey& key, Confirmation confirmation) {
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.stage != Stage::kConfirming) return;
  Task& task = found->second;
  if (std::exchange(task.outdated, false)) return;
  switch (confirmation) {
    case Confirmation::kCurrent:
      task.confirmed = true;
      task.stage = Stage::kWaiting;
      return;
    case Confirmation::kStale:
      return Forget(key);
    case Confirmation::kUnknown:
      task.asked = false;
      task.confirm_at = clock_.Now() + limits_.confirm_retry;
      return;
  }
}

// ---- Work that ends.

void ExecutorCore::OnAck(std::int64_t through, const std::vector<std::int64_t>& refused) {
  for (const std::int64_t number : refused) {
    const auto found = reports_.find(number);
    if (found == reports_.end()) continue;
    const TaskKey key = found->second.report.key;
    // A task that never came to be held has only this one report.
    reports_.erase(found);
    Forget(key);
  }
  while (!reports_.empty() && reports_.begin()->first <= std::min(through, sent_through_)) {
    const Kept kept = std::move(reports_.begin()->second);
    reports_.erase(reports_.begin());
    if (kept.saved) acknowledged_.push_back(kept.report.number);
    if (IsFinal(kept.report.kind)) Forget(kept.report.key);
  }
}

void ExecutorCore::OnReconcile(const std::vector<TaskKey>& drop) {
  for (const TaskKey& key : drop) Forget(key);
}

void ExecutorCore::OnCancel(const TaskKey& key, std::string_view reason, bool withdrawn) {
  if (withdrawn) return Forget(key);
  if (const auto found = tasks_.find(key); found != tasks_.end()) Stop(found->second, Ending::kReleased, reason);
}

void ExecutorCore::OnAnswer(const TaskKey& key, std::string text) {
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.stage != Stage::kBlocked) return;
  found->second.stage = Stage::kRunning;
  actions_.answers.push_back({.key = key, .text = std::move(text)});
}

void ExecutorCore::Stop(Task& task, Ending ending, std::string_view reason) {
  if (task.stage == Stage::kDone || task.ending != Ending::kNone) return;
  task.ending = ending;
  task.ending_reason = Cut(reason);
  if (running_.contains(task.assignment.key)) {
    actions_.cancel.push_back(task.assignment.key);
    return;
  }
  Report end{.kind = ReportKind::kReleased, .reason = task.ending_reason};
  End(task, std::move(end));
}

void ExecutorCore::End(Task& task, Report end) {
  const TaskKey key = task.assignment.key;
  // What was not said yet about the way there is of no use now; an acceptance is, to a hub that was away.
  std::erase_if(reports_, [&](const auto& entry) {
    const Report& report = entry.second.report;
    return report.key == key && report.number > sent_through_ &&
           (report.kind == ReportKind::kPhase || report.kind == ReportKind::kBlocked);
  });
  task.stage = Stage::kDone;
  Report& report = Say(key, end.kind);
  const std::int64_t number = report.number;
  report = std::move(end);
  report.key = key;
  report.number = number;
  report.message = Cut(report.message);
}

void ExecutorCore::OnPhase(const TaskKey& key, int phase) {
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.stage != Stage::kRunning) return;
  std::erase_if(reports_, [&](const auto& entry) {
    const Report& report = entry.second.report;
    return report.key == key && report.kind == ReportKind::kPhase && report.number > sent_through_;
  });
  Say(key, ReportKind::kPhase).phase = phase;
}

void ExecutorCore::OnVerifying(const TaskKey& key, bool verifying) {
  if (const auto found = tasks_.find(key); found != tasks_.end()) found->second.verifying = verifying;
}

void ExecutorCore::OnBlocked(const TaskKey& key, std::string_view reason, std::string_view question) {
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.stage != Stage::kRunning) return;
  found->second.stage = Stage::kBlocked;
  Report& report = Say(key, ReportKind::kBlocked);
  report.reason = std::string(reason);
  report.message = Cut(question);
}

void ExecutorCore::OnFinished(const TaskKey& key, Report end, bool cancelled) {
  if (probes_.erase(key) != 0) {
    end.key = key;
    end.number = 0;
    end.message = Cut(end.message);
    if (session_) loose_.push_back(std::move(end));
    return;
  }
  running_.erase(key);
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.stage == Stage::kDone) return;
  Task& task = found->second;
  if (!cancelled) return End(task, std::move(end));
  // A network that fails is nobody's failed attempt, unless the work must not run again by itself.
  if (task.ending == Ending::kLeaseEnded && !task.assignment.retry_when_lost) {
    end.kind = ReportKind::kFail;
    end.reason = "LEASE_ENDED";
    end.message = "stopped: no hub was reached before the lease ended, and the work has effects beyond its workspace";
    end.permanent = true;
    end.agent_fault = false;
    return End(task, std::move(end));
  }
  Report released{.kind = ReportKind::kReleased,
                  .reason = task.ending_reason.empty() ? "stopped by the executor" : task.ending_reason};
  // What was used was used.
  released.route_report = std::move(end.route_report);
  End(task, std::move(released));
}

void ExecutorCore::Forget(const TaskKey& key) {
  std::erase_if(reports_, [&](const auto& entry) { return entry.second.report.key == key; });
  const auto found = tasks_.find(key);
  if (found == tasks_.end()) return;
  if (running_.contains(key) && found->second.ending == Ending::kNone) actions_.cancel.push_back(key);
  if (found->second.saved) forget_.push_back(key);
  tasks_.erase(found);
  actions_.forgotten.push_back(key);
  past_.push_back(key);
  if (past_.size() > kPastKeys) past_.pop_front();
}

// ---- The host and the clock.

void ExecutorCore::SetDiskFull(std::string_view why) {
  if (disk_full_ == why) return;
  const bool changed = disk_full_.empty() != why.empty();
  disk_full_ = std::string(why);
  if (changed && session_) heartbeat_at_ = clock_.Now();
}

void ExecutorCore::Drain() {
  if (draining_) return;
  draining_ = true;
  if (session_) heartbeat_at_ = clock_.Now();
}

void ExecutorCore::ReleaseAll(std::string_view reason) {
  Drain();
  for (auto& [key, task] : tasks_) Stop(task, Ending::kReleased, reason);
}

bool ExecutorCore::drained() const { return draining_ && running_.empty() && tasks_.empty() && reports_.empty(); }

std::string ExecutorCore::refusing() const {
  if (!disk_full_.empty()) return disk_full_;
  return journal_fault_;
}

absl::Time ExecutorCore::stop_at() const {
  // A heartbeat that is a little late must not end anything.
  const absl::Duration spare = std::max(grace_ - interval_ * 1.5, absl::ZeroDuration());
  return lease_end() - std::min(limits_.kill_grace, spare);
}

void ExecutorCore::Tick() {
  const absl::Time now = clock_.Now();
  if (lease_over_ || now < stop_at()) return;
  lease_over_ = now >= lease_end();
  const bool ask = !std::exchange(stopping_, true);
  for (auto& [key, task] : tasks_) {
    if (!task.assignment.beyond_workspace || !running_.contains(key)) continue;
    if (ask) Stop(task, Ending::kLeaseEnded, "the lease ended");
    if (lease_over_) actions_.kill.push_back(key);
  }
}

absl::Time ExecutorCore::NextWake() const {
  absl::Time wake = heartbeat_at_;
  if (!lease_over_) wake = std::min(wake, stopping_ ? lease_end() : stop_at());
  if (!journal_fault_.empty()) wake = std::min(wake, journal_at_);
  if (session_) {
    for (const auto& [key, task] : tasks_) {
      if (task.stage == Stage::kConfirming && !task.asked) wake = std::min(wake, task.confirm_at);
    }
  }
  return wake;
}

// ---- What goes out.

bool ExecutorCore::has_reports() const {
  if (!session_) return false;
  if (!loose_.empty()) return true;
  const auto next = reports_.upper_bound(sent_through_);
  return next != reports_.end() && next->first <= sendable_through_;
}

std::vector<Report> ExecutorCore::TakeReports(std::size_t most) {
  std::vector<Report> taken;
  if (!session_) return taken;
  while (!loose_.empty() && taken.size() < most) {
    taken.push_back(std::move(loose_.front()));
    loose_.pop_front();
  }
  for (auto at = reports_.upper_bound(sent_through_);
       at != reports_.end() && at->first <= sendable_through_ && taken.size() < most; ++at) {
    taken.push_back(at->second.report);
    sent_through_ = at->first;
  }
  return taken;
}

std::optional<HeartbeatFacts> ExecutorCore::TakeHeartbeat() {
  const absl::Time now = clock_.Now();
  if (!session_ || now < heartbeat_at_) return std::nullopt;
  heartbeat_at_ = now + interval_;
  return HeartbeatFacts{.number = ++heartbeats_,
                        .held = Held(),
                        .last_assignment = last_assignment_,
                        .slots = limits_.slots,
                        .draining = draining_,
                        .refusing = refusing()};
}

std::vector<TaskKey> ExecutorCore::TakeConfirms() {
  std::vector<TaskKey> keys;
  if (!session_) return keys;
  for (auto& [key, task] : tasks_) {
    if (task.stage != Stage::kConfirming || task.asked || clock_.Now() < task.confirm_at) continue;
    // Until the ledger knows that it was accepted, it may take it back at any moment.
    const bool accepting = std::any_of(reports_.begin(), reports_.end(), [&key = key](const auto& entry) {
      return entry.second.report.key == key && entry.second.report.kind == ReportKind::kAccept;
    });
    if (accepting) continue;
    task.asked = true;
    task.outdated = false;
    keys.push_back(key);
  }
  return keys;
}

}  // namespace switchyard::executor
