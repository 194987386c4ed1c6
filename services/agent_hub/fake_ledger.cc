#include "services/agent_hub/fake_ledger.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "libs/base/status.h"
#include "services/agent_hub/channel_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace tv1 = task_queue::v1;

constexpr absl::Duration kLease = absl::Seconds(30);

void Refuse(const char* reason, tv1::ItemError* error) {
  ToProto(MakeError(absl::StatusCode::kFailedPrecondition, reason, "refused"), error);
}

absl::Status Stale(std::int64_t latest) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "a later one was here",
                   {.reason = "STALE_CONNECTION", .metadata = {{"connection", std::to_string(latest)}}});
}

bool IsFinal(const tv1::TaskReport& report) {
  return report.has_rejected() || report.has_evidence() || report.has_failed() || report.has_released();
}

}  // namespace

FakeLedger::FakeLedger(rpc::CallGate& gate, const Clock& clock)
    : rpc_(gate, tv1::TaskLedgerService::service_full_name()), clock_(clock) {}

absl::Status FakeLedger::Presence() const {
  return away_ ? MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away") : absl::OkStatus();
}

tv1::AssignResult FakeLedger::Describe(const std::string& task, const Owned& owned) const {
  tv1::AssignResult result;
  result.set_task_id(task);
  result.set_generation(owned.generation);
  result.mutable_spec()->mutable_command()->add_argv("true");
  result.set_state_summary("what was left");
  Set(clock_.Now() + absl::Seconds(60), result.mutable_accept_by());
  return result;
}

tv1::AssignResult FakeLedger::Assign(const std::string& task, const std::string& agent) {
  MutexLock lock(mutex_);
  Owned& owned = owned_[task];
  owned = {.agent = agent, .generation = owned.generation + 1};
  return Describe(task, owned);
}

void FakeLedger::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

void FakeLedger::ForgetSessions() {
  MutexLock lock(mutex_);
  sessions_.clear();
}

void FakeLedger::Direct(const tv1::Directive& directive) {
  std::vector<std::shared_ptr<rpc::ServerStream<tv1::WatchDirectivesResponse>>> watchers;
  {
    MutexLock lock(mutex_);
    watchers = watchers_;
  }
  tv1::WatchDirectivesResponse message;
  *message.add_directives() = directive;
  for (const auto& watcher : watchers) watcher->Offer(message);
}

std::vector<tv1::TaskReport> FakeLedger::reports() const {
  MutexLock lock(mutex_);
  return reports_;
}

std::size_t FakeLedger::watchers() const {
  MutexLock lock(mutex_);
  return watchers_.size();
}

