#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/agent_hub/hub_meter.h"
#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// Output of tasks on its way to the store: what arrives while one batch is written joins the next. While the store is
// away output waits, in bounded memory: beyond the bound the middle of what waits of each task goes, and the chunk
// behind the gap says how much is missing. The work itself never waits for it. Thread-safe.
class LogLane final {
 public:
  // `stored` is told of each task of which more is stored; it must not wait. Borrows all.
  LogLane(LogStore& store, Executor& blocking, const Clock& clock, HubMeter& meter,
          std::function<void(const TaskId&)> stored);

  void Add(std::vector<LogChunk> chunks);
  // Goes on after a failure, once it is time. Every quarter of a second or so.
  void Tick();

  // Bytes of output that wait at most, each chunk counted with some more than its text.
  static constexpr std::size_t kMaxBytes = 32u << 20;

 private:
  void Start();
  void Write();
  // Puts back, in front, what the store could not take.
  void PutBack(std::vector<LogChunk> batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Drops chunks that are neither among the first of their task here nor its last. How many.
  std::size_t MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LogStore& store_;
  Executor& blocking_;
  const Clock& clock_;
  HubMeter& meter_;
  const std::function<void(const TaskId&)> stored_;
  Mutex mutex_;
  std::deque<LogChunk> waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Looked for in vain since the last batch was taken.
  bool no_room_ ABSL_GUARDED_BY(mutex_) = false;
  // After a failure.
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_);
  absl::Time resume_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace switchyard::agent_hub
