#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/rpc/server_stream.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::task_queue {

// Serves WatchTasks. A watcher either is live, at the position that the pump has published, or catches up from its
// token by reading the log page by page, as fast as it takes them; it becomes live at exactly the position where the
// other ends, so that it sees no gap and no repeat. A live watcher whose buffer is full is cut off, and so are those
// who hold most when all buffers together are. Thread-safe; Begin and Publish are called by one thread, CatchUp by one.
// No lock is held while events are picked out and sent, so that streams open and close meanwhile.
class WatchHub final {
 public:
  using Stream = rpc::ServerStream<v1::WatchTasksResponse>;

  struct Limits {
    std::size_t max_watchers = 5000;
    // A watcher that catches up and takes nothing for this long is cut off.
    absl::Duration patience = absl::Seconds(30);
    // What waits in all streams together.
    std::size_t max_bytes = 256u << 20;
  };

  // Borrows all for its lifetime.
  WatchHub(TaskStore& store, const Clock& clock, Limits limits);

  // Never blocks: the token's life is checked by the next CatchUp().
  absl::Status Open(const v1::WatchTasksRequest& request, std::shared_ptr<Stream> stream);

  // By the pump, in order: sets where live watchers stand, without events, before the first Publish and after a gap.
  // Another incarnation than before ends them all with RESUME_TOKEN_EXPIRED.
  void Begin(const std::string& incarnation, const EventPosition& position);
  void Publish(const std::vector<EventBatch>& batches);

  // Moves those on that read from the log. Returns whether any of them has more to read now. Blocks; a background step.
  absl::StatusOr<bool> CatchUp();

  std::size_t watchers() const;
  // What waited in all streams after the last turns.
  std::size_t buffered_bytes() const { return live_bytes_ + behind_bytes_; }
  // Someone waits for events, so that it is worth reading them quickly.
  bool wanted() const { return watchers() > 0; }

 private:
  // Used by the pump's thread while it is live, by that of CatchUp while it is behind.
  struct Watcher {
    std::shared_ptr<Stream> stream;  // Shared with gRPC until the call is over.
    absl::flat_hash_set<TaskId> tasks;
    StringSet projects;
    std::vector<bool> kinds;
    bool from_now = false;
    // Of its token; empty without.
    std::string incarnation;
    EventPosition position;
    absl::Time last_taken;
    absl::Time last_token;
    bool checked = false;

    bool everything() const { return tasks.empty() && projects.empty() && kinds.empty(); }
    bool Wants(const PublishedEvent& event) const;
  };
  using WatcherPtr = std::shared_ptr<Watcher>;  // Shared by a list here and the closing of the stream.

  // Which tasks and projects some batches are about.
  struct Concerned {
    explicit Concerned(const std::vector<EventBatch>& batches);
    bool Includes(const Watcher& watcher) const;

    absl::flat_hash_set<TaskId> tasks;
    absl::flat_hash_set<absl::string_view> projects;
  };

  // Everything in the batches, in messages of bearable size.
  static std::vector<std::shared_ptr<const v1::WatchTasksResponse>> Messages(const std::vector<EventBatch>& batches,
                                                                             const std::string& incarnation);
  // Sends what the watcher wants of the batches, unless nothing of them concerns it, and moves it on as far as it took
  // them; false when its buffer is full.
  static bool Deliver(Watcher& watcher, const std::vector<EventBatch>& batches, bool concerned,
                      const std::string& incarnation, absl::Time now);
  // Ends those of `live` who hold most, until the others have room again.
  void MakeRoom(const std::vector<WatcherPtr>& live, std::vector<WatcherPtr>& slow);
  absl::StatusOr<bool> CatchUpOne(const WatcherPtr& watcher);
  // Whether its token is of this life of the database and of what is stored; ends the stream when not.
  absl::StatusOr<bool> CheckToken(const WatcherPtr& watcher, const std::string& incarnation);
  // Ends it and forgets it.
  void Close(const WatcherPtr& watcher, const absl::Status& status);

  TaskStore& store_;
  const Clock& clock_;
  const Limits limits_;
  mutable Mutex mutex_;
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  EventPosition position_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<WatcherPtr> live_ ABSL_GUARDED_BY(mutex_);
  std::vector<WatcherPtr> behind_ ABSL_GUARDED_BY(mutex_);
  std::atomic<std::size_t> live_bytes_{0};
  std::atomic<std::size_t> behind_bytes_{0};
};

// "incarnation:transaction:sequence", opaque to clients.
std::string EncodeResumeToken(std::string_view incarnation, const EventPosition& position);
struct ResumePoint {
  std::string incarnation;
  EventPosition position;
};
// RESUME_TOKEN_INVALID when it is not one of ours.
absl::StatusOr<ResumePoint> DecodeResumeToken(std::string_view token);

}  // namespace switchyard::task_queue
