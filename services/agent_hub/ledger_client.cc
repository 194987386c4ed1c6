#include "services/agent_hub/ledger_client.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/retry.h"
#include "libs/rpc/status_convert.h"
#include "services/agent_hub/channel_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace tv1 = task_queue::v1;

constexpr absl::Duration kLeastLease = absl::Seconds(1);

absl::Status NotConnected() {
  return MakeError(absl::StatusCode::kUnavailable, "LEDGER_UNAVAILABLE", "not connected to the task queue");
}

absl::StatusOr<std::vector<TaskRef>> ToRefs(const google::protobuf::RepeatedPtrField<tv1::HeldTask>& tasks) {
  std::vector<TaskRef> refs;
  for (const tv1::HeldTask& task : tasks) {
    SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(task.task_id()));
    refs.push_back({id, task.generation()});
  }
  return refs;
}

absl::StatusOr<OpenedSession> ToOpened(tv1::OpenSessionResponse& response, absl::Time now) {
  OpenedSession opened;
  opened.epoch = response.session_epoch();
  opened.lease = std::max(ToTime(response.expire_time()) - now, kLeastLease);
  SY_ASSIGN_OR_RETURN(opened.keep, ToRefs(response.keep()));
  SY_ASSIGN_OR_RETURN(opened.drop, ToRefs(response.drop()));
  for (tv1::AssignResult& assigned : *response.mutable_redeliver()) {
    SY_ASSIGN_OR_RETURN(Work work, ToWork(assigned, false));
    // Its time to be accepted may be over while it is the agent's nevertheless: it ran already.
    work.accept_by = std::max(work.accept_by, now + opened.lease);
    opened.redeliver.push_back(std::move(work));
  }
  return opened;
}

}  // namespace

LedgerClient::LedgerClient(const rpc::Caller& caller, std::string hub_id, absl::Duration timeout)
    : caller_(caller), hub_id_(std::move(hub_id)), timeout_(timeout) {}

LedgerClient::~LedgerClient() { Disconnect(); }

void LedgerClient::Connect(std::shared_ptr<grpc::Channel> channel, std::function<void(std::vector<Directive>)> told,
                           std::function<void()> lost) {
  std::shared_ptr<Stub> stub = std::make_shared<Stub>(channel);
  {
    MutexLock lock(mutex_);
    channel_ = std::move(channel);
    stub_ = stub;
  }
  directives_ = std::make_unique<DirectiveStream>(
      caller_, [raw = stub.get()](auto... parts) { raw->async()->WatchDirectives(parts...); },
      DirectiveStream::Events{.on_open = [] { return tv1::WatchDirectivesRequest(); },
                              .on_message =
                                  [told = std::move(told)](tv1::WatchDirectivesResponse& response) {
                                    std::vector<Directive> directives;
                                    for (const tv1::Directive& directive : response.directives()) {
                                      absl::StatusOr<Directive> one = FromProto(directive);
                                      if (one.ok()) directives.push_back(*std::move(one));
                                    }
                                    told(std::move(directives));
                                  },
                              .on_end =
                                  [lost = std::move(lost)](const absl::Status& status) {
                                    LogDebug("the watch of directives ended", {{"status", status}});
                                    lost();
                                  }});
  directives_->Start();
}

void LedgerClient::Disconnect() {
  if (directives_ != nullptr) directives_->Stop();
  std::shared_ptr<Stub> stub;
  std::shared_ptr<grpc::Channel> channel;
  MutexLock lock(mutex_);
  stub = std::exchange(stub_, nullptr);
  channel = std::exchange(channel_, nullptr);
  while (under_way_ > 0) none_.Wait(mutex_);
}

template <class Request, class Response, class Done>
void LedgerClient::Call(AsyncMethod<Request, Response> method, Request request, bool idempotent, Done done) {
  std::shared_ptr<Stub> stub;
  {
    MutexLock lock(mutex_);
    stub = stub_;
    // One for the call, one for the stub in this scope, which must not be the last on a callback's thread.
    if (stub != nullptr) under_way_ += 2;
  }
  if (stub == nullptr) return done(absl::StatusOr<Response>(NotConnected()));
  rpc::CallOptions options;
  options.timeout = timeout_;
  options.idempotent = idempotent;
  rpc::CallUnaryAsync(caller_, stub->async(), method, std::move(request), options,
                      [this, done = std::move(done)](absl::StatusOr<Response> response) {
                        done(std::move(response));
                        Leave();
                      });
  stub.reset();
  Leave();
}

void LedgerClient::Leave() {
  MutexLock lock(mutex_);
  if (--under_way_ == 0) none_.NotifyAll();
}

