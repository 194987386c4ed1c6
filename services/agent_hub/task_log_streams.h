#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// One reader. Thread-safe; no call waits.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // False when there is no room, or the reader has gone: nothing was taken.
  virtual bool Offer(const std::vector<LogChunk>& chunks, const LogPosition& through, bool caught_up) = 0;
  virtual void Close(const absl::Status& status) = 0;
  virtual bool open() const = 0;
};

struct LogRequest {
  TaskId task;
  std::int64_t generation = 0;
  LogPosition after;
  // Unless 0, begin there instead.
  std::int64_t tail_bytes = 0;
  bool follow = false;
  // Empty: all.
  std::vector<LogStream> streams;
};

struct LogStreamOptions {
  std::size_t max_streams = 256;
  std::int64_t page_bytes = 512 << 10;
  // How often a follower looks for what another replica stored.
  absl::Duration poll = absl::Seconds(1);
  // How long a reader that does not read is kept.
  absl::Duration patience = absl::Seconds(30);
};

// Opaque to callers.
std::string ToResumeToken(const LogPosition& position);
// INVALID_FIELD when it is not one of ours.
absl::StatusOr<LogPosition> ParseResumeToken(std::string_view token);

// Feeds readers of task logs from the store. Tick() blocks and belongs on a thread of its own; the rest never waits.
// Thread-safe.
class TaskLogStreams final {
 public:
  // Borrows all.
  TaskLogStreams(LogStore& store, const Clock& clock, const LogStreamOptions& options = {});

  // TOO_MANY_LOG_STREAMS. `sink` is shared with the call that reads.
  absl::Status Add(const LogRequest& request, std::shared_ptr<LogSink> sink);
  // More of a task was stored here.
  void Note(const TaskId& task);
  // One page for each reader that is due.
  void Tick();
  // Until the next Tick is worth it; zero when it is already.
  absl::Duration Rest() const;
  std::size_t size() const;
  // What wakes the thread of Tick() when there is news; set before use.
  void OnNews(std::function<void()> news) { news_ = std::move(news); }

 private:
  struct Reader {
    LogRequest request;
    std::shared_ptr<LogSink> sink;
    absl::Time due;
    bool caught_up = false;
    // When it last took something while more was there.
    absl::Time took;
    bool full = false;
  };

  // Whether the reader stays.
  bool Serve(Reader& reader);

  LogStore& store_;
  const Clock& clock_;
  const LogStreamOptions options_;
  std::function<void()> news_;
  mutable Mutex mutex_;
  std::list<std::shared_ptr<Reader>> readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::agent_hub
