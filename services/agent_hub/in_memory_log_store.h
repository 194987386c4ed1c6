#pragma once

#include <map>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/agent_hub/log_store.h"
#include "services/agent_hub/log_tally.h"

namespace switchyard::agent_hub {

// For tests and simulations. Thread-safe.
class InMemoryLogStore final : public LogStore {
 public:
  explicit InMemoryLogStore(const LogLimits& limits = {}) : limits_(limits) {}

  // Every later call fails with it, until it is OK.
  void FailWith(const absl::Status& status);

  absl::Status Append(absl::Span<const LogChunk> chunks, absl::Time now) override;
  absl::StatusOr<std::vector<LogChunk>> Read(const LogQuery& query) override;
  absl::StatusOr<LogPosition> FindTail(const TaskId& task, std::int64_t generation, std::int64_t bytes) override;
  absl::Status Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) override;

 private:
  struct Kept {
    LogChunk chunk;
    absl::Time arrive_time;
  };
  struct Log {
    LogTally tally;
    std::int64_t cut_bytes = 0;
    std::map<std::int64_t, Kept> chunks;
  };

  const LogLimits limits_;
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<TaskId, std::int64_t>, Log> logs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::agent_hub
