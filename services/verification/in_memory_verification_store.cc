#include "services/verification/in_memory_verification_store.h"

#include <algorithm>
#include <tuple>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/verification/verification_errors.h"

namespace switchyard::verification {
namespace {

bool IsUnfinished(RecordState state) { return state == RecordState::kJudging || state == RecordState::kDecided; }

Record WithoutReport(Record record) {
  record.report.clear();
  return record;
}

bool Matches(const Record& record, const RecordQuery& query) {
  return std::tuple(record.create_time, record.key) < std::tuple(query.before_time, query.before) &&
         (!query.task.has_value() || record.key.task == *query.task) &&
         (query.project.empty() || record.project == query.project) &&
         (query.model.empty() || record.model == query.model) &&
         (!query.state.has_value() || record.state == *query.state) &&
         (!query.verdict.has_value() || record.verdict == *query.verdict);
}

}  // namespace

void InMemoryVerificationStore::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

absl::Status InMemoryVerificationStore::Available() const {
  if (!away_) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "the store is away");
}

absl::StatusOr<std::vector<KeptRecord>> InMemoryVerificationStore::Add(absl::Span<const Record> records,
                                                                       absl::Time look_after) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<KeptRecord> kept;
  for (const Record& record : records) {
    const auto [row, fresh] = rows_.try_emplace(
        record.key, Row{record, record.state == RecordState::kJudging ? record.create_time : look_after});
    kept.push_back({WithoutReport(row->second.record), fresh});
  }
  return kept;
}

absl::StatusOr<std::vector<KeptRecord>> InMemoryVerificationStore::Decide(absl::Span<const Record> records,
                                                                          absl::Time look_after) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<KeptRecord> kept;
  for (const Record& record : records) {
    const auto row = rows_.find(record.key);
    if (row == rows_.end()) continue;
    Record& stored = row->second.record;
    const bool fresh = stored.state == RecordState::kJudging;
    if (fresh) {
      stored.state = RecordState::kDecided;
      stored.verdict = record.verdict;
      stored.reason = record.reason;
      stored.permanent = record.permanent;
      stored.decide_time = record.decide_time;
      stored.judge_state = record.judge_state;
      stored.judge_model = record.judge_model;
      stored.judge_confidence = record.judge_confidence;
      stored.same_family = record.same_family;
      stored.body = record.body;
      row->second.look_after = look_after;
    }
    kept.push_back({WithoutReport(stored), fresh});
  }
  return kept;
}

absl::Status InMemoryVerificationStore::SetJudgeTask(const WorkKey& key, const TaskId& judge) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  const auto row = rows_.find(key);
  if (row == rows_.end() || row->second.record.state != RecordState::kJudging) return absl::OkStatus();
  if (row->second.record.judge_task.is_nil()) row->second.record.judge_task = judge;
  return absl::OkStatus();
}

absl::Status InMemoryVerificationStore::End(absl::Span<const Finish> finishes) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  for (const Finish& finish : finishes) {
    const auto row = rows_.find(finish.key);
    if (row == rows_.end() || !IsUnfinished(row->second.record.state)) continue;
    Record& record = row->second.record;
    record.state = finish.state;
    if (!record.decide_time.has_value()) record.decide_time = record.create_time;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Record>> InMemoryVerificationStore::Claim(absl::Time now, absl::Duration least,
                                                                     absl::Duration most, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<Row*> due;
  for (auto& [key, row] : rows_) {
    if (IsUnfinished(row.record.state) && row.look_after <= now) due.push_back(&row);
  }
  std::sort(due.begin(), due.end(), [](const Row* a, const Row* b) {
    return std::tuple(a->look_after, a->record.key) < std::tuple(b->look_after, b->record.key);
  });
  if (due.size() > static_cast<std::size_t>(limit)) due.resize(static_cast<std::size_t>(limit));
  std::vector<Record> claimed;
  for (Row* row : due) {
    row->look_after = now + std::clamp((now - row->record.create_time) / 8, least, most);
    claimed.push_back(WithoutReport(row->record));
  }
  return claimed;
}

absl::StatusOr<Backlog> InMemoryVerificationStore::CountUnfinished() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  Backlog backlog;
  for (const auto& [key, row] : rows_) {
    backlog.judging += row.record.state == RecordState::kJudging;
    backlog.decided += row.record.state == RecordState::kDecided;
  }
  return backlog;
}

std::vector<Mark> InMemoryVerificationStore::MarksOf(const TaskId& task) const {
  const auto found = marks_.find(task);
  if (found == marks_.end()) return {};
  std::vector<Mark> marks = found->second;
  std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) {
    return std::tuple(a.time, a.source, a.kind) > std::tuple(b.time, b.source, b.kind);
  });
  return marks;
}

bool InMemoryVerificationStore::IsNewest(const WorkKey& key) const {
  const auto next = rows_.upper_bound(key);
  return next == rows_.end() || next->first.task != key.task;
}

absl::StatusOr<FoundRecord> InMemoryVerificationStore::Find(const TaskId& task, std::int64_t generation) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  for (const auto& [key, row] : rows_) {
    if (key.task != task || (generation == 0 ? !IsNewest(key) : key.generation != generation)) continue;
    return FoundRecord{row.record, MarksOf(task)};
  }
  return VerificationNotFound(task.ToString());
}

