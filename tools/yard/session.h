#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/retry.h"
#include "libs/rpc/token_source.h"
#include "switchyard/admin/v1/process_service.grpc.pb.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"
#include "switchyard/identity/v1/identity_service.grpc.pb.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"
#include "switchyard/scheduler/v1/scheduler_admin.grpc.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"
#include "switchyard/verification/v1/verification_service.grpc.pb.h"
#include "tools/yard/config.h"
#include "tools/yard/host.h"
#include "tools/yard/output.h"
#include "tools/yard/parse.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

using TaskQueueStub = task_queue::v1::TaskQueueService::StubInterface;
using IdentityStub = identity::v1::IdentityService::StubInterface;
using ProcessStub = admin::v1::ProcessService::StubInterface;
using AgentAdminStub = agent::v1::AgentAdminService::StubInterface;
using SchedulerAdminStub = scheduler::v1::SchedulerAdminService::StubInterface;
using ModelRegistryStub = model_registry::v1::ModelRegistryService::StubInterface;
using RouterStub = router::v1::RouterService::StubInterface;
using VerificationStub = verification::v1::VerificationService::StubInterface;

enum class Repeat {
  // A second time would do something else: a lost answer is an error.
  kNever,
  // Reads, or carries a request id.
  kSafe,
};

// One run of yard: what was asked, how to answer, and connections made when first needed. Not thread-safe, but what
// caller() gives is.
class Session {
 public:
  Session(Host& host, Invocation invocation, OutputStyle style, std::string request_id);

  const Invocation& invocation() const { return invocation_; }
  const OutputStyle& style() const { return style_; }
  Host& host() { return host_; }
  absl::Time Now() const { return host_.clock.Now(); }
  ViewTimes times() const { return {Now(), style_.times}; }
  // Names this run in submissions and in errors.
  const std::string& request_id() const { return request_id_; }

  // Prints to standard output.
  void Show(const Answer& answer) { Print(answer, style_, host_); }
  // The four below are thread-safe and write at once.
  // As it is, on standard output and on standard error.
  void Write(std::string_view data);
  void WriteError(std::string_view data);
  // A remark on standard error, unless --quiet. One line, escaped.
  void Remark(std::string_view line);
  // The same, but only where a person watches.
  void Progress(std::string_view line);

  // Flags, variables and context; read once.
  absl::StatusOr<const Connection*> connection();
  // "" when none was configured. Standard input is read at most once.
  absl::StatusOr<std::string> Token();
  absl::StatusOr<rpc::ChannelOptions> ChannelTo(std::string Context::*address);

  // --timeout or YARD_TIMEOUT, else `otherwise`.
  absl::StatusOr<absl::Duration> Timeout(absl::Duration otherwise) const;

  // Dial on first use.
  absl::StatusOr<TaskQueueStub*> tasks();
  absl::StatusOr<IdentityStub*> identity();
  absl::StatusOr<AgentAdminStub*> hub();
  absl::StatusOr<SchedulerAdminStub*> scheduler();
  absl::StatusOr<ModelRegistryStub*> registry();
  absl::StatusOr<RouterStub*> router();
  absl::StatusOr<VerificationStub*> verification();
  // Only after one of these succeeded.
  const rpc::Caller& caller() const { return *caller_; }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (TaskQueueStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(TaskQueueStub * stub, tasks());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::address);
    return answer;
  }
  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (IdentityStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(IdentityStub * stub, identity());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::identity_address);
    return answer;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (AgentAdminStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(AgentAdminStub * stub, hub());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::hub_address);
    return answer;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (SchedulerAdminStub::*method)(grpc::ClientContext*, const Request&,
                                                                           Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(SchedulerAdminStub * stub, scheduler());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::scheduler_address);
    return answer;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (ModelRegistryStub::*method)(grpc::ClientContext*, const Request&,
                                                                          Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(ModelRegistryStub * stub, registry());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::registry_address);
    return answer;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (RouterStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(RouterStub * stub, router());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::router_address);
    return answer;
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (VerificationStub::*method)(grpc::ClientContext*, const Request&,
                                                                         Response*),
                                const std::type_identity_t<Request>& request, Repeat repeat = Repeat::kSafe,
                                absl::Duration timeout = kCallTimeout) {
    SY_ASSIGN_OR_RETURN(VerificationStub * stub, verification());
    absl::StatusOr<Response> answer = CallOn(*stub, method, request, repeat, timeout);
    if (!answer.ok()) return Explain(answer.status(), &Context::verification_address);
    return answer;
  }

  // Names the address where no service answered.
  absl::Status Explain(const absl::Status& status, std::string Context::*address) const;

  // What answers at this address.
  absl::StatusOr<admin::v1::GetProcessResponse> AskProcess(std::string Context::*address);

  // While waiting, --timeout bounds the wait and not a single call.
  void BeginWaiting() { waiting_ = true; }

 private:
  static constexpr absl::Duration kCallTimeout = absl::Seconds(15);

  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> CallOn(Stub& stub,
                                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                  const Request& request, Repeat repeat, absl::Duration timeout) {
    rpc::CallOptions options;
    options.timeout = timeout;
    if (!waiting_) {
      SY_ASSIGN_OR_RETURN(options.timeout, Timeout(timeout));
    }
    options.idempotent = repeat == Repeat::kSafe;
    return rpc::CallUnary(*caller_, stub, method, request, options);
  }

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(std::string Context::*address);

  Host& host_;
  const Invocation invocation_;
  const OutputStyle style_;
  const std::string request_id_;
  bool waiting_ = false;
  Mutex output_mutex_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<std::string> token_;
  std::unique_ptr<Rng> rng_;
  rpc::AlarmTimer timer_;
  std::unique_ptr<rpc::StringTokenSource> tokens_;
  std::unique_ptr<rpc::Caller> caller_;
  std::unique_ptr<TaskQueueStub> tasks_;
  std::unique_ptr<IdentityStub> identity_;
  std::vector<std::unique_ptr<ProcessStub>> processes_;
  std::unique_ptr<AgentAdminStub> hub_;
  std::unique_ptr<SchedulerAdminStub> scheduler_;
  std::unique_ptr<ModelRegistryStub> registry_;
  std::unique_ptr<RouterStub> router_;
  std::unique_ptr<VerificationStub> verification_;
};

}  // namespace switchyard::yard