grpc::ServerUnaryReactor* FakeLedger::OpenSession(grpc::CallbackServerContext* context,
                                                  const tv1::OpenSessionRequest* request,
                                                  tv1::OpenSessionResponse* response) {
  return rpc_.Unary(context, rpc_.Find("OpenSession"), request, response,
                    [this](const rpc::CallContext&, const tv1::OpenSessionRequest& request,
                           tv1::OpenSessionResponse& response, rpc::Done done) {
                      MutexLock lock(mutex_);
                      if (absl::Status status = Presence(); !status.ok()) return done(status);
                      std::int64_t& latest = connections_[request.agent_id()];
                      if (request.connection() != 0 && request.connection() < latest) return done(Stale(latest));
                      latest = std::max(latest, request.connection());
                      response.set_session_epoch(sessions_[request.agent_id()] = ++last_epoch_);
                      Set(clock_.Now() + kLease, response.mutable_expire_time());
                      std::set<std::string> named;
                      for (const tv1::HeldTask& held : request.held()) {
                        const auto found = owned_.find(held.task_id());
                        const bool keeps = found != owned_.end() && found->second.agent == request.agent_id() &&
                                           found->second.generation == held.generation();
                        *(keeps ? response.add_keep() : response.add_drop()) = held;
                        if (keeps) named.insert(held.task_id());
                      }
                      for (auto entry = owned_.begin(); entry != owned_.end();) {
                        const bool unnamed = entry->second.agent == request.agent_id() && !named.contains(entry->first);
                        if (unnamed && !request.restarted())
                          *response.add_redeliver() = Describe(entry->first, entry->second);
                        entry = unnamed && request.restarted() ? owned_.erase(entry) : std::next(entry);
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeLedger::RenewSessions(grpc::CallbackServerContext* context,
                                                    const tv1::RenewSessionsRequest* request,
                                                    tv1::RenewSessionsResponse* response) {
  return rpc_.Unary(context, rpc_.Find("RenewSessions"), request, response,
                    [this](const rpc::CallContext&, const tv1::RenewSessionsRequest& request,
                           tv1::RenewSessionsResponse& response, rpc::Done done) {
                      MutexLock lock(mutex_);
                      if (absl::Status status = Presence(); !status.ok()) return done(status);
                      for (const tv1::SessionRef& session : request.sessions()) {
                        const auto found = sessions_.find(session.agent_id());
                        if (found == sessions_.end() || found->second != session.session_epoch()) continue;
                        response.add_renewed_agent_ids(session.agent_id());
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeLedger::ReportTasks(grpc::CallbackServerContext* context,
                                                  const tv1::ReportTasksRequest* request,
                                                  tv1::ReportTasksResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ReportTasks"), request, response,
                    [this](const rpc::CallContext&, const tv1::ReportTasksRequest& request,
                           tv1::ReportTasksResponse& response, rpc::Done done) {
                      MutexLock lock(mutex_);
                      if (absl::Status status = Presence(); !status.ok()) return done(status);
                      for (const tv1::TaskReport& report : request.reports()) {
                        tv1::ReportResult& result = *response.add_results();
                        result.set_task_id(report.task_id());
                        const auto found = owned_.find(report.task_id());
                        if (found == owned_.end() || found->second.generation != report.generation() ||
                            found->second.agent != report.agent_id()) {
                          Refuse("STALE_GENERATION", result.mutable_error());
                          continue;
                        }
                        found->second.accepted = true;
                        reports_.push_back(report);
                        if (IsFinal(report)) owned_.erase(found);
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeLedger::ListAssigned(grpc::CallbackServerContext* context,
                                                   const tv1::ListAssignedRequest* request,
                                                   tv1::ListAssignedResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListAssigned"), request, response,
                    [this](const rpc::CallContext&, const tv1::ListAssignedRequest& request,
                           tv1::ListAssignedResponse& response, rpc::Done done) {
                      MutexLock lock(mutex_);
                      if (absl::Status status = Presence(); !status.ok()) return done(status);
                      for (const auto& [task, owned] : owned_) {
                        if (owned.agent != request.agent_ids(0)) continue;
                        tv1::AssignedTask& out = *response.add_tasks();
                        out.set_agent_id(owned.agent);
                        *out.mutable_assignment() = Describe(task, owned);
                        out.set_state(owned.accepted ? tv1::TASK_STATE_RUNNING : tv1::TASK_STATE_ASSIGNED);
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeLedger::ConfirmGeneration(grpc::CallbackServerContext* context,
                                                        const tv1::ConfirmGenerationRequest* request,
                                                        tv1::ConfirmGenerationResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ConfirmGeneration"), request, response,
                    [this](const rpc::CallContext&, const tv1::ConfirmGenerationRequest& request,
                           tv1::ConfirmGenerationResponse& response, rpc::Done done) {
                      MutexLock lock(mutex_);
                      if (absl::Status status = Presence(); !status.ok()) return done(status);
                      const auto found = owned_.find(request.task_id());
                      response.set_current(found != owned_.end() && found->second.generation == request.generation());
                      done(absl::OkStatus());
                    });
}

grpc::ServerWriteReactor<tv1::WatchDirectivesResponse>* FakeLedger::WatchDirectives(
    grpc::CallbackServerContext* context, const tv1::WatchDirectivesRequest* request) {
  return rpc_.Stream<tv1::WatchDirectivesResponse>(
      context, rpc_.Find("WatchDirectives"), request, rpc::StreamLimits{},
      [this](const rpc::CallContext&, const tv1::WatchDirectivesRequest&,
             std::shared_ptr<rpc::ServerStream<tv1::WatchDirectivesResponse>> stream) {
        stream->OnClosed([this, raw = stream.get()] {
          MutexLock lock(mutex_);
          std::erase_if(watchers_, [raw](const auto& watcher) { return watcher.get() == raw; });
        });
        MutexLock lock(mutex_);
        watchers_.push_back(std::move(stream));
        return absl::OkStatus();
      });
}

}  // namespace switchyard::agent_hub
