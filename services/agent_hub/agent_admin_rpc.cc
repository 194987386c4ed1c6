#include "services/agent_hub/agent_admin_rpc.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "services/agent_hub/agent_admin_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace v1 = agent::v1;

class StreamSink final : public LogSink {
 public:
  explicit StreamSink(std::shared_ptr<rpc::ServerStream<v1::ReadTaskLogResponse>> stream)
      : stream_(std::move(stream)) {}

  bool Offer(const std::vector<LogChunk>& chunks, const LogPosition& through, bool caught_up) override {
    v1::ReadTaskLogResponse message;
    for (const LogChunk& chunk : chunks) ToProto(chunk, *message.add_chunks());
    message.set_resume_token(ToResumeToken(through));
    message.set_caught_up(caught_up);
    return stream_->Offer(std::move(message));
  }
  void Close(const absl::Status& status) override { stream_->CloseWith(status); }
  bool open() const override { return stream_->open(); }

 private:
  // Shared with the call, which ends when the client goes.
  const std::shared_ptr<rpc::ServerStream<v1::ReadTaskLogResponse>> stream_;
};

void Note(const char* what, const AgentRecord& agent, const rpc::CallContext& call) {
  LogInfo(what, {{"agent", agent.name}, {"agent_id", agent.id.ToString()}, {"by", call.principal().name}});
}

}  // namespace

AgentAdminRpc::AgentAdminRpc(rpc::CallGate& gate, AgentAdmin& admin, TaskLogStreams& logs, const Clock& clock,
                             Executor& blocking)
    : rpc_(gate, v1::AgentAdminService::service_full_name()),
      admin_(admin),
      logs_(logs),
      clock_(clock),
      blocking_(blocking) {}

