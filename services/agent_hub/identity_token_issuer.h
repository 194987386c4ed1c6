#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string_view>

#include "absl/time/time.h"
#include "libs/rpc/caller.h"
#include "services/agent_hub/token_issuer.h"
#include "switchyard/identity/v1/agent_token_service.grpc.pb.h"

namespace switchyard::agent_hub {

// Asks the identity service. Not from a gRPC callback: it waits.
class IdentityTokenIssuer final : public TokenIssuer {
 public:
  // Borrows the caller, whose token has the scope service. The channel must be kept elsewhere too. `timeout` bounds one
  // call.
  IdentityTokenIssuer(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller,
                      absl::Duration timeout = absl::Seconds(5));

  absl::StatusOr<IssuedToken> Issue(const AgentId& agent, std::string_view name, absl::Duration lifetime) override;
  absl::StatusOr<IssuedToken> Rotate(const AgentId& agent, absl::Duration grace) override;
  absl::Status Revoke(const AgentId& agent, std::string_view reason) override;

 private:
  const std::unique_ptr<identity::v1::AgentTokenService::Stub> stub_;
  const rpc::Caller& caller_;
  const absl::Duration timeout_;
};

}  // namespace switchyard::agent_hub
