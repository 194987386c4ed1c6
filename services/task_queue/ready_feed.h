#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "libs/rpc/server_stream.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::task_queue {

// Tells schedulers what can be assigned: first what is stored, up to a window, then what becomes ready. A hint, never
// complete. Thread-safe; only the scan blocks, on the executor.
class ReadyFeed final {
 public:
  using Stream = rpc::ServerStream<v1::WatchReadyResponse>;

  // Borrows all for its lifetime.
  ReadyFeed(TaskStore& store, RecordCache& cache, Executor& executor);

  // Begins with live news, so that nothing falls between the scan and them, then scans.
  absl::Status Open(const v1::WatchReadyRequest& request, std::shared_ptr<Stream> stream);

  // One page, for those who scan by themselves. Blocks.
  absl::Status Read(const v1::ReadReadyRequest& request, v1::ReadReadyResponse& response);

  // A task became ready, as committed by this process or found by the event pump. Held back until Flush.
  void Push(const TaskRecord& record);
  // Sends what was pushed, in one message a reader.
  void Flush();

  // Reads the pauses and tells readers if they changed. Blocks.
  absl::Status RefreshPauses();
  // The lanes and projects that are paused, as last read.
  std::vector<PauseEntry> pauses() const;

  std::size_t readers() const;

 private:
  struct Reader {
    std::shared_ptr<Stream> stream;  // Shared with gRPC until the call is over.
    std::vector<bool> shards;
    int window = 0;
    // By lane: the scan did not reach the end, so news would be out of order and useless.
    bool truncated[kLaneCount + 1] = {};
    v1::WatchReadyResponse pending;
  };

  void Scan(const std::shared_ptr<Reader>& reader);
  v1::PauseSet PauseSetLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(Reader& reader, v1::WatchReadyResponse message);

  TaskStore& store_;
  RecordCache& cache_;
  Executor& executor_;
  mutable Mutex mutex_;
  // Shared with scans under way.
  std::vector<std::shared_ptr<Reader>> readers_ ABSL_GUARDED_BY(mutex_);
  std::vector<PauseEntry> pauses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::task_queue
