#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

enum class LogStream : std::int8_t { kStdout = 1, kStderr = 2, kExecutor = 3 };

struct LogChunk {
  TaskId task;
  std::int64_t generation = 0;
  // From 1 within the generation.
  std::int64_t sequence = 0;
  LogStream stream = LogStream::kStdout;
  std::string data;
  // When the executor read it.
  absl::Time time;
  // The last of its generation.
  bool last = false;
  // Bytes that are missing just before this chunk. Said by the executor when appended, and by the store when read: then
  // what the store cut is in it too.
  std::int64_t omitted_bytes = 0;

  friend bool operator==(const LogChunk&, const LogChunk&) = default;
};

// A place in a task's log: everything up to and with this chunk.
struct LogPosition {
  std::int64_t generation = 0;
  std::int64_t sequence = 0;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

// Bounds of what is kept of one generation of a task. Chunks are kept or dropped whole.
struct LogLimits {
  std::int64_t head_bytes = 256 << 10;
  std::int64_t tail_bytes = 768 << 10;
};

struct LogQuery {
  TaskId task;
  // 0: all.
  std::int64_t generation = 0;
  LogPosition after;
  // Ends after the chunk that reaches it; at least one chunk is given.
  std::int64_t max_bytes = 512 << 10;
};

// Where task logs are kept, in daily partitions by the time of arrival. Blocks; may fail with UNAVAILABLE, and may then
// be repeated. Thread-safe.
class LogStore {
 public:
  virtual ~LogStore() = default;

  // Within a generation chunks come in order: one at or below the greatest known sequence is passed over. Once the
  // limits are passed, the eldest chunks behind the head are dropped, a quarter of the tail at a time. `now` decides
  // the partition.
  virtual absl::Status Append(absl::Span<const LogChunk> chunks, absl::Time now) = 0;
  // In order of (generation, sequence).
  virtual absl::StatusOr<std::vector<LogChunk>> Read(const LogQuery& query) = 0;
  // The place from which `bytes` of the last generation (`generation`, unless 0) are left to read.
  virtual absl::StatusOr<LogPosition> FindTail(const TaskId& task, std::int64_t generation, std::int64_t bytes) = 0;
  // Makes the partitions of today and of the days up to `ahead`; drops those that lie wholly before `retain_from`.
  virtual absl::Status Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) = 0;
};

}  // namespace switchyard::agent_hub
