#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "services/router/facts_convert.h"
#include "services/router/route_ports.h"
#include "services/router/route_store.h"

namespace switchyard::router {

// What counts of tasks, read from the task queue once for each generation. Thread-safe.
class TaskReader {
 public:
  struct Known {
    std::int64_t generation = 0;
    // Waits for an assignment.
    bool queued = false;
    TaskFacts facts;
  };
  // Shared with whoever decides by it, beyond its time in the cache.
  using KnownPtr = std::shared_ptr<const Known>;
  struct Question {
    TaskId task;
    std::int64_t generation = 0;
  };

  // Borrows all. Keeps `most` tasks, the ones used last.
  TaskReader(TaskPort& tasks, RouteStore& store, const RaisingWords& words, std::size_t most)
      : tasks_(tasks), store_(store), words_(words), most_(most) {}

  // One answer for each, in order: of that generation or a later one. Blocks unless all are known.
  std::vector<absl::StatusOr<KnownPtr>> Read(absl::Span<const Question> questions);
  std::size_t size() const;

 private:
  using Order = std::list<TaskId>;
  struct Entry {
    KnownPtr known;
    Order::iterator place;
  };

  KnownPtr Find(const Question& question);
  KnownPtr Keep(const TaskId& id, const task_queue::v1::Task& task);

  TaskPort& tasks_;
  RouteStore& store_;
  const RaisingWords& words_;
  const std::size_t most_;
  mutable Mutex mutex_;
  // The ones used last are at the end.
  Order order_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TaskId, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router
