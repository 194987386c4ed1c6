#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/rpc/handler.h"
#include "services/agent_hub/agent_admin.h"
#include "services/agent_hub/task_log_streams.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::agent_hub {

// Serves the contract: validates, converts, calls, converts. Thread-safe.
class AgentAdminRpc final : public agent::v1::AgentAdminService::CallbackService {
 public:
  // Borrows all. What waits for the store runs on `blocking`, which must be stopped before this goes. It also waits for
  // the identity service: in a process that serves that too, it must not be the executor on which that one works.
  AgentAdminRpc(rpc::CallGate& gate, AgentAdmin& admin, TaskLogStreams& logs, const Clock& clock, Executor& blocking);

  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const agent::v1::ListAgentsRequest* request,
                                       agent::v1::ListAgentsResponse* response) override;
  grpc::ServerUnaryReactor* GetAgent(grpc::CallbackServerContext* context, const agent::v1::GetAgentRequest* request,
                                     agent::v1::GetAgentResponse* response) override;
  grpc::ServerUnaryReactor* DrainAgent(grpc::CallbackServerContext* context,
                                       const agent::v1::DrainAgentRequest* request,
                                       agent::v1::DrainAgentResponse* response) override;
  grpc::ServerUnaryReactor* ResumeAgent(grpc::CallbackServerContext* context,
                                        const agent::v1::ResumeAgentRequest* request,
                                        agent::v1::ResumeAgentResponse* response) override;
  grpc::ServerUnaryReactor* QuarantineAgent(grpc::CallbackServerContext* context,
                                            const agent::v1::QuarantineAgentRequest* request,
                                            agent::v1::QuarantineAgentResponse* response) override;
  grpc::ServerUnaryReactor* RemoveAgent(grpc::CallbackServerContext* context,
                                        const agent::v1::RemoveAgentRequest* request,
                                        agent::v1::RemoveAgentResponse* response) override;
  grpc::ServerUnaryReactor* ResetAgentBreaker(grpc::CallbackServerContext* context,
                                              const agent::v1::ResetAgentBreakerRequest* request,
                                              agent::v1::ResetAgentBreakerResponse* response) override;
  grpc::ServerUnaryReactor* EnrollAgent(grpc::CallbackServerContext* context,
                                        const agent::v1::EnrollAgentRequest* request,
                                        agent::v1::EnrollAgentResponse* response) override;
  grpc::ServerUnaryReactor* RedeemEnrollment(grpc::CallbackServerContext* context,
                                             const agent::v1::RedeemEnrollmentRequest* request,
                                             agent::v1::RedeemEnrollmentResponse* response) override;
  grpc::ServerUnaryReactor* GetEnrollment(grpc::CallbackServerContext* context,
                                          const agent::v1::GetEnrollmentRequest* request,
                                          agent::v1::GetEnrollmentResponse* response) override;
  grpc::ServerUnaryReactor* RevokeEnrollment(grpc::CallbackServerContext* context,
                                             const agent::v1::RevokeEnrollmentRequest* request,
                                             agent::v1::RevokeEnrollmentResponse* response) override;
  grpc::ServerUnaryReactor* RotateAgentToken(grpc::CallbackServerContext* context,
                                             const agent::v1::RotateAgentTokenRequest* request,
                                             agent::v1::RotateAgentTokenResponse* response) override;
  grpc::ServerUnaryReactor* RenewToken(grpc::CallbackServerContext* context,
                                       const agent::v1::RenewTokenRequest* request,
                                       agent::v1::RenewTokenResponse* response) override;
  grpc::ServerUnaryReactor* RevokeAgentToken(grpc::CallbackServerContext* context,
                                             const agent::v1::RevokeAgentTokenRequest* request,
                                             agent::v1::RevokeAgentTokenResponse* response) override;
  grpc::ServerUnaryReactor* GetSelfStatus(grpc::CallbackServerContext* context,
                                          const agent::v1::GetSelfStatusRequest* request,
                                          agent::v1::GetSelfStatusResponse* response) override;
  grpc::ServerWriteReactor<agent::v1::ReadTaskLogResponse>* ReadTaskLog(
      grpc::CallbackServerContext* context, const agent::v1::ReadTaskLogRequest* request) override;

 private:
  rpc::Handlers rpc_;
  AgentAdmin& admin_;
  TaskLogStreams& logs_;
  const Clock& clock_;
  Executor& blocking_;
  const rpc::Method& list_ = rpc_.Find("ListAgents");
  const rpc::Method& get_ = rpc_.Find("GetAgent");
  const rpc::Method& drain_ = rpc_.Find("DrainAgent");
  const rpc::Method& resume_ = rpc_.Find("ResumeAgent");
  const rpc::Method& quarantine_ = rpc_.Find("QuarantineAgent");
  const rpc::Method& remove_ = rpc_.Find("RemoveAgent");
  const rpc::Method& reset_ = rpc_.Find("ResetAgentBreaker");
  const rpc::Method& enroll_ = rpc_.Find("EnrollAgent");
  const rpc::Method& redeem_ = rpc_.Find("RedeemEnrollment");
  const rpc::Method& get_enrollment_ = rpc_.Find("GetEnrollment");
  const rpc::Method& revoke_enrollment_ = rpc_.Find("RevokeEnrollment");
  const rpc::Method& rotate_ = rpc_.Find("RotateAgentToken");
  const rpc::Method& renew_ = rpc_.Find("RenewToken");
  const rpc::Method& revoke_ = rpc_.Find("RevokeAgentToken");
  const rpc::Method& self_ = rpc_.Find("GetSelfStatus");
  const rpc::Method& log_ = rpc_.Find("ReadTaskLog");
};

}  // namespace switchyard::agent_hub
