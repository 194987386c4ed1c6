#include "services/executor/log_buffer.h"

#include <algorithm>
#include <utility>

namespace switchyard::executor {
namespace {

// What a chunk costs besides its text.
constexpr std::size_t kOverhead = 128;

std::size_t Cost(const OutgoingLog& log) { return log.text.size() + kOverhead; }

}  // namespace

void LogBuffer::SetTaskLimit(std::int64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes > 0) task_limit_ = bytes;
}

void LogBuffer::Enqueue(OutgoingLog log) {
  bytes_ += Cost(log);
  queue_.push_back(std::move(log));
}

bool LogBuffer::Push(const TaskKey& key, LogChunk chunk) {
  MutexLock lock(mutex_);
  const bool was_empty = queue_.empty();
  Task& task = tasks_[key];
  const auto size = static_cast<std::int64_t>(chunk.text.size());
  task.time = chunk.time;
  task.stream = chunk.stream;
  task.omitted += static_cast<std::int64_t>(chunk.dropped_before);
  ++task.sequence;
  if (bytes_ + chunk.text.size() + kOverhead > max_bytes_ || task.passed + size > task_limit_) {
    task.omitted += size;
    dropped_ += size;
    return false;
  }
  task.passed += size;
  Enqueue({.key = key,
           .sequence = task.sequence,
           .stream = chunk.stream,
           .time = chunk.time,
           .text = std::move(chunk.text),
           .omitted_bytes = std::exchange(task.omitted, 0)});
  return was_empty;
}

void LogBuffer::Finish(const TaskKey& key) {
  MutexLock lock(mutex_);
  const auto found = tasks_.find(key);
  if (found == tasks_.end()) return;
  Task& task = found->second;
  const auto own = std::find_if(queue_.rbegin(), queue_.rend(), [&](const auto& log) { return log.key == key; });
  if (own != queue_.rend() && task.omitted == 0) {
    own->last = true;
  } else {
    Enqueue({.key = key,
             .sequence = task.sequence + 1,
             .stream = task.stream,
             .time = task.time,
             .omitted_bytes = task.omitted,
             .last = true});
  }
  tasks_.erase(found);
}

void LogBuffer::Forget(const TaskKey& key) {
  MutexLock lock(mutex_);
  tasks_.erase(key);
}

std::vector<OutgoingLog> LogBuffer::Take(std::size_t max_bytes) {
  MutexLock lock(mutex_);
  std::vector<OutgoingLog> taken;
  std::size_t bytes = 0;
  while (!queue_.empty() && (taken.empty() || bytes + Cost(queue_.front()) <= max_bytes)) {
    bytes += Cost(queue_.front());
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  bytes_ -= bytes;
  return taken;
}

bool LogBuffer::empty() const {
  MutexLock lock(mutex_);
  return queue_.empty();
}

std::size_t LogBuffer::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

std::int64_t LogBuffer::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace switchyard::executor
