#pragma once

#include <cstdint>

#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// How much is kept of the log of one generation: chunks up to `head_sequence` are its head, those from `tail_sequence`
// on its tail. Between them lies what was cut.
struct LogTally {
  std::int64_t last_sequence = 0;
  std::int64_t head_sequence = 0;
  std::int64_t head_bytes = 0;
  // 0: no tail yet.
  std::int64_t tail_sequence = 0;
  std::int64_t tail_bytes = 0;

  // False when the chunk, or a later one, is known already. Otherwise counts it; both stores then keep it.
  bool Take(const LogChunk& chunk, const LogLimits& limits);
  // Whether the tail has outgrown its bound so far that trimming it is worth its cost.
  bool WantsTrim(const LogLimits& limits) const { return tail_bytes > limits.tail_bytes + limits.tail_bytes / 4; }
};

}  // namespace switchyard::agent_hub
