#pragma once

#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// In the schema `agent_hub`. A batch is one transaction of three statements, whatever its size; each trim is one more.
// Nothing can be appended before Maintain made today's partition. Thread-safe.
class PostgresLogStore final : public LogStore {
 public:
  // Borrows the pool.
  explicit PostgresLogStore(pg::Pool& pool, const LogLimits& limits = {}) : pool_(pool), limits_(limits) {}

  absl::Status Append(absl::Span<const LogChunk> chunks, absl::Time now) override;
  absl::StatusOr<std::vector<LogChunk>> Read(const LogQuery& query) override;
  absl::StatusOr<LogPosition> FindTail(const TaskId& task, std::int64_t generation, std::int64_t bytes) override;
  absl::Status Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) override;

 private:
  // Detached first, without blocking readers and writers of the parent, then dropped.
  absl::Status DropPartition(const std::string& child, bool attached);

  pg::Pool& pool_;
  const LogLimits limits_;
};

}  // namespace switchyard::agent_hub
