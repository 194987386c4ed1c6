#include "services/scheduler/grpc_wires.h"

#include <utility>

#include "libs/rpc/client_stream.h"
#include "libs/rpc/retry.h"

namespace switchyard::scheduler {
namespace {

using LedgerAsync = task_queue::v1::TaskLedgerService::StubInterface::async_interface;
using DispatchAsync = agent::v1::AgentDispatchService::StubInterface::async_interface;

template <class Request, class Response>
class GrpcFeed final : public Feed {
 public:
  using Stream = rpc::ResumingStream<Request, Response>;

  GrpcFeed(const rpc::Caller& caller, typename Stream::Begin begin, Events<Request, Response> events)
      : stream_(caller, std::move(begin),
                {.on_open = std::move(events.on_open),
                 .on_message = std::move(events.on_message),
                 .on_end = std::move(events.on_end)}) {}

  void Start() override { stream_.Start(); }
  void Reopen() override { stream_.Reopen(); }
  void Stop() override { stream_.Stop(); }

 private:
  Stream stream_;
};

rpc::CallOptions Once(absl::Duration timeout) { return {.timeout = timeout, .idempotent = false, .trace = {}}; }
rpc::CallOptions Repeatable(absl::Duration timeout) { return {.timeout = timeout, .idempotent = true, .trace = {}}; }

}  // namespace

GrpcWires::GrpcWires(Peer ledger, std::vector<Peer> hubs)
    : ledger_peer_(std::move(ledger)), ledger_(Ledger::NewStub(ledger_peer_.channel)) {
  for (Peer& peer : hubs) {
    auto stub = agent::v1::AgentDispatchService::NewStub(peer.channel);
    hubs_.push_back({std::move(peer), std::move(stub)});
  }
}

absl::StatusOr<task_queue::v1::AcquireShardsResponse> GrpcWires::AcquireShards(
    const task_queue::v1::AcquireShardsRequest& request, absl::Duration timeout) {
  return rpc::CallUnary(*ledger_peer_.caller, *ledger_, &Ledger::StubInterface::AcquireShards, request, Once(timeout));
}

void GrpcWires::AssignTasks(task_queue::v1::AssignTasksRequest request, absl::Duration timeout,
                            Answer<task_queue::v1::AssignTasksResponse> done) {
  rpc::CallUnaryAsync(*ledger_peer_.caller, ledger_->async(), &LedgerAsync::AssignTasks, std::move(request),
                      Once(timeout), std::move(done));
}

void GrpcWires::ReportTasks(task_queue::v1::ReportTasksRequest request, absl::Duration timeout,
                            Answer<task_queue::v1::ReportTasksResponse> done) {
  // The same report twice is answered as the first was.
  rpc::CallUnaryAsync(*ledger_peer_.caller, ledger_->async(), &LedgerAsync::ReportTasks, std::move(request),
                      Repeatable(timeout), std::move(done));
}

void GrpcWires::HoldTasks(task_queue::v1::HoldTasksRequest request, absl::Duration timeout,
                          Answer<task_queue::v1::HoldTasksResponse> done) {
  // Holding what is held so already changes nothing.
  rpc::CallUnaryAsync(*ledger_peer_.caller, ledger_->async(), &LedgerAsync::HoldTasks, std::move(request),
                      Repeatable(timeout), std::move(done));
}

void GrpcWires::ReadReady(task_queue::v1::ReadReadyRequest request, absl::Duration timeout,
                          Answer<task_queue::v1::ReadReadyResponse> done) {
  rpc::CallUnaryAsync(*ledger_peer_.caller, ledger_->async(), &LedgerAsync::ReadReady, std::move(request),
                      Once(timeout), std::move(done));
}

void GrpcWires::DescribeTask(task_queue::v1::DescribeTaskRequest request, const rpc::CallOptions& options,
                             Answer<task_queue::v1::DescribeTaskResponse> done) {
  rpc::CallUnaryAsync(*ledger_peer_.caller, ledger_->async(), &LedgerAsync::DescribeTask, std::move(request), options,
                      std::move(done));
}

void GrpcWires::Dispatch(int hub, agent::v1::DispatchRequest request, absl::Duration timeout,
                         Answer<agent::v1::DispatchResponse> done) {
  // The same task and generation twice is one to the hub.
  rpc::CallUnaryAsync(*hubs_[hub].peer.caller, hubs_[hub].stub->async(), &DispatchAsync::Dispatch, std::move(request),
                      Repeatable(timeout), std::move(done));
}

std::unique_ptr<Feed> GrpcWires::WatchReady(ReadyEvents events) {
  return std::make_unique<GrpcFeed<task_queue::v1::WatchReadyRequest, task_queue::v1::WatchReadyResponse>>(
      *ledger_peer_.caller, [stub = ledger_.get()](auto... parts) { stub->async()->WatchReady(parts...); },
      std::move(events));
}

std::unique_ptr<Feed> GrpcWires::WatchCapacity(int hub, CapacityEvents events) {
  return std::make_unique<GrpcFeed<agent::v1::WatchCapacityRequest, agent::v1::WatchCapacityResponse>>(
      *hubs_[hub].peer.caller,
      [stub = hubs_[hub].stub.get()](auto... parts) { stub->async()->WatchCapacity(parts...); }, std::move(events));
}

}  // namespace switchyard::scheduler
