#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/task_queue/directive_feed.h"
#include "services/task_queue/ready_feed.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/task_store.h"
#include "services/task_queue/watch_hub.h"

namespace switchyard::task_queue {

// The one reader of the event log in this process: tells watchers, and learns what other replicas did. A background
// step with a public Tick(). Not thread-safe.
class EventPump final {
 public:
  EventPump(TaskStore& store, RecordCache& cache, WatchHub& watchers, ReadyFeed& ready, DirectiveFeed& directives)
      : store_(store), cache_(cache), watchers_(watchers), ready_(ready), directives_(directives) {}

  // Reads one page; true when more is to be read at once. Begins, or begins anew after the database's life changed, at
  // the end of the log.
  absl::StatusOr<bool> Tick();

  // How long a committed batch has been waiting to be readable, because some transaction older than it still runs.
  absl::Duration lag() const { return lag_; }

 private:
  absl::Status Begin();
  absl::Status LearnReady(const std::vector<TaskId>& ids);

  TaskStore& store_;
  RecordCache& cache_;
  WatchHub& watchers_;
  ReadyFeed& ready_;
  DirectiveFeed& directives_;
  bool begun_ = false;
  EventPosition position_;
  absl::Duration lag_;
};

}  // namespace switchyard::task_queue
