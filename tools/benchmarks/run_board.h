#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "tools/benchmarks/sim_agent.h"

namespace switchyard::bench {

// Keeps book of which agents a task ran with, each from the moment when its acceptance was acknowledged: by then the
// task queue has committed it. Thread-safe.
class RunBoard final : public SimAgentEvents {
 public:
  struct Run {
    SimAgent* agent = nullptr;
    // By SteadyNanos().
    std::int64_t nanos = 0;
  };

  void OnSettled(SimAgent& agent, const SettledReport& report) override;

  // The run of that number, from 0, of a task. Nothing when it does not come in time.
  std::optional<Run> Await(const std::string& task_id, std::size_t number, absl::Duration patience);
  // Until so many tasks were completed in all.
  bool AwaitCompleted(int count, absl::Duration patience);
  // Reports that changed nothing.
  int refused() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  absl::flat_hash_map<std::string, std::vector<Run>> runs_ ABSL_GUARDED_BY(mutex_);
  int completed_ ABSL_GUARDED_BY(mutex_) = 0;
  int refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench
