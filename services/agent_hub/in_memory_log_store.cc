#include "services/agent_hub/in_memory_log_store.h"

#include <limits>

#include "libs/base/status_macros.h"
#include "services/agent_hub/agent_rules.h"

namespace switchyard::agent_hub {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

absl::Time DayOf(absl::Time time) { return absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), kDay); }

}  // namespace

void InMemoryLogStore::FailWith(const absl::Status& status) {
  MutexLock lock(mutex_);
  failure_ = status;
}

absl::Status InMemoryLogStore::Append(absl::Span<const LogChunk> chunks, absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (const LogChunk& chunk : chunks) {
    Log& log = logs_[{chunk.task, chunk.generation}];
    if (!log.tally.Take(chunk, limits_)) continue;
    Kept& kept = log.chunks[chunk.sequence];
    kept = {chunk, now};
    kept.chunk.time = ToMicros(chunk.time);
  }
  for (auto& [key, log] : logs_) {
    if (!log.tally.WantsTrim(limits_)) continue;
    auto eldest = log.chunks.upper_bound(log.tally.head_sequence);
    while (log.tally.tail_bytes > limits_.tail_bytes && eldest != log.chunks.end()) {
      const LogChunk& chunk = eldest->second.chunk;
      const auto bytes = static_cast<std::int64_t>(chunk.data.size());
      log.tally.tail_bytes -= bytes;
      log.cut_bytes += bytes + chunk.omitted_bytes;
      log.tally.tail_sequence = chunk.sequence + 1;
      eldest = log.chunks.erase(eldest);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LogChunk>> InMemoryLogStore::Read(const LogQuery& query) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  std::vector<LogChunk> page;
  std::int64_t bytes = 0;
  for (auto at = logs_.lower_bound({query.task, std::numeric_limits<std::int64_t>::min()});
       at != logs_.end() && at->first.first == query.task; ++at) {
    const Log& log = at->second;
    const std::int64_t generation = at->first.second;
    if (query.generation != 0 && generation != query.generation) continue;
    std::int64_t before = generation == query.after.generation ? query.after.sequence : 0;
    for (const auto& [sequence, kept] : log.chunks) {
      if (LogPosition{generation, sequence} <= query.after) continue;
      if (bytes >= query.max_bytes) return page;
      page.push_back(kept.chunk);
      if (log.cut_bytes > 0 && sequence >= log.tally.tail_sequence && before + 1 < log.tally.tail_sequence) {
        page.back().omitted_bytes += log.cut_bytes;
      }
      before = sequence;
      bytes += static_cast<std::int64_t>(kept.chunk.data.size());
    }
  }
  return page;
}

absl::StatusOr<LogPosition> InMemoryLogStore::FindTail(const TaskId& task, std::int64_t generation,
                                                       std::int64_t bytes) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const Log* last = nullptr;
  LogPosition position{generation, 0};
  for (const auto& [key, log] : logs_) {
    if (key.first != task || (generation != 0 && key.second != generation)) continue;
    last = &log;
    position.generation = key.second;
  }
  if (last == nullptr) return position;
  std::int64_t left = 0;
  for (auto at = last->chunks.rbegin(); at != last->chunks.rend(); ++at) {
    if (left >= bytes) {
      position.sequence = at->first;
      break;
    }
    left += static_cast<std::int64_t>(at->second.chunk.data.size());
  }
  return position;
}

absl::Status InMemoryLogStore::Maintain(absl::Time, absl::Duration, absl::Time retain_from) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (auto& [key, log] : logs_) {
    std::erase_if(log.chunks, [&](const auto& entry) { return entry.second.arrive_time < DayOf(retain_from); });
  }
  std::erase_if(logs_, [](const auto& entry) { return entry.second.chunks.empty(); });
  return absl::OkStatus();
}

}  // namespace switchyard::agent_hub
