#include "services/executor/log_buffer.h"

#include <algorithm>
#include <utility>

namespace switchyard::executor {
namespace {

// What a chunk costs besides its text.
constexpr std::size_t kOverhead = 128;
// The part of the buffer that the head of one task may keep for itself.
constexpr std::size_t kHeadPart = 16;
// The part of a task's limit that is kept for its end.
constexpr std::int64_t kTailPart = 4;

std::size_t Cost(const OutgoingLog& log) { return log.text.size() + kOverhead; }

}  // namespace

void LogBuffer::SetTaskLimit(std::int64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes > 0) task_limit_ = bytes;
}

void LogBuffer::Enqueue(Task& task, OutgoingLog log) {
  const std::size_t cost = Cost(log);
  const Ticket ticket = ++last_ticket_;
  bytes_ += cost;
  ++task.queued;
  task.last = ticket;
  const bool has_room = task.head_bytes == 0 || task.head_bytes + cost <= max_bytes_ / kHeadPart;
  if (task.middle.empty() && has_room) {
    task.head_bytes += cost;
  } else {
    task.middle.push_back(ticket);
    task.middle_bytes += cost;
  }
  queue_.emplace(ticket, std::move(log));
}

void LogBuffer::DropTailFront(Task& task) {
  const OutgoingLog log = std::move(task.tail.front());
  task.tail.pop_front();
  task.tail_bytes -= log.text.size();
  bytes_ -= Cost(log);
  dropped_ += static_cast<std::int64_t>(log.text.size());
  std::int64_t& behind = task.tail.empty() ? task.omitted : task.tail.front().omitted_bytes;
  behind += static_cast<std::int64_t>(log.text.size()) + log.omitted_bytes;
}

// The oldest that is no head.
void LogBuffer::DropFromMiddle(Task& task) {
  if (task.middle.empty()) return DropTailFront(task);
  const auto oldest = queue_.find(task.middle.front());
  task.middle.pop_front();
  const OutgoingLog log = std::move(oldest->second);
  queue_.erase(oldest);
  --task.queued;
  task.middle_bytes -= Cost(log);
  bytes_ -= Cost(log);
  dropped_ += static_cast<std::int64_t>(log.text.size());
  std::int64_t& behind = !task.middle.empty() ? queue_.at(task.middle.front()).omitted_bytes
                         : !task.tail.empty() ? task.tail.front().omitted_bytes
                                              : task.omitted;
  behind += static_cast<std::int64_t>(log.text.size()) + log.omitted_bytes;
}

bool LogBuffer::MakeRoom(std::size_t bytes) {
  while (bytes_ + bytes > max_bytes_) {
    Task* most = nullptr;
    for (auto& [key, task] : tasks_) {
      // The last word of a task that is over stays.
      if (task.tail.empty() && task.middle.size() <= (task.finished ? 1u : 0u)) continue;
      if (most == nullptr || task.middle_bytes + task.tail_bytes > most->middle_bytes + most->tail_bytes) most = &task;
    }
    if (most == nullptr) return false;
    DropFromMiddle(*most);
  }
  return true;
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
  if (!MakeRoom(chunk.text.size() + kOverhead)) {
    task.omitted += size;
    dropped_ += size;
    return false;
  }
  OutgoingLog log{.key = key,
                  .sequence = task.sequence,
                  .stream = chunk.stream,
                  .time = chunk.time,
                  .text = std::move(chunk.text),
                  .omitted_bytes = std::exchange(task.omitted, 0)};
  const std::int64_t kept_for_end = task_limit_ / kTailPart;
  task.over = task.over || task.passed + size > task_limit_ - kept_for_end;
  if (!task.over) {
    task.passed += size;
    Enqueue(task, std::move(log));
    return was_empty;
  }
  bytes_ += Cost(log);
  task.tail_bytes += log.text.size();
  task.tail.push_back(std::move(log));
  while (!task.tail.empty() && static_cast<std::int64_t>(task.tail_bytes) > kept_for_end) DropTailFront(task);
  return false;
}

void LogBuffer::Finish(const TaskKey& key) {
  MutexLock lock(mutex_);
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.finished) return;
  Task& task = found->second;
  for (OutgoingLog& log : std::exchange(task.tail, {})) {
    bytes_ -= Cost(log);
    Enqueue(task, std::move(log));
  }
  task.tail_bytes = 0;
  const auto last = queue_.find(task.last);
  if (last != queue_.end() && task.omitted == 0) {
    last->second.last = true;
  } else {
    Enqueue(task, {.key = key,
                   .sequence = task.sequence + 1,
                   .stream = task.stream,
                   .time = task.time,
                   .omitted_bytes = task.omitted,
                   .last = true});
  }
  task.finished = true;
}

void LogBuffer::Forget(const TaskKey& key) {
  MutexLock lock(mutex_);
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || found->second.finished) return;
  Task& task = found->second;
  while (!task.tail.empty()) DropTailFront(task);
  task.finished = true;
  if (task.queued == 0) tasks_.erase(found);
}

std::vector<OutgoingLog> LogBuffer::Take(std::size_t max_bytes) {
  MutexLock lock(mutex_);
  std::vector<OutgoingLog> taken;
  std::size_t bytes = 0;
  while (!queue_.empty() && (taken.empty() || bytes + Cost(queue_.begin()->second) <= max_bytes)) {
    auto first = queue_.extract(queue_.begin());
    const std::size_t cost = Cost(first.mapped());
    bytes += cost;
    const auto owner = tasks_.find(first.mapped().key);
    Task& task = owner->second;
    if (!task.middle.empty() && task.middle.front() == first.key()) {
      task.middle.pop_front();
      task.middle_bytes -= cost;
    } else {
      // What was sent makes room for as much that is as safe.
      task.head_bytes -= std::min(task.head_bytes, cost);
    }
    if (--task.queued == 0 && task.finished) tasks_.erase(owner);
    taken.push_back(std::move(first.mapped()));
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