void LedgerClient::OpenSession(const AgentId& agent, const std::vector<TaskRef>& held, bool restarted,
                               std::int64_t connection, std::function<void(absl::StatusOr<OpenedSession>)> done) {
  tv1::OpenSessionRequest request;
  request.set_agent_id(agent.ToString());
  request.set_hub_id(hub_id_);
  request.set_restarted(restarted);
  request.set_connection(connection);
  for (const TaskRef& ref : held) {
    tv1::HeldTask& task = *request.add_held();
    task.set_task_id(ref.task.ToString());
    task.set_generation(ref.generation);
  }
  // Not tried again: by then the agent may have a newer stream, which a late session of the older one would end.
  Call<tv1::OpenSessionRequest, tv1::OpenSessionResponse>(
      &Async::OpenSession, std::move(request), false,
      [this, done = std::move(done)](absl::StatusOr<tv1::OpenSessionResponse> response) {
        if (!response.ok()) return done(response.status());
        done(ToOpened(*response, caller_.clock().Now()));
      });
}

void LedgerClient::ListAssigned(const AgentId& agent, std::function<void(absl::StatusOr<std::vector<Work>>)> done) {
  tv1::ListAssignedRequest request;
  request.add_agent_ids(agent.ToString());
  Call<tv1::ListAssignedRequest, tv1::ListAssignedResponse>(
      &Async::ListAssigned, std::move(request), true,
      [done = std::move(done)](absl::StatusOr<tv1::ListAssignedResponse> response) {
        if (!response.ok()) return done(response.status());
        std::vector<Work> works;
        for (tv1::AssignedTask& task : *response->mutable_tasks()) {
          const bool accepted = task.state() != tv1::TASK_STATE_ASSIGNED;
          absl::StatusOr<Work> work = ToWork(*task.mutable_assignment(), accepted);
          if (work.ok()) works.push_back(*std::move(work));
        }
        done(std::move(works));
      });
}

void LedgerClient::Report(const std::vector<LedgerReport>& reports,
                          std::function<void(absl::StatusOr<std::vector<absl::Status>>)> done) {
  tv1::ReportTasksRequest request;
  request.mutable_reports()->Reserve(static_cast<int>(reports.size()));
  for (const LedgerReport& report : reports) ToProto(report, request.add_reports());
  Call<tv1::ReportTasksRequest, tv1::ReportTasksResponse>(
      &Async::ReportTasks, std::move(request), false,
      [done = std::move(done)](absl::StatusOr<tv1::ReportTasksResponse> response) {
        if (!response.ok()) return done(response.status());
        std::vector<absl::Status> statuses;
        statuses.reserve(response->results_size());
        for (const tv1::ReportResult& result : response->results()) {
          statuses.push_back(result.has_error() ? FromProto(result.error()) : absl::OkStatus());
        }
        done(std::move(statuses));
      });
}

void LedgerClient::Renew(const std::vector<std::pair<AgentId, std::int64_t>>& sessions,
                         std::function<void(absl::StatusOr<std::vector<AgentId>>)> done) {
  tv1::RenewSessionsRequest request;
  for (const auto& [agent, epoch] : sessions) {
    tv1::SessionRef& session = *request.add_sessions();
    session.set_agent_id(agent.ToString());
    session.set_session_epoch(epoch);
  }
  Call<tv1::RenewSessionsRequest, tv1::RenewSessionsResponse>(
      &Async::RenewSessions, std::move(request), false,
      [done = std::move(done)](absl::StatusOr<tv1::RenewSessionsResponse> response) {
        if (!response.ok()) return done(response.status());
        std::vector<AgentId> renewed;
        for (const std::string& agent : response->renewed_agent_ids()) {
          const absl::StatusOr<AgentId> id = AgentId::Parse(agent);
          if (id.ok()) renewed.push_back(*id);
        }
        done(std::move(renewed));
      });
}

void LedgerClient::Confirm(const TaskRef& ref, std::function<void(absl::StatusOr<bool>)> done) {
  tv1::ConfirmGenerationRequest request;
  request.set_task_id(ref.task.ToString());
  request.set_generation(ref.generation);
  Call<tv1::ConfirmGenerationRequest, tv1::ConfirmGenerationResponse>(
      &Async::ConfirmGeneration, std::move(request), true,
      [done = std::move(done)](absl::StatusOr<tv1::ConfirmGenerationResponse> response) {
        if (!response.ok()) return done(response.status());
        done(response->current());
      });
}

}  // namespace switchyard::agent_hub
