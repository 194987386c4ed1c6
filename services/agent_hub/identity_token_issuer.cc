#include "services/agent_hub/identity_token_issuer.h"

#include <string>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/retry.h"

namespace switchyard::agent_hub {
namespace {

using Stub = identity::v1::AgentTokenService::StubInterface;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void Set(absl::Duration span, google::protobuf::Duration& out) {
  const std::int64_t micros = absl::ToInt64Microseconds(span);
  out.set_seconds(micros / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1'000));
}

// What the identity service says of this process' own token says nothing about whoever asked for an agent's.
absl::Status AsOurs(const absl::Status& status) {
  if (!absl::IsUnauthenticated(status) && !absl::IsPermissionDenied(status)) return status;
  return MakeError(absl::StatusCode::kUnavailable, "IDENTITY_REFUSED",
                   "the identity service refuses the token of this process");
}

}  // namespace

IdentityTokenIssuer::IdentityTokenIssuer(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller,
                                         absl::Duration timeout)
    : stub_(identity::v1::AgentTokenService::NewStub(std::move(channel))), caller_(caller), timeout_(timeout) {}

absl::StatusOr<IssuedToken> IdentityTokenIssuer::Issue(const AgentId& agent, std::string_view name,
                                                       absl::Duration lifetime) {
  identity::v1::IssueAgentTokenRequest request;
  request.set_principal_id(agent.ToString());
  request.set_name(std::string(name));
  Set(lifetime, *request.mutable_lifetime());
  absl::StatusOr<identity::v1::IssueAgentTokenResponse> issued =
      rpc::CallUnary(caller_, *stub_, &Stub::IssueAgentToken, request, {.timeout = timeout_, .trace = {}});
  if (!issued.ok()) return AsOurs(issued.status());
  return IssuedToken{std::move(*issued->mutable_text()), ToTime(issued->token().expire_time()), {}};
}

absl::StatusOr<IssuedToken> IdentityTokenIssuer::Rotate(const AgentId& agent, absl::Duration grace) {
  identity::v1::RotateAgentTokenRequest request;
  request.set_principal_id(agent.ToString());
  Set(grace, *request.mutable_grace());
  absl::StatusOr<identity::v1::RotateAgentTokenResponse> rotated =
      rpc::CallUnary(caller_, *stub_, &Stub::RotateAgentToken, request, {.timeout = timeout_, .trace = {}});
  if (!rotated.ok()) return AsOurs(rotated.status());
  return IssuedToken{std::move(*rotated->mutable_text()), ToTime(rotated->token().expire_time()),
                     ToTime(rotated->rotated().expire_time())};
}

absl::Status IdentityTokenIssuer::Revoke(const AgentId& agent, std::string_view reason) {
  identity::v1::RevokeAgentTokensRequest request;
  request.set_principal_id(agent.ToString());
  request.set_reason(std::string(reason));
  return AsOurs(rpc::CallUnary(caller_, *stub_, &Stub::RevokeAgentTokens, request,
                               {.timeout = timeout_, .idempotent = true, .trace = {}})
                    .status());
}

}  // namespace switchyard::agent_hub
