#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/task_queue/dependency_desk.h"
#include "services/task_queue/directive_feed.h"
#include "services/task_queue/ready_feed.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/task_store.h"
#include "services/task_queue/verifying_feed.h"
#include "services/task_queue/watch_hub.h"

namespace switchyard::task_queue {

// The one reader of the event log in this process: tells watchers, and learns what other replicas did. A background
// step with a public Tick(). Not thread-safe, apart from lag().
class EventPump final {
 public:
  // Who is told, each of what concerns it.
  struct Hearers {
    WatchHub& watchers;
    ReadyFeed& ready;
    DirectiveFeed& directives;
    VerifyingFeed& verifying;
    DependencyDesk& dependencies;
  };

  // Borrows all for its lifetime.
  EventPump(TaskStore& store, RecordCache& cache, const Hearers& hearers)
      : store_(store), cache_(cache), hearers_(hearers) {}

  // Reads one page; true when more is to be read at once. Begins, or begins anew after the database's life changed, at
  // the end of the log.
  absl::StatusOr<bool> Tick();

  // How long the newest committed batch that may be read has been waiting: because this process reads slowly, or
  // because some transaction older than it still runs. Thread-safe.
  absl::Duration lag() const { return absl::Nanoseconds(lag_nanos_.load(std::memory_order_relaxed)); }

 private:
  absl::Status Begin();
  // `foreign`: another replica committed it.
  void Hear(const PublishedEvent& event, bool foreign, std::vector<TaskId>& foreign_ready);
  absl::Status LearnReady(const std::vector<TaskId>& ids);

  TaskStore& store_;
  RecordCache& cache_;
  const Hearers hearers_;
  // Empty before the first Begin.
  std::string incarnation_;
  EventPosition position_;
  std::atomic<std::int64_t> lag_nanos_{0};
};

}  // namespace switchyard::task_queue
