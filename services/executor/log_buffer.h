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

// Output between back ends and hub, in bounded memory: while no hub reads, or reads too slowly, what comes in is
// dropped and counted, and the next chunk that is sent says how much is missing. Thread-safe.
class LogBuffer {
 public:
  // Bytes of all tasks together; each chunk counts some more than its text.
  explicit LogBuffer(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // What the hub keeps of one task; what is more is dropped here.
  void SetTaskLimit(std::int64_t bytes);
  // Returns whether the buffer was empty.
  bool Push(const TaskKey& key, LogChunk chunk);
  // The task's output is over. Something is said about it only if there was any.
  void Finish(const TaskKey& key);
  // Nobody wants it any more.
  void Forget(const TaskKey& key);
  // The oldest chunks, together at most about so many bytes and at least one if there is any.
  std::vector<OutgoingLog> Take(std::size_t max_bytes);
  bool empty() const;
  std::size_t bytes() const;
  // Bytes of output that were never sent.
  std::int64_t dropped() const;

 private:
  struct Task {
    std::int64_t sequence = 0;
    std::int64_t passed = 0;
    std::int64_t omitted = 0;
    absl::Time time;
    LogStream stream = LogStream::kOutput;
  };
  void Enqueue(OutgoingLog log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_bytes_;
  mutable Mutex mutex_;
  std::deque<OutgoingLog> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<TaskKey, Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::int64_t task_limit_ ABSL_GUARDED_BY(mutex_) = 8 << 20;
  std::int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::executor