absl::StatusOr<std::vector<FoundRecord>> InMemoryVerificationStore::List(const RecordQuery& query) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<FoundRecord> found;
  for (const auto& [key, row] : rows_) {
    if (Matches(row.record, query)) found.push_back({WithoutReport(row.record), MarksOf(key.task)});
  }
  std::sort(found.begin(), found.end(), [](const FoundRecord& a, const FoundRecord& b) {
    return std::tuple(a.record.create_time, a.record.key) > std::tuple(b.record.create_time, b.record.key);
  });
  if (found.size() > static_cast<std::size_t>(query.limit)) found.resize(static_cast<std::size_t>(query.limit));
  return found;
}

absl::StatusOr<StoredPolicy> InMemoryVerificationStore::SetPolicy(const StoredPolicy& policy, std::size_t most,
                                                                  std::string_view) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  const PolicyKey key{policy.project, policy.tier};
  if (policies_.count(key) == 0 && policies_.size() >= most) return TooManyPolicies(most);
  StoredPolicy stored = policy;
  stored.version = ++version_;
  policies_[key] = stored;
  return stored;
}

absl::Status InMemoryVerificationStore::RemovePolicy(std::string_view project, Tier tier) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  return policies_.erase({std::string(project), tier}) > 0 ? absl::OkStatus() : PolicyNotFound();
}

absl::StatusOr<std::vector<StoredPolicy>> InMemoryVerificationStore::ListPolicies() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<StoredPolicy> policies;
  for (const auto& [key, policy] : policies_) policies.push_back(policy);
  return policies;
}

absl::StatusOr<std::vector<Record>> InMemoryVerificationStore::ListWatched(const TaskId& after, absl::Time since,
                                                                           int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<Record> watched;
  for (const auto& [key, row] : rows_) {
    const Record& record = row.record;
    if (!record.watched || record.state != RecordState::kConcluded || record.create_time < since) continue;
    if (key.task <= after || !IsNewest(key) || watched.size() >= static_cast<std::size_t>(limit)) continue;
    watched.push_back(record);
  }
  return watched;
}

absl::Status InMemoryVerificationStore::AddMark(const TaskId& task, const Mark& mark) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  const auto row = rows_.lower_bound({task, 0});
  if (row == rows_.end() || row->first.task != task) return VerificationNotFound(task.ToString());
  for (auto its = row; mark.source == kForgeSource && its != rows_.end() && its->first.task == task; ++its) {
    its->second.record.watched = false;
  }
  std::vector<Mark>& marks = marks_[task];
  for (Mark& stored : marks) {
    if (stored.kind != mark.kind || stored.source != mark.source) continue;
    stored = mark;
    return absl::OkStatus();
  }
  marks.push_back(mark);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CalibrationGroup>> InMemoryVerificationStore::Calibrate(std::string_view project,
                                                                                   absl::Time since) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  using Key = std::tuple<std::string, Tier, Verdict, Quality, std::string, JudgeState>;
  std::map<Key, CalibrationGroup> groups;
  for (const auto& [key, row] : rows_) {
    const Record& record = row.record;
    if (record.state != RecordState::kDecided && record.state != RecordState::kConcluded) continue;
    if (!record.decide_time.has_value() || *record.decide_time < since) continue;
    if (record.create_time < since - kLongestDecision) continue;
    if (!project.empty() && record.project != project) continue;
    const Quality quality = IsNewest(key) ? QualityOf(MarksOf(key.task)) : Quality::kUnknown;
    CalibrationGroup& group =
        groups[{record.model, record.tier, record.verdict, quality, record.judge_model, record.judge_state}];
    group.model = record.model;
    group.tier = record.tier;
    group.verdict = record.verdict;
    group.quality = quality;
    group.judge_model = record.judge_model;
    group.judge_state = record.judge_state;
    ++group.count;
    if (!record.cost_unknown) group.cost_micros += record.cost_micros;
    group.cost_unknown += record.cost_unknown;
    group.same_family += record.same_family;
    if (record.judge_state != JudgeState::kPassed && record.judge_state != JudgeState::kRejected) continue;
    const double good =
        record.judge_state == JudgeState::kPassed ? record.judge_confidence : 1 - record.judge_confidence;
    group.sum_good += good;
    group.sum_good_squared += good * good;
  }
  std::vector<CalibrationGroup> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

absl::StatusOr<int> InMemoryVerificationStore::Forget(absl::Time before, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  int dropped = 0;
  for (auto row = rows_.begin(); row != rows_.end() && dropped < limit;) {
    if (IsUnfinished(row->second.record.state) || row->second.record.create_time >= before) {
      ++row;
      continue;
    }
    const TaskId task = row->first.task;
    row = rows_.erase(row);
    ++dropped;
    const auto left = rows_.lower_bound({task, 0});
    if (left == rows_.end() || left->first.task != task) marks_.erase(task);
  }
  return dropped;
}

}  // namespace switchyard::verification
