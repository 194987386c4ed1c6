#include "services/task_queue/record_cache.h"

#include <string>
#include <utility>

namespace switchyard::task_queue {
namespace {

// The entry itself with its place in the list and in the index.
constexpr std::size_t kOverhead = 256;

// Beyond what lies in the object itself.
std::size_t Beyond(const std::string& text) { return text.size() < sizeof(std::string) / 2 ? 0 : text.size() + 1; }
std::size_t Beyond(const Failure& failure) { return Beyond(failure.reason) + Beyond(failure.message); }

std::size_t BytesOf(const TaskRecord& record) {
  std::size_t bytes = sizeof(TaskRecord) + Beyond(record.failure);
  for (const std::string* text :
       {&record.project, &record.principal, &record.matching, &record.agent, &record.cancel_reason, &record.question,
        &record.answer, &record.routing, &record.result, &record.usage, &record.model}) {
    bytes += Beyond(*text);
  }
  bytes += record.policy.backoff.capacity() * sizeof(absl::Duration);
  for (const auto* agents : {&record.avoid_agents, &record.refusing_agents}) {
    bytes += agents->capacity() * sizeof(std::string);
    for (const std::string& agent : *agents) bytes += Beyond(agent);
  }
  bytes += record.awaits.capacity() * sizeof(Awaited);
  bytes += record.history.capacity() * sizeof(Attempt);
  for (const Attempt& attempt : record.history) {
    bytes += Beyond(attempt.agent) + Beyond(attempt.failure) + Beyond(attempt.usage);
  }
  bytes += record.timeline.capacity() * sizeof(TaskEvent);
  for (const TaskEvent& event : record.timeline) {
    bytes += Beyond(event.agent) + Beyond(event.cause) + Beyond(event.message);
  }
  return bytes;
}

std::size_t BytesOf(const CachedTask& task) {
  std::size_t bytes = kOverhead + BytesOf(*task.record);
  if (task.spec != nullptr) bytes += sizeof(GivenSpec) + Beyond(task.spec->spec) + Beyond(task.spec->traceparent);
  return bytes;
}

int LastOrdinal(const TaskRecord& record) { return record.timeline.empty() ? 0 : record.timeline.back().ordinal; }

}  // namespace

RecordCache::RecordCache(std::size_t max_entries, std::size_t max_bytes)
    : max_entries_per_part_(max_entries / kShardCount + 1), max_bytes_per_part_(max_bytes / kShardCount + 1) {}

CachedTask RecordCache::Find(const TaskId& id) {
  Part& part = PartOf(id);
  MutexLock lock(part.mutex);
  const auto found = part.by_id.find(id);
  if (found == part.by_id.end()) return {};
  part.by_use.splice(part.by_use.begin(), part.by_use, found->second);
  return found->second->task;
}

void RecordCache::Put(std::shared_ptr<const TaskRecord> record, std::shared_ptr<const GivenSpec> spec) {
  Part& part = PartOf(record->id);
  MutexLock lock(part.mutex);
  const auto found = part.by_id.find(record->id);
  if (found != part.by_id.end()) {
    CachedTask& known = found->second->task;
    if (record->revision < known.record->revision) return;
    if (spec == nullptr) spec = known.spec;
    EraseLocked(part, found->second);
  }
  if (IsFinal(record->state) || record->state == TaskState::kDeadLetter) return;
  const TaskId id = record->id;
  part.by_use.push_front({id, {std::move(record), std::move(spec)}, 0});
  Entry& entry = part.by_use.front();
  entry.bytes = BytesOf(entry.task);
  part.bytes += entry.bytes;
  part.by_id[id] = part.by_use.begin();
  while (part.by_use.size() > max_entries_per_part_ || (part.bytes > max_bytes_per_part_ && part.by_use.size() > 1)) {
    EraseLocked(part, std::prev(part.by_use.end()));
  }
}

void RecordCache::Erase(const TaskId& id) {
  Part& part = PartOf(id);
  MutexLock lock(part.mutex);
  const auto found = part.by_id.find(id);
  if (found != part.by_id.end()) EraseLocked(part, found->second);
}

bool RecordCache::EraseOlder(const TaskId& id, int event_ordinal) {
  Part& part = PartOf(id);
  MutexLock lock(part.mutex);
  const auto found = part.by_id.find(id);
  if (found == part.by_id.end()) return true;
  if (LastOrdinal(*found->second->task.record) >= event_ordinal) return false;
  EraseLocked(part, found->second);
  return true;
}

void RecordCache::Clear() {
  for (Part& part : parts_) {
    MutexLock lock(part.mutex);
    part.by_use.clear();
    part.by_id.clear();
    part.bytes = 0;
  }
}

std::size_t RecordCache::bytes() const {
  std::size_t total = 0;
  for (const Part& part : parts_) {
    MutexLock lock(part.mutex);
    total += part.bytes;
  }
  return total;
}

std::size_t RecordCache::entries() const {
  std::size_t total = 0;
  for (const Part& part : parts_) {
    MutexLock lock(part.mutex);
    total += part.by_use.size();
  }
  return total;
}

void RecordCache::EraseLocked(Part& part, std::list<Entry>::iterator entry) {
  part.bytes -= entry->bytes;
  part.by_id.erase(entry->id);
  part.by_use.erase(entry);
}

}  // namespace switchyard::task_queue
