#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
// other ends, so that it sees no gap and no repeat. A live watcher whose buffer is full is cut off. Thread-safe.
class WatchHub final {
 public:
  using Stream = rpc::ServerStream<v1::WatchTasksResponse>;

  struct Limits {
    std::size_t max_watchers = 5000;
    // A watcher that catches up and takes nothing for this long is cut off.
    absl::Duration patience = absl::Seconds(30);
  };

  // Borrows all for its lifetime.
  WatchHub(TaskStore& store, const Clock& clock, Limits limits);

  // Never blocks: the token's life is checked by the next CatchUp().
  absl::Status Open(const v1::WatchTasksRequest& request, std::shared_ptr<Stream> stream);

  // By the pump, in order: sets where live watchers stand, without events, before the first Publish and after a gap.
  void Begin(const std::string& incarnation, const EventPosition& position);
  void Publish(const std::vector<EventBatch>& batches);

  // Moves those on that read from the log. Returns whether any of them has more to read now. Blocks; a background step.
  absl::StatusOr<bool> CatchUp();

  std::size_t watchers() const;
  // Someone waits for events, so that it is worth reading them quickly.
  bool wanted() const { return watchers() > 0; }

 private:
  struct Watcher {
    std::shared_ptr<Stream> stream;  // Shared with gRPC until the call is over.
    absl::flat_hash_set<TaskId> tasks;
    StringSet projects;
    std::vector<bool> kinds;
    bool from_now = false;
    EventPosition position;
    absl::Time last_taken;
    absl::Time last_token;
    bool checked = false;

    bool everything() const { return tasks.empty() && projects.empty() && kinds.empty(); }
    bool Wants(const PublishedEvent& event) const;
  };
  using WatcherPtr = std::shared_ptr<Watcher>;  // Shared by a list here and the closing of the stream.

  // Everything in the batches, in messages of bearable size.
  std::vector<std::shared_ptr<const v1::WatchTasksResponse>> Messages(const std::vector<EventBatch>& batches) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends what the watcher wants of the batches and moves it on as far as it took them; false when its buffer is full.
  bool Deliver(Watcher& watcher, const std::vector<EventBatch>& batches) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<bool> CatchUpOne(const WatcherPtr& watcher);
  std::string Token(const EventPosition& position) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  TaskStore& store_;
  const Clock& clock_;
  const Limits limits_;
  mutable Mutex mutex_;
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  EventPosition position_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<WatcherPtr> live_ ABSL_GUARDED_BY(mutex_);
  std::vector<WatcherPtr> behind_ ABSL_GUARDED_BY(mutex_);
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
