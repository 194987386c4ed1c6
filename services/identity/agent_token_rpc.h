#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/rpc/handler.h"
#include "services/identity/identity.h"
#include "switchyard/identity/v1/agent_token_service.grpc.pb.h"

namespace switchyard::identity {

// Serves the contract: validates, converts, calls, converts. Thread-safe.
class AgentTokenRpc final : public v1::AgentTokenService::CallbackService {
 public:
  // Borrows all. What waits for the store runs on `blocking`, which must be stopped before this goes.
  AgentTokenRpc(rpc::CallGate& gate, Identity& identity, Executor& blocking);

  grpc::ServerUnaryReactor* IssueAgentToken(grpc::CallbackServerContext* context,
                                            const v1::IssueAgentTokenRequest* request,
                                            v1::IssueAgentTokenResponse* response) override;
  grpc::ServerUnaryReactor* RotateAgentToken(grpc::CallbackServerContext* context,
                                             const v1::RotateAgentTokenRequest* request,
                                             v1::RotateAgentTokenResponse* response) override;
  grpc::ServerUnaryReactor* RevokeAgentTokens(grpc::CallbackServerContext* context,
                                              const v1::RevokeAgentTokensRequest* request,
                                              v1::RevokeAgentTokensResponse* response) override;

 private:
  rpc::Handlers rpc_;
  Identity& identity_;
  Executor& blocking_;
  const rpc::Method& issue_ = rpc_.Find("IssueAgentToken");
  const rpc::Method& rotate_ = rpc_.Find("RotateAgentToken");
  const rpc::Method& revoke_ = rpc_.Find("RevokeAgentTokens");
};

}  // namespace switchyard::identity
