#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/executor/backend.h"
#include "services/executor/held_work.h"

namespace switchyard::executor {

// A chunk on its way to the hub.
struct OutgoingLog {
  TaskKey key;
  // From 1 within the task.
  std::int64_t sequence = 0;
  LogStream stream = LogStream::kOutput;
  absl::Time time;
  std::string text;
  std::int64_t omitted_bytes = 0;
  bool last = false;
};

// Output between back ends and hub, in bounded memory. While no hub reads, or reads too slowly, the middle of what
// waits goes first: each task keeps its head and its latest output, whoever has most gives way, and the chunk behind a
// gap says how much is missing. Thread-safe.
class LogBuffer {
 public:
  // Bytes of all tasks together; each chunk counts some more than its text.
  explicit LogBuffer(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // What the hub keeps of one task. Three quarters of it are sent as they come; of what is more, the last quarter once
  // the task is over.
  void SetTaskLimit(std::int64_t bytes);
  // Returns whether there was nothing to send.
  bool Push(const TaskKey& key, LogChunk chunk);
  // The task's output is over. Something is said about it only if there was any.
  void Finish(const TaskKey& key);
  // Nobody wants more of it; what waits is still sent.
  void Forget(const TaskKey& key);
  // The oldest chunks, together at most about so many bytes and at least one if there is any.
  std::vector<OutgoingLog> Take(std::size_t max_bytes);
  // Whether there is nothing to send.
  bool empty() const;
  std::size_t bytes() const;
  // Bytes of output that were never sent.
  std::int64_t dropped() const;

 private:
  // In the order of arrival, over all tasks.
  using Ticket = std::uint64_t;
  struct Task {
    std::int64_t sequence = 0;
    std::int64_t passed = 0;
    // Missing before the next chunk.
    std::int64_t omitted = 0;
    absl::Time time;
    LogStream stream = LogStream::kOutput;
    // Of all that waits to be sent, how much, and the last of it.
    std::size_t queued = 0;
    Ticket last = 0;
    // Behind the head: what may go.
    std::deque<Ticket> middle;
    std::size_t middle_bytes = 0;
    std::size_t head_bytes = 0;
    // Beyond the hub's limit: waits for the end, as far as it is among the last.
    std::deque<OutgoingLog> tail;
    std::size_t tail_bytes = 0;
    bool over = false;
    bool finished = false;
  };

  void Enqueue(Task& task, OutgoingLog log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropTailFront(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropFromMiddle(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeRoom(std::size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_bytes_;
  mutable Mutex mutex_;
  std::map<Ticket, OutgoingLog> queue_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<TaskKey, Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::int64_t task_limit_ ABSL_GUARDED_BY(mutex_) = 8 << 20;
  std::int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::executor
