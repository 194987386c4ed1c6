#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/server_stream.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::task_queue {

// Tells verifiers what awaits a verdict. Level-triggered: all of it when a stream opens and again and again until it is
// concluded, so a lost message heals; and what is committed, at once. Thread-safe, apart from Tick(). Costs nothing
// while nobody watches.
class VerifyingFeed final {
 public:
  using Stream = rpc::ServerStream<v1::WatchVerifyingResponse>;

  // `per_tick` bounds what one tick reads and sends, `round` says how often all of it is sent again at most.
  VerifyingFeed(TaskStore& store, const Clock& clock, Executor& executor, int per_tick = 5'000,
                absl::Duration round = absl::Seconds(5))
      : store_(store), clock_(clock), executor_(executor), per_tick_(per_tick), round_(round) {}

  // Begins with live news, so that nothing falls between the scan and them, then scans.
  absl::Status Open(const v1::WatchVerifyingRequest& request, std::shared_ptr<Stream> stream);

  // Evidence was committed, by this process or by another one. Sent at once. Never blocks.
  void Push(const TaskId& task, Generation generation);

  // Reads what awaits a verdict and sends it; goes on where the last tick ended. Blocks; a background step.
  absl::Status Tick();

  std::size_t readers() const { return watching_.load(std::memory_order_relaxed); }

 private:
  using StreamPtr = std::shared_ptr<Stream>;  // Shared with gRPC until the call is over.

  void Scan(const StreamPtr& stream);
  void SendToAll(const std::vector<JudgingTask>& tasks);

  TaskStore& store_;
  const Clock& clock_;
  Executor& executor_;
  const int per_tick_;
  const absl::Duration round_;
  std::atomic<std::size_t> watching_{0};
  mutable Mutex mutex_;
  std::vector<StreamPtr> streams_ ABSL_GUARDED_BY(mutex_);
  // Where scans begin: rows that ended before are not cleared away at once. Lowered by what comes.
  TaskId low_ ABSL_GUARDED_BY(mutex_);

  // Of the ticking thread.
  TaskId last_;
  absl::Time round_at_ = absl::InfinitePast();
  absl::Time full_round_at_ = absl::InfinitePast();
};

}  // namespace switchyard::task_queue
