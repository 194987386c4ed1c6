#include "services/router/task_reader.h"

#include <algorithm>

#include "services/router/router_convert.h"

namespace switchyard::router {
namespace {

namespace tq = task_queue::v1;

constexpr int kMostDecisions = 50;

bool SaysLess(const tq::Task& task) {
  return std::any_of(task.history().begin(), task.history().end(), [](const tq::Attempt& attempt) {
    return attempt.usage().assigned_model().empty() || attempt.usage().endpoint().empty();
  });
}

}  // namespace

TaskReader::KnownPtr TaskReader::Find(const Question& question) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(question.task);
  if (entry == entries_.end() || entry->second.known->generation < question.generation) return nullptr;
  order_.splice(order_.end(), order_, entry->second.place);
  return entry->second.known;
}

TaskReader::KnownPtr TaskReader::Keep(const TaskId& id, const tq::Task& task) {
  RoutedByGeneration routed;
  if (SaysLess(task)) {
    // Without the record, attempts that say nothing count as ones without a model.
    const absl::StatusOr<std::vector<DecisionRecord>> records =
        store_.ListDecisions({.task = id, .limit = kMostDecisions});
    if (records.ok()) routed = RoutedOf(*records);
  }
  auto known = std::make_shared<Known>();
  known->generation = task.generation();
  known->queued = task.state() == tq::TASK_STATE_QUEUED;
  known->facts = FromProto(task, routed, words_);
  // Only what waits stays as it is for as long as its generation.
  if (!known->queued) return known;
  MutexLock lock(mutex_);
  if (const auto entry = entries_.find(id); entry != entries_.end()) {
    if (entry->second.known->generation <= known->generation) entry->second.known = known;
    return known;
  }
  order_.push_back(id);
  entries_.emplace(id, Entry{known, std::prev(order_.end())});
  if (entries_.size() > most_) {
    entries_.erase(order_.front());
    order_.pop_front();
  }
  return known;
}

std::vector<absl::StatusOr<TaskReader::KnownPtr>> TaskReader::Read(absl::Span<const Question> questions) {
  std::vector<absl::StatusOr<KnownPtr>> answers;
  std::vector<std::size_t> missing;
  std::vector<TaskId> ids;
  for (const Question& question : questions) {
    KnownPtr known = Find(question);
    if (known == nullptr) {
      missing.push_back(answers.size());
      ids.push_back(question.task);
    }
    answers.push_back(std::move(known));
  }
  if (ids.empty()) return answers;
  const std::vector<absl::StatusOr<tq::Task>> read = tasks_.Read(ids);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    answers[missing[i]] = read[i].ok() ? absl::StatusOr<KnownPtr>(Keep(ids[i], *read[i])) : read[i].status();
  }
  return answers;
}

std::size_t TaskReader::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace switchyard::router
