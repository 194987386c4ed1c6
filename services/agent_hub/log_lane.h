#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/agent_hub/hub_meter.h"
#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// Output of tasks on its way to the store: what arrives while one batch is written joins the next. Beyond its bound,
// and when the store fails, output is dropped and counted: the work itself never waits for it. Thread-safe.
class LogLane final {
 public:
  // `stored` is told of each task of which more is stored; it must not wait. Borrows all.
  LogLane(LogStore& store, Executor& blocking, const Clock& clock, HubMeter& meter,
          std::function<void(const TaskId&)> stored);

  void Add(std::vector<LogChunk> chunks);

 private:
  void Write();

  LogStore& store_;
  Executor& blocking_;
  const Clock& clock_;
  HubMeter& meter_;
  const std::function<void(const TaskId&)> stored_;
  Mutex mutex_;
  std::vector<LogChunk> waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::agent_hub
