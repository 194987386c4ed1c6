#include "services/executor/in_memory_journal.h"

#include <algorithm>

namespace switchyard::executor {

absl::StatusOr<JournalContent> InMemoryJournal::Load() {
  JournalContent content;
  for (const auto& [key, work] : work_) content.work.push_back(work);
  for (const auto& [number, report] : reports_) content.reports.push_back(report);
  content.next_number = next_number_;
  next_number_ += 1'000'000;
  return content;
}

absl::Status InMemoryJournal::Apply(const JournalChange& change) {
  if (!failure_.ok()) return failure_;
  for (const JournalledWork& work : change.work) {
    JournalledWork& kept = work_[work.assignment.key] = work;
    kept.assignment.number = 0;
  }
  for (const Report& report : change.reports) {
    reports_[report.number] = report;
    next_number_ = std::max(next_number_, report.number + 1);
  }
  for (const TaskKey& key : change.forget) {
    work_.erase(key);
    std::erase_if(reports_, [&](const auto& entry) { return entry.second.key == key; });
  }
  for (const std::int64_t number : change.acknowledged) reports_.erase(number);
  return absl::OkStatus();
}

}  // namespace switchyard::executor
