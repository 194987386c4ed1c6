#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "libs/base/mutex.h"
#include "services/task_queue/task.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

struct CachedTask {
  std::shared_ptr<const TaskRecord> record;  // Shared with batches that read it while a newer one replaces it.
  std::shared_ptr<const GivenSpec> spec;     // Null when it was not read yet.
};

// Rows of live tasks as this process last saw them, so that most commands need no read before their write. An entry may
// be stale at any time: compare-and-set finds out. Bounded in entries and bytes, least recently used first out.
// Thread-safe.
class RecordCache {
 public:
  RecordCache(std::size_t max_entries, std::size_t max_bytes);

  CachedTask Find(const TaskId& id);
  // Keeps what is newer: an older revision never replaces a later one. Final records are dropped instead.
  void Put(std::shared_ptr<const TaskRecord> record, std::shared_ptr<const GivenSpec> spec = nullptr);
  void Erase(const TaskId& id);
  // Another event of the task became known. An entry that does not hold it yet is erased: another replica moved the
  // task on. True when there is no entry that holds it.
  bool EraseOlder(const TaskId& id, int event_ordinal);

  void Clear();

  std::size_t entries() const;
  // What the entries take, by and large.
  std::size_t bytes() const;

 private:
  struct Entry {
    TaskId id;
    CachedTask task;
    std::size_t bytes = 0;
  };
  struct Part {
    mutable Mutex mutex;
    std::list<Entry> by_use ABSL_GUARDED_BY(mutex);
    absl::flat_hash_map<TaskId, std::list<Entry>::iterator> by_id ABSL_GUARDED_BY(mutex);
    std::size_t bytes ABSL_GUARDED_BY(mutex) = 0;
  };

  Part& PartOf(const TaskId& id) { return parts_[ShardOf(id)]; }
  static void EraseLocked(Part& part, std::list<Entry>::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(part.mutex);

  const std::size_t max_entries_per_part_;
  const std::size_t max_bytes_per_part_;
  std::array<Part, kShardCount> parts_;
};

}  // namespace switchyard::task_queue
