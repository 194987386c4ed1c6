#include "services/agent_hub/log_lane.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/log.h"

namespace switchyard::agent_hub {
namespace {

constexpr std::size_t kBatchBytes = 4u << 20;
constexpr std::size_t kBatchChunks = 500;
// What a chunk costs besides its text.
constexpr std::size_t kOverhead = 128;
// Of one generation, what stays of its beginning when room is made.
constexpr std::size_t kHeadBytes = 64u << 10;
// How much room is made at once.
constexpr std::size_t kRoom = 4u << 20;
constexpr absl::Duration kFirstLogPause = absl::Milliseconds(200);
constexpr absl::Duration kMaxLogPause = absl::Seconds(5);

std::size_t Cost(const LogChunk& chunk) { return chunk.data.size() + kOverhead; }

}  // namespace

LogLane::LogLane(LogStore& store, Executor& blocking, const Clock& clock, HubMeter& meter,
                 std::function<void(const TaskId&)> stored)
    : store_(store), blocking_(blocking), clock_(clock), meter_(meter), stored_(std::move(stored)) {}

void LogLane::Add(std::vector<LogChunk> chunks) {
  std::size_t dropped = 0;
  {
    MutexLock lock(mutex_);
    for (LogChunk& chunk : chunks) {
      if (bytes_ + Cost(chunk) > kMaxBytes && !no_room_) dropped += MakeRoom();
      if (bytes_ + Cost(chunk) > kMaxBytes) {
        ++dropped;
        continue;
      }
      bytes_ += Cost(chunk);
      meter_.LogBytes(chunk.data.size());
      waiting_.push_back(std::move(chunk));
    }
  }
  if (dropped > 0) meter_.LogsDropped(dropped);
  Start();
}

void LogLane::Tick() { Start(); }

void LogLane::Start() {
  {
    MutexLock lock(mutex_);
    if (writing_ || waiting_.empty() || clock_.Now() < resume_at_) return;
    writing_ = true;
  }
  if (blocking_.Run([this] { Write(); }).ok()) return;
  MutexLock lock(mutex_);
  writing_ = false;
}

std::size_t LogLane::MakeRoom() {
  struct Seen {
    std::size_t head = 0;
    std::size_t left = 0;
    std::int64_t omitted = 0;
  };
  using Key = std::pair<TaskId, std::int64_t>;
  absl::flat_hash_map<Key, Seen> seen;
  for (const LogChunk& chunk : waiting_) ++seen[{chunk.task, chunk.generation}].left;
  std::deque<LogChunk> kept;
  std::size_t freed = 0;
  std::size_t dropped = 0;
  for (LogChunk& chunk : waiting_) {
    Seen& task = seen[{chunk.task, chunk.generation}];
    const bool last = --task.left == 0;
    if (freed < kRoom && task.head >= kHeadBytes && !last) {
      freed += Cost(chunk);
      ++dropped;
      task.omitted += chunk.omitted_bytes + static_cast<std::int64_t>(chunk.data.size());
      continue;
    }
    task.head += Cost(chunk);
    chunk.omitted_bytes += std::exchange(task.omitted, 0);
    kept.push_back(std::move(chunk));
  }
  waiting_ = std::move(kept);
  bytes_ -= freed;
  no_room_ = freed == 0;
  return dropped;
}

void LogLane::PutBack(std::vector<LogChunk> batch) {
  for (const LogChunk& chunk : batch) bytes_ += Cost(chunk);
  waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
  pause_ = std::min(std::max(pause_ * 2, kFirstLogPause), kMaxLogPause);
  resume_at_ = clock_.Now() + pause_;
  writing_ = false;
}

void LogLane::Write() {
  while (true) {
    std::vector<LogChunk> batch;
    {
      MutexLock lock(mutex_);
      std::size_t bytes = 0;
      while (!waiting_.empty() && batch.size() < kBatchChunks && bytes < kBatchBytes) {
        bytes += Cost(waiting_.front());
        batch.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
      if (batch.empty()) {
        writing_ = false;
        return;
      }
      bytes_ -= bytes;
      no_room_ = false;
    }
    const absl::Status status = store_.Append(batch, clock_.Now());
    if (status.code() == absl::StatusCode::kUnavailable) {
      LogDebug("output of tasks waits for the database", {{"chunks", batch.size()}, {"error", status}});
      MutexLock lock(mutex_);
      return PutBack(std::move(batch));
    }
    if (!status.ok()) {
      meter_.LogsDropped(batch.size());
      LogWarning("output of tasks is lost", {{"chunks", batch.size()}, {"error", status}});
      continue;
    }
    {
      MutexLock lock(mutex_);
      pause_ = absl::ZeroDuration();
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i == 0 || !(batch[i].task == batch[i - 1].task)) stored_(batch[i].task);
    }
  }
}

}  // namespace switchyard::agent_hub