grpc::ServerUnaryReactor* AgentAdminRpc::ListAgents(grpc::CallbackServerContext* context,
                                                    const v1::ListAgentsRequest* request,
                                                    v1::ListAgentsResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, list_, request, response,
                            [this](const rpc::CallContext&, const v1::ListAgentsRequest& request,
                                   v1::ListAgentsResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const ListAgentsQuery query, FromProto(request));
                              SY_ASSIGN_OR_RETURN(AgentPage page, admin_.List(query));
                              const absl::Time now = clock_.Now();
                              for (const AgentRecord& agent : page.agents) ToProto(agent, now, *response.add_agents());
                              response.set_next_page_token(std::move(page.next_page_token));
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::GetAgent(grpc::CallbackServerContext* context,
                                                  const v1::GetAgentRequest* request, v1::GetAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, get_, request, response,
                            [this](const rpc::CallContext&, const v1::GetAgentRequest& request,
                                   v1::GetAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent, admin_.Find(request.agent()));
                              SY_ASSIGN_OR_RETURN(const std::vector<Transition> transitions,
                                                  admin_.Transitions(agent.id));
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              ToProto(transitions, response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::DrainAgent(grpc::CallbackServerContext* context,
                                                    const v1::DrainAgentRequest* request,
                                                    v1::DrainAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, drain_, request, response,
                            [this](const rpc::CallContext& call, const v1::DrainAgentRequest& request,
                                   v1::DrainAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(
                                  const AgentRecord agent,
                                  admin_.Drain(request.agent(), request.reason(), call.principal().name));
                              Note("agent drained", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::ResumeAgent(grpc::CallbackServerContext* context,
                                                     const v1::ResumeAgentRequest* request,
                                                     v1::ResumeAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, resume_, request, response,
                            [this](const rpc::CallContext& call, const v1::ResumeAgentRequest& request,
                                   v1::ResumeAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent, admin_.Resume(request.agent()));
                              Note("agent resumed", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::QuarantineAgent(grpc::CallbackServerContext* context,
                                                         const v1::QuarantineAgentRequest* request,
                                                         v1::QuarantineAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, quarantine_, request, response,
                            [this](const rpc::CallContext& call, const v1::QuarantineAgentRequest& request,
                                   v1::QuarantineAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(
                                  const AgentRecord agent,
                                  admin_.Quarantine(request.agent(), request.reason(), call.principal().name));
                              Note("agent quarantined", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RemoveAgent(grpc::CallbackServerContext* context,
                                                     const v1::RemoveAgentRequest* request,
                                                     v1::RemoveAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, remove_, request, response,
                            [this](const rpc::CallContext& call, const v1::RemoveAgentRequest& request,
                                   v1::RemoveAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent,
                                                  admin_.Remove(request.agent(), request.reason(), request.force()));
                              Note("agent removed", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::ResetAgentBreaker(grpc::CallbackServerContext* context,
                                                           const v1::ResetAgentBreakerRequest* request,
                                                           v1::ResetAgentBreakerResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, reset_, request, response,
                            [this](const rpc::CallContext& call, const v1::ResetAgentBreakerRequest& request,
                                   v1::ResetAgentBreakerResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent, admin_.ResetBreaker(request.agent()));
                              Note("breaker of an agent reset", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::EnrollAgent(grpc::CallbackServerContext* context,
                                                     const v1::EnrollAgentRequest* request,
                                                     v1::EnrollAgentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, enroll_, request, response,
                            [this](const rpc::CallContext& call, const v1::EnrollAgentRequest& request,
                                   v1::EnrollAgentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const EnrollQuery query, FromProto(request, call.principal().name));
                              SY_ASSIGN_OR_RETURN(const Invitation invitation, admin_.Enroll(query));
                              LogInfo("enrolment opened", {{"enrollment_id", invitation.enrollment.id.ToString()},
                                                           {"agent", invitation.enrollment.name},
                                                           {"by", call.principal().name}});
                              response.set_enrollment_id(invitation.enrollment.id.ToString());
                              response.set_enrollment(ToBundle(invitation, admin_.settings()));
                              ToProto(invitation.enrollment.expire_time, *response.mutable_expire_time());
                              response.set_ca_fingerprint(FingerprintOf(admin_.settings().ca_pem));
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RedeemEnrollment(grpc::CallbackServerContext* context,
                                                          const v1::RedeemEnrollmentRequest* request,
                                                          v1::RedeemEnrollmentResponse* response) {
  return rpc::BlockingUnary(
      rpc_, blocking_, context, redeem_, request, response,
      [this](const rpc::CallContext&, const v1::RedeemEnrollmentRequest& request,
             v1::RedeemEnrollmentResponse& response) -> absl::Status {
        SY_ASSIGN_OR_RETURN(NewAgentToken made,
                            admin_.Redeem(request.token(), request.request_id(), request.host_name()));
        LogInfo("enrolment redeemed",
                {{"agent", made.agent.name}, {"agent_id", made.agent.id.ToString()}, {"host", request.host_name()}});
        response.set_agent_id(made.agent.id.ToString());
        response.set_name(made.agent.name);
        response.set_token(std::move(made.token.text));
        ToProto(made.token.expire_time, *response.mutable_token_expire_time());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentAdminRpc::GetEnrollment(grpc::CallbackServerContext* context,
                                                       const v1::GetEnrollmentRequest* request,
                                                       v1::GetEnrollmentResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, get_enrollment_, request, response,
                            [this](const rpc::CallContext&, const v1::GetEnrollmentRequest& request,
                                   v1::GetEnrollmentResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const EnrollmentId id, ParseEnrollmentId(request.enrollment_id()));
                              SY_ASSIGN_OR_RETURN(const EnrollmentView view, admin_.GetEnrollment(id));
                              ToProto(view, clock_.Now(), response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RevokeEnrollment(grpc::CallbackServerContext* context,
                                                          const v1::RevokeEnrollmentRequest* request,
                                                          v1::RevokeEnrollmentResponse* response) {
  return rpc::BlockingUnary(
      rpc_, blocking_, context, revoke_enrollment_, request, response,
      [this](const rpc::CallContext& call, const v1::RevokeEnrollmentRequest& request,
             v1::RevokeEnrollmentResponse&) -> absl::Status {
        SY_ASSIGN_OR_RETURN(const EnrollmentId id, ParseEnrollmentId(request.enrollment_id()));
        SY_RETURN_IF_ERROR(admin_.RevokeEnrollment(id));
        LogInfo("enrolment revoked", {{"enrollment_id", id.ToString()}, {"by", call.principal().name}});
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RotateAgentToken(grpc::CallbackServerContext* context,
                                                          const v1::RotateAgentTokenRequest* request,
                                                          v1::RotateAgentTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, rotate_, request, response,
                            [this](const rpc::CallContext& call, const v1::RotateAgentTokenRequest& request,
                                   v1::RotateAgentTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const std::optional<absl::Duration> grace, GraceOf(request));
                              SY_ASSIGN_OR_RETURN(NewAgentToken made, admin_.Rotate(request.agent(), grace));
                              Note("token of an agent rotated", made.agent, call);
                              response.set_token(std::move(made.token.text));
                              ToProto(made.token.expire_time, *response.mutable_token_expire_time());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RenewToken(grpc::CallbackServerContext* context,
                                                    const v1::RenewTokenRequest* request,
                                                    v1::RenewTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, renew_, request, response,
                            [this](const rpc::CallContext& call, const v1::RenewTokenRequest&,
                                   v1::RenewTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(NewAgentToken made, admin_.Renew(call.principal().id));
                              Note("token of an agent renewed", made.agent, call);
                              response.set_token(std::move(made.token.text));
                              ToProto(made.token.expire_time, *response.mutable_token_expire_time());
                              ToProto(made.token.old_expire_time, *response.mutable_old_expire_time());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::RevokeAgentToken(grpc::CallbackServerContext* context,
                                                          const v1::RevokeAgentTokenRequest* request,
                                                          v1::RevokeAgentTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, revoke_, request, response,
                            [this](const rpc::CallContext& call, const v1::RevokeAgentTokenRequest& request,
                                   v1::RevokeAgentTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent,
                                                  admin_.RevokeToken(request.agent(), request.reason()));
                              Note("token of an agent revoked", agent, call);
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentAdminRpc::GetSelfStatus(grpc::CallbackServerContext* context,
                                                       const v1::GetSelfStatusRequest* request,
                                                       v1::GetSelfStatusResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, self_, request, response,
                            [this](const rpc::CallContext& call, const v1::GetSelfStatusRequest&,
                                   v1::GetSelfStatusResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const AgentRecord agent, admin_.Find(call.principal().id));
                              ToProto(agent, clock_.Now(), *response.mutable_agent());
                              return absl::OkStatus();
                            });
}

grpc::ServerWriteReactor<v1::ReadTaskLogResponse>* AgentAdminRpc::ReadTaskLog(grpc::CallbackServerContext* context,
                                                                              const v1::ReadTaskLogRequest* request) {
  return rpc_.Stream<v1::ReadTaskLogResponse>(
      context, log_, request, rpc::StreamLimits{.max_messages = 16, .max_bytes = 2u << 20},
      [this](const rpc::CallContext&, const v1::ReadTaskLogRequest& request,
             std::shared_ptr<rpc::ServerStream<v1::ReadTaskLogResponse>> stream) -> absl::Status {
        SY_ASSIGN_OR_RETURN(const LogRequest log, FromProto(request));
        return logs_.Add(log, std::make_shared<StreamSink>(std::move(stream)));
      });
}

}  // namespace switchyard::agent_hub
