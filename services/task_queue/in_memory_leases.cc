// The parts of the in-memory store that are about sessions, feeds, shards, pauses and events.
#include <algorithm>
#include <tuple>

#include "libs/base/status_macros.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {

absl::StatusOr<Session> InMemoryTaskStore::OpenSession(std::string_view agent, std::string_view hub, absl::Time expire,
                                                       std::int64_t connection) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  Agent& entry = agents_[std::string(agent)];
  if (connection != 0 && connection < entry.connection) return StaleConnection(agent, connection, entry.connection);
  entry.connection = std::max(entry.connection, connection);
  entry.session = {std::string(agent), entry.session.epoch + 1, std::string(hub), expire};
  entry.open = true;
  return entry.session;
}

absl::StatusOr<std::vector<std::string>> InMemoryTaskStore::RenewSessions(
    absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<std::string> renewed;
  for (const auto& [agent, epoch] : sessions) {
    const auto entry = agents_.find(agent);
    if (entry == agents_.end() || !entry->second.open || entry->second.session.epoch != epoch) continue;
    entry->second.session.expire_time = std::max(entry->second.session.expire_time, expire);
    renewed.push_back(agent);
  }
  return renewed;
}

absl::StatusOr<std::vector<Session>> InMemoryTaskStore::ExpiredSessions(absl::Time now, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<Session> expired;
  for (const auto& [agent, entry] : agents_) {
    if (entry.open && entry.session.expire_time <= now) expired.push_back(entry.session);
  }
  std::stable_sort(expired.begin(), expired.end(),
                   [](const Session& a, const Session& b) { return a.expire_time < b.expire_time; });
  if (static_cast<int>(expired.size()) > limit) expired.resize(std::max(limit, 0));
  return expired;
}

absl::StatusOr<bool> InMemoryTaskStore::FenceSession(std::string_view agent, std::int64_t epoch) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  const auto entry = agents_.find(agent);
  const bool current = entry != agents_.end() && entry->second.open && entry->second.session.epoch == epoch;
  if (current) ++entry->second.session.epoch;
  return current;
}

absl::Status InMemoryTaskStore::CloseSession(std::string_view agent, std::int64_t epoch) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  const auto entry = agents_.find(agent);
  // The entry stays, so that the next epoch is higher than every former one.
  if (entry != agents_.end() && entry->second.session.epoch == epoch) entry->second.open = false;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredTask>> InMemoryTaskStore::OwnedBy(absl::Span<const std::string> agents) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<StoredTask> tasks;
  for (const TaskId& id : owned_) {
    const StoredTask& task = rows_.at(id).task;
    if (std::find(agents.begin(), agents.end(), task.record.agent) != agents.end()) tasks.push_back(task);
  }
  return tasks;
}

absl::StatusOr<std::vector<TaskRecord>> InMemoryTaskStore::WithDirectives(const TaskId& after, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<TaskRecord> records;
  for (auto id = owned_.upper_bound(after); id != owned_.end(); ++id) {
    if (static_cast<int>(records.size()) >= limit) break;
    const TaskRecord& record = rows_.at(*id).task.record;
    if (record.cancel_requested || !record.answer.empty()) records.push_back(record);
  }
  return records;
}

absl::StatusOr<std::vector<JudgingTask>> InMemoryTaskStore::ScanJudging(const TaskId& after, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<JudgingTask> tasks;
  for (auto id = judging_.upper_bound(after); id != judging_.end() && static_cast<int>(tasks.size()) < limit; ++id) {
    tasks.push_back({*id, rows_.at(*id).task.record.generation});
  }
  return tasks;
}

absl::StatusOr<std::vector<Wait>> InMemoryTaskStore::ScanWaits(const Wait& after, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<Wait> waits;
  for (auto wait = waits_.upper_bound(after); wait != waits_.end() && static_cast<int>(waits.size()) < limit; ++wait) {
    waits.push_back(*wait);
  }
  return waits;
}

absl::StatusOr<std::vector<Wait>> InMemoryTaskStore::WaitsFor(absl::Span<const TaskId> awaited, const Wait& after,
                                                              int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<Wait> waits;
  const auto by_awaited = [](const Wait& a, const Wait& b) {
    return std::tie(a.awaited, a.task) < std::tie(b.awaited, b.task);
  };
  for (const Wait& wait : waits_) {
    const bool asked = std::find(awaited.begin(), awaited.end(), wait.awaited) != awaited.end();
    if (asked && by_awaited(after, wait)) waits.push_back(wait);
  }
  std::sort(waits.begin(), waits.end(), by_awaited);
  if (static_cast<int>(waits.size()) > limit) waits.resize(std::max(limit, 0));
  return waits;
}

absl::StatusOr<std::vector<ShardLease>> InMemoryTaskStore::AcquireShards(std::string_view owner, int want,
                                                                         absl::Time now, absl::Time expire) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  int held = 0;
  for (Shard& shard : shards_) {
    if (shard.owner != owner) continue;
    shard.expire_time = expire;
    ++held;
  }
  for (Shard& shard : shards_) {
    if (held >= want) break;
    const bool takeable = shard.owner != owner && (shard.owner.empty() || shard.expire_time <= now);
    if (!takeable) continue;
    shard = {std::string(owner), shard.epoch + 1, expire};
    ++held;
  }
  std::vector<ShardLease> leases;
  for (int i = 0; i < kShardCount; ++i) {
    if (shards_[i].owner == owner) leases.push_back({i, shards_[i].epoch});
  }
  return leases;
}

absl::Status InMemoryTaskStore::ReleaseShards(std::string_view owner) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  for (Shard& shard : shards_) {
    if (shard.owner == owner) shard.owner.clear();
  }
  return absl::OkStatus();
}

absl::Status InMemoryTaskStore::Pause(const PauseEntry& entry) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  pauses_.insert_or_assign({entry.kind, entry.key}, entry);
  return absl::OkStatus();
}

absl::StatusOr<bool> InMemoryTaskStore::Resume(PauseEntry::Kind kind, std::string_view key) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  return pauses_.erase({kind, std::string(key)}) > 0;
}

absl::StatusOr<std::vector<PauseEntry>> InMemoryTaskStore::Pauses() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<PauseEntry> entries;
  for (const auto& [key, entry] : pauses_) entries.push_back(entry);
  return entries;
}

absl::StatusOr<std::string> InMemoryTaskStore::Incarnation() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  return incarnation_;
}

absl::StatusOr<EventPosition> InMemoryTaskStore::EventsEnd() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  return events_end_;
}

absl::StatusOr<EventPosition> InMemoryTaskStore::EventsBegin() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  return events_begin_;
}

absl::StatusOr<EventPosition> InMemoryTaskStore::EventsLimit() { return EventsEnd(); }

void InMemoryTaskStore::BeginLife(std::string_view incarnation) {
  MutexLock lock(mutex_);
  incarnation_ = incarnation;
  events_.clear();
  events_begin_ = events_end_ = {};
}

absl::StatusOr<EventPage> InMemoryTaskStore::ReadEvents(const EventPosition& after, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  EventPage page{.incarnation = incarnation_, .batches = {}, .lag = {}};
  for (auto batch = events_.upper_bound(after); batch != events_.end(); ++batch) {
    if (static_cast<int>(page.batches.size()) >= limit) break;
    page.batches.push_back({batch->first, batch->second});
  }
  return page;
}

}  // namespace switchyard::task_queue
