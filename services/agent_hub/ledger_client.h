#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/client_stream.h"
#include "services/agent_hub/hub_messages.h"
#include "services/agent_hub/hub_ports.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::agent_hub {

// The hub's calls to the task queue. Every call answers exactly once, on any thread, perhaps before it returns; without
// a connection with UNAVAILABLE. Thread-safe.
class LedgerClient final {
 public:
  // Borrows the caller.
  LedgerClient(const rpc::Caller& caller, std::string hub_id, absl::Duration timeout);
  ~LedgerClient();

  // From now on calls go out, and `told` hears what agents are to be told, from callbacks, one call at a time; `lost`,
  // that some of it may not have come. The channel is dropped in Disconnect.
  void Connect(std::shared_ptr<grpc::Channel> channel, std::function<void(std::vector<Directive>)> told,
               std::function<void()> lost);
  // Waits for the calls under way. Blocks; not from a callback.
  void Disconnect();

  void OpenSession(const AgentId& agent, const std::vector<TaskRef>& held, bool restarted, std::int64_t connection,
                   std::function<void(absl::StatusOr<OpenedSession>)> done);
  void ListAssigned(const AgentId& agent, std::function<void(absl::StatusOr<std::vector<Work>>)> done);
  // One status for each report.
  void Report(const std::vector<LedgerReport>& reports,
              std::function<void(absl::StatusOr<std::vector<absl::Status>>)> done);
  void Renew(const std::vector<std::pair<AgentId, std::int64_t>>& sessions,
             std::function<void(absl::StatusOr<std::vector<AgentId>>)> done);
  void Confirm(const TaskRef& ref, std::function<void(absl::StatusOr<bool>)> done);

 private:
  using Stub = task_queue::v1::TaskLedgerService::Stub;
  using Async = task_queue::v1::TaskLedgerService::StubInterface::async_interface;
  using DirectiveStream =
      rpc::ResumingStream<task_queue::v1::WatchDirectivesRequest, task_queue::v1::WatchDirectivesResponse>;
  template <class Request, class Response>
  using AsyncMethod = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                      std::function<void(grpc::Status)>);
  template <class Request, class Response, class Done>
  void Call(AsyncMethod<Request, Response> method, Request request, bool idempotent, Done done);
  void Leave();

  const rpc::Caller& caller_;
  const std::string hub_id_;
  const absl::Duration timeout_;
  Mutex mutex_;
  CondVar none_;
  // Shared with the calls under way.
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  // Touched by Connect and Disconnect alone.
  std::unique_ptr<DirectiveStream> directives_;
};

}  // namespace switchyard::agent_hub
