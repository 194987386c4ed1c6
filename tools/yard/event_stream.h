#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/rpc/caller.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"

namespace switchyard::yard {

// WatchTasks that survives drops: it connects again from the last token, with growing pauses. Where the events after
// the token are gone it says so and goes on from now. Buffers at most a few thousand events; beyond that the server
// waits.
class EventStream {
 public:
  struct Batch {
    std::vector<task_queue::v1::TaskEvent> events;
    // Events may be missing before these.
    bool gap = false;
    // How long nothing was heard, with the connection down; zero while it is up.
    absl::Duration down;
  };

  // Borrows both.
  EventStream(const rpc::Caller& caller, task_queue::v1::TaskQueueService::StubInterface& stub,
              task_queue::v1::WatchTasksRequest request);
  ~EventStream();

  // Reads on a thread of its own from now on.
  void Start();
  // Returns once that thread has ended.
  void Stop();
  // Waits at most `timeout`; an empty batch when nothing came. An error when watching can never succeed.
  absl::StatusOr<Batch> Next(absl::Duration timeout);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::yard
