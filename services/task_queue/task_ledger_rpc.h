#pragma once

#include "libs/rpc/handler.h"
#include "libs/rpc/raw_service.h"
#include "services/task_queue/directive_feed.h"
#include "services/task_queue/session_desk.h"
#include "services/task_queue/task_queue_rpc.h"
#include "services/task_queue/verifying_feed.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::task_queue {

// Serves TaskLedgerService: validates, converts, calls, converts. Thread-safe.
class TaskLedgerRpc final : public rpc::RawService<v1::TaskLedgerService::CallbackService> {
 public:
  TaskLedgerRpc(rpc::CallGate& gate, const RpcDeps& deps, DirectiveFeed& directives, VerifyingFeed& verifying,
                SessionDesk& sessions, const Rules& rules);

  grpc::ServerWriteReactor<v1::WatchReadyResponse>* WatchReady(grpc::CallbackServerContext* context,
                                                               const v1::WatchReadyRequest* request) override;
  grpc::ServerUnaryReactor* ReadReady(grpc::CallbackServerContext* context, const v1::ReadReadyRequest* request,
                                      v1::ReadReadyResponse* response) override;
  grpc::ServerUnaryReactor* DescribeTask(grpc::CallbackServerContext* context, const v1::DescribeTaskRequest* request,
                                         v1::DescribeTaskResponse* response) override;
  grpc::ServerUnaryReactor* ReadTask(grpc::CallbackServerContext* context, const v1::ReadTaskRequest* request,
                                     v1::ReadTaskResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchDirectivesResponse>* WatchDirectives(
      grpc::CallbackServerContext* context, const v1::WatchDirectivesRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchVerifyingResponse>* WatchVerifying(
      grpc::CallbackServerContext* context, const v1::WatchVerifyingRequest* request) override;
  grpc::ServerUnaryReactor* ReadVerifying(grpc::CallbackServerContext* context, const v1::ReadVerifyingRequest* request,
                                          v1::ReadVerifyingResponse* response) override;
  grpc::ServerUnaryReactor* AssignTasks(grpc::CallbackServerContext* context, const v1::AssignTasksRequest* request,
                                        v1::AssignTasksResponse* response) override;
  grpc::ServerUnaryReactor* ReportTasks(grpc::CallbackServerContext* context, const v1::ReportTasksRequest* request,
                                        v1::ReportTasksResponse* response) override;
  grpc::ServerUnaryReactor* ConcludeTasks(grpc::CallbackServerContext* context, const v1::ConcludeTasksRequest* request,
                                          v1::ConcludeTasksResponse* response) override;
  grpc::ServerUnaryReactor* HoldTasks(grpc::CallbackServerContext* context, const v1::HoldTasksRequest* request,
                                      v1::HoldTasksResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmGeneration(grpc::CallbackServerContext* context,
                                              const v1::ConfirmGenerationRequest* request,
                                              v1::ConfirmGenerationResponse* response) override;
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context, const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* response) override;
  grpc::ServerUnaryReactor* RenewSessions(grpc::CallbackServerContext* context, const v1::RenewSessionsRequest* request,
                                          v1::RenewSessionsResponse* response) override;
  grpc::ServerUnaryReactor* ListAssigned(grpc::CallbackServerContext* context, const v1::ListAssignedRequest* request,
                                         v1::ListAssignedResponse* response) override;
  grpc::ServerUnaryReactor* AcquireShards(grpc::CallbackServerContext* context, const v1::AcquireShardsRequest* request,
                                          v1::AcquireShardsResponse* response) override;

 private:
  // Converts and executes each item, unless it has not begun `until` then; `done` gets the answers in order.
  template <class Items>
  void ExecuteAll(const Items& items, absl::Time until,
                  std::function<void(std::vector<absl::StatusOr<Executed>>)> done);
  // What the task left behind that this one goes on with, before what is there. Blocks if there is one. What cannot be
  // read `until` then is left out: the assignment is committed, and the task can do without.
  void AddSummary(absl::Time until, v1::AssignResult& result) const;
  // The same for each, on a thread that may block.
  void AddSummaries(v1::AssignTasksResponse& response, std::function<void()> done);

  rpc::Handlers rpc_;
  const RpcDeps deps_;
  DirectiveFeed& directives_;
  VerifyingFeed& verifying_;
  SessionDesk& sessions_;
  const Rules& rules_;
  const rpc::Method& watch_ready_ = rpc_.Find("WatchReady");
  const rpc::Method& read_ready_ = rpc_.Find("ReadReady");
  const rpc::Method& describe_ = rpc_.Find("DescribeTask");
  const rpc::Method& read_task_ = rpc_.Find("ReadTask");
  const rpc::Method& watch_directives_ = rpc_.Find("WatchDirectives");
  const rpc::Method& watch_verifying_ = rpc_.Find("WatchVerifying");
  const rpc::Method& read_verifying_ = rpc_.Find("ReadVerifying");
  const rpc::Method& assign_ = rpc_.Find("AssignTasks");
  const rpc::Method& report_ = rpc_.Find("ReportTasks");
  const rpc::Method& conclude_ = rpc_.Find("ConcludeTasks");
  const rpc::Method& hold_ = rpc_.Find("HoldTasks");
  const rpc::Method& confirm_ = rpc_.Find("ConfirmGeneration");
  const rpc::Method& open_ = rpc_.Find("OpenSession");
  const rpc::Method& renew_ = rpc_.Find("RenewSessions");
  const rpc::Method& assigned_ = rpc_.Find("ListAssigned");
  const rpc::Method& shards_ = rpc_.Find("AcquireShards");
};

}  // namespace switchyard::task_queue
