// What ExecutorCore keeps, and when it may act on it.
#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/executor_core.h"

namespace switchyard::executor {

absl::Status ExecutorCore::Open() {
  SY_ASSIGN_OR_RETURN(JournalContent content, journal_.Load());
  next_number_ = content.next_number;
  for (Report& report : content.reports) {
    Task& task = tasks_[report.key];
    task.assignment.key = report.key;
    task.stage = Stage::kDone;
    task.saved = task.saved_started = true;
    reports_[report.number] = {.report = std::move(report), .saved = true};
  }
  for (JournalledWork& work : content.work) {
    const TaskKey key = work.assignment.key;
    if (tasks_.contains(key)) continue;
    if (work.started) {
      forget_.push_back(key);
      continue;
    }
    tasks_[key] = Task{.assignment = std::move(work.assignment), .saved = true};
    // Whether it was said before the end of the former process is not known, and it is not sent again to who names it.
    Say(key, ReportKind::kAccept);
  }
  sendable_through_ = next_number_ - 1;
  return absl::OkStatus();
}

Actions ExecutorCore::Commit() {
  StartWaiting();
  if (!Save()) GiveBackUnsaved(journal_reason_);
  for (auto& [key, task] : tasks_) {
    if (task.stage != Stage::kStarting) continue;
    task.stage = Stage::kRunning;
    running_.insert(key);
    actions_.start.push_back(task.assignment);
  }
  ForgetConfirmations();
  sendable_through_ = next_number_ - 1;
  return std::exchange(actions_, {});
}

bool ExecutorCore::Save() {
  JournalChange change;
  bool fresh = false;
  for (auto& [key, task] : tasks_) {
    const bool started = task.stage == Stage::kStarting || running_.contains(key);
    if (task.stage == Stage::kDone || (task.saved && task.saved_started == started)) continue;
    fresh = true;
    change.work.push_back({.assignment = task.assignment, .started = started});
  }
  for (auto& [number, kept] : reports_) {
    if (IsFinal(kept.report.kind) && !kept.saved) change.reports.push_back(kept.report);
  }
  change.forget = forget_;
  change.acknowledged = acknowledged_;
  if (change.empty() && journal_fault_.empty()) return true;
  if (!fresh && !journal_fault_.empty() && clock_.Now() < journal_at_) return true;

  if (const absl::Status status = journal_.Apply(change); !status.ok()) {
    const bool news = journal_fault_.empty();
    journal_fault_ = std::string(status.message());
    journal_reason_ = ReasonOf(status).empty() ? "JOURNAL_FAILED" : ReasonOf(status);
    journal_at_ = clock_.Now() + limits_.journal_retry;
    if (news && session_) heartbeat_at_ = clock_.Now();
    return false;
  }
  if (!journal_fault_.empty() && session_) heartbeat_at_ = clock_.Now();
  journal_fault_.clear();
  for (auto& [key, task] : tasks_) {
    if (task.stage == Stage::kDone) continue;
    task.saved = true;
    task.saved_started = task.stage == Stage::kStarting || running_.contains(key);
  }
  for (auto& [number, kept] : reports_) kept.saved = kept.saved || IsFinal(kept.report.kind);
  forget_.clear();
  acknowledged_.clear();
  return true;
}

// New work that the journal did not take was never ours.
void ExecutorCore::GiveBackUnsaved(std::string_view reason) {
  for (auto at = tasks_.begin(); at != tasks_.end();) {
    Task& task = at->second;
    if (task.saved || task.stage == Stage::kDone || running_.contains(at->first)) {
      // What was accepted earlier waits for a journal that knows of its start.
      if (task.stage == Stage::kStarting) task.stage = Stage::kWaiting;
      ++at;
      continue;
    }
    const Assignment assignment = std::move(task.assignment);
    at = tasks_.erase(at);
    std::erase_if(reports_, [&](const auto& entry) { return entry.second.report.key == assignment.key; });
    Refuse(assignment, {.reason = std::string(reason), .message = journal_fault_});
  }
}

}  // namespace switchyard::executor
