#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/caller.h"
#include "services/scheduler/scheduler_wires.h"
#include "switchyard/agent/v1/agent_dispatch.grpc.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::scheduler {

// Another service, as it is called.
struct Peer {
  // For people; "" is this process itself.
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  const rpc::Caller* caller = nullptr;
};

// Thread-safe. Holds the channels until it goes.
class GrpcWires final : public SchedulerWires {
 public:
  // Borrows the callers.
  GrpcWires(Peer ledger, std::vector<Peer> hubs);

  absl::StatusOr<task_queue::v1::AcquireShardsResponse> AcquireShards(
      const task_queue::v1::AcquireShardsRequest& request, absl::Duration timeout) override;
  void AssignTasks(task_queue::v1::AssignTasksRequest request, absl::Duration timeout,
                   Answer<task_queue::v1::AssignTasksResponse> done) override;
  void ReportTasks(task_queue::v1::ReportTasksRequest request, absl::Duration timeout,
                   Answer<task_queue::v1::ReportTasksResponse> done) override;
  void HoldTasks(task_queue::v1::HoldTasksRequest request, absl::Duration timeout,
                 Answer<task_queue::v1::HoldTasksResponse> done) override;
  void ReadReady(task_queue::v1::ReadReadyRequest request, absl::Duration timeout,
                 Answer<task_queue::v1::ReadReadyResponse> done) override;
  void DescribeTask(task_queue::v1::DescribeTaskRequest request, const rpc::CallOptions& options,
                    Answer<task_queue::v1::DescribeTaskResponse> done) override;
  void Dispatch(int hub, agent::v1::DispatchRequest request, absl::Duration timeout,
                Answer<agent::v1::DispatchResponse> done) override;
  std::unique_ptr<Feed> WatchReady(ReadyEvents events) override;
  std::unique_ptr<Feed> WatchCapacity(int hub, CapacityEvents events) override;

  std::string ledger_address() const override { return ledger_peer_.address; }
  int hubs() const override { return static_cast<int>(hubs_.size()); }
  std::string hub_address(int hub) const override { return hubs_[hub].peer.address; }

 private:
  using Ledger = task_queue::v1::TaskLedgerService;
  struct Hub {
    Peer peer;
    std::unique_ptr<agent::v1::AgentDispatchService::Stub> stub;
  };

  const Peer ledger_peer_;
  const std::unique_ptr<Ledger::Stub> ledger_;
  std::vector<Hub> hubs_;
};

}  // namespace switchyard::scheduler
