#include "services/agent_hub/log_tally.h"

namespace switchyard::agent_hub {

bool LogTally::Take(const LogChunk& chunk, const LogLimits& limits) {
  if (chunk.sequence <= last_sequence) return false;
  last_sequence = chunk.sequence;
  const auto bytes = static_cast<std::int64_t>(chunk.data.size());
  if (tail_sequence == 0 && head_bytes + bytes <= limits.head_bytes) {
    head_sequence = chunk.sequence;
    head_bytes += bytes;
    return true;
  }
  if (tail_sequence == 0) tail_sequence = chunk.sequence;
  tail_bytes += bytes;
  return true;
}

}  // namespace switchyard::agent_hub
