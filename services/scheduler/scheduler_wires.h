#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/rpc/caller.h"
#include "switchyard/agent/v1/agent_dispatch.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::scheduler {

// A stream that is opened again whenever it ends. Events come one after the other; between on_open and on_end they
// belong to one stream.
class Feed {
 public:
  template <class Request, class Response>
  struct Events {
    // Before each stream: what to ask for.
    std::function<Request()> on_open;
    std::function<void(Response&)> on_message;
    std::function<void(const absl::Status&)> on_end;
  };

  virtual ~Feed() = default;
  virtual void Start() = 0;
  // Ends the stream that stands, if any; the next one is opened at once.
  virtual void Reopen() = 0;
  // No event comes after this returned; so never from an event.
  virtual void Stop() = 0;
};

// What the match loop asks of other services: production has gRPC under it, a simulation its own edges. Calls with an
// answer return at once and are answered exactly once, later, perhaps on another thread. Thread-safe.
class SchedulerWires {
 public:
  template <class Response>
  using Answer = std::function<void(absl::StatusOr<Response>)>;
  using ReadyEvents = Feed::Events<task_queue::v1::WatchReadyRequest, task_queue::v1::WatchReadyResponse>;
  using CapacityEvents = Feed::Events<agent::v1::WatchCapacityRequest, agent::v1::WatchCapacityResponse>;

  virtual ~SchedulerWires() = default;

  // Blocks.
  virtual absl::StatusOr<task_queue::v1::AcquireShardsResponse> AcquireShards(
      const task_queue::v1::AcquireShardsRequest& request, absl::Duration timeout) = 0;
  virtual void AssignTasks(task_queue::v1::AssignTasksRequest request, absl::Duration timeout,
                           Answer<task_queue::v1::AssignTasksResponse> done) = 0;
  virtual void ReportTasks(task_queue::v1::ReportTasksRequest request, absl::Duration timeout,
                           Answer<task_queue::v1::ReportTasksResponse> done) = 0;
  virtual void HoldTasks(task_queue::v1::HoldTasksRequest request, absl::Duration timeout,
                         Answer<task_queue::v1::HoldTasksResponse> done) = 0;
  virtual void ReadReady(task_queue::v1::ReadReadyRequest request, absl::Duration timeout,
                         Answer<task_queue::v1::ReadReadyResponse> done) = 0;
  virtual void DescribeTask(task_queue::v1::DescribeTaskRequest request, const rpc::CallOptions& options,
                            Answer<task_queue::v1::DescribeTaskResponse> done) = 0;
  virtual void Dispatch(int hub, agent::v1::DispatchRequest request, absl::Duration timeout,
                        Answer<agent::v1::DispatchResponse> done) = 0;

  virtual std::unique_ptr<Feed> WatchReady(ReadyEvents events) = 0;
  virtual std::unique_ptr<Feed> WatchCapacity(int hub, CapacityEvents events) = 0;

  // For people; "" is this process itself.
  virtual std::string ledger_address() const = 0;
  virtual int hubs() const = 0;
  virtual std::string hub_address(int hub) const = 0;
};

}  // namespace switchyard::scheduler
