#include "services/agent_hub/log_lane.h"

#include <iterator>
#include <utility>

#include "libs/base/log.h"

namespace switchyard::agent_hub {
namespace {

constexpr std::size_t kMaxBytes = 32u << 20;
constexpr std::size_t kBatchBytes = 4u << 20;
constexpr std::size_t kBatchChunks = 500;

}  // namespace

LogLane::LogLane(LogStore& store, Executor& blocking, const Clock& clock, HubMeter& meter,
                 std::function<void(const TaskId&)> stored)
    : store_(store), blocking_(blocking), clock_(clock), meter_(meter), stored_(std::move(stored)) {}

void LogLane::Add(std::vector<LogChunk> chunks) {
  std::size_t dropped = 0;
  bool start = false;
  {
    MutexLock lock(mutex_);
    for (LogChunk& chunk : chunks) {
      if (bytes_ + chunk.data.size() > kMaxBytes) {
        ++dropped;
        continue;
      }
      bytes_ += chunk.data.size();
      meter_.LogBytes(chunk.data.size());
      waiting_.push_back(std::move(chunk));
    }
    start = !writing_ && !waiting_.empty();
    writing_ = writing_ || start;
  }
  if (dropped > 0) meter_.LogsDropped(dropped);
  if (!start || blocking_.Run([this] { Write(); }).ok()) return;
  MutexLock lock(mutex_);
  writing_ = false;
}

void LogLane::Write() {
  while (true) {
    std::vector<LogChunk> batch;
    {
      MutexLock lock(mutex_);
      std::size_t bytes = 0;
      std::size_t count = 0;
      while (count < waiting_.size() && count < kBatchChunks && bytes < kBatchBytes)
        bytes += waiting_[count++].data.size();
      if (count == 0) {
        writing_ = false;
        return;
      }
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
      batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
      bytes_ -= bytes;
    }
    if (const absl::Status status = store_.Append(batch, clock_.Now()); !status.ok()) {
      meter_.LogsDropped(batch.size());
      LogWarning("output of tasks is lost", {{"chunks", batch.size()}, {"error", status}});
      continue;
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i == 0 || !(batch[i].task == batch[i - 1].task)) stored_(batch[i].task);
    }
  }
}

}  // namespace switchyard::agent_hub
