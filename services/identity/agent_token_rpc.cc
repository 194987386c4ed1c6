#include "services/identity/agent_token_rpc.h"

#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "services/identity/identity_convert.h"

namespace switchyard::identity {
namespace {

absl::StatusOr<PrincipalId> ParsePrincipal(std::string_view text) {
  absl::StatusOr<PrincipalId> id = PrincipalId::Parse(text);
  if (!id.ok()) return InvalidFields({{.field = "principal_id", .description = "is not the id of a principal"}});
  return id;
}

}  // namespace

AgentTokenRpc::AgentTokenRpc(rpc::CallGate& gate, Identity& identity, Executor& blocking)
    : rpc_(gate, v1::AgentTokenService::service_full_name()), identity_(identity), blocking_(blocking) {}

grpc::ServerUnaryReactor* AgentTokenRpc::IssueAgentToken(grpc::CallbackServerContext* context,
                                                         const v1::IssueAgentTokenRequest* request,
                                                         v1::IssueAgentTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, issue_, request, response,
                            [this](const rpc::CallContext& call, const v1::IssueAgentTokenRequest& request,
                                   v1::IssueAgentTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const PrincipalId principal, ParsePrincipal(request.principal_id()));
                              v1::IssueTokenRequest plain;
                              plain.set_request_id(request.request_id());
                              plain.set_name(request.name());
                              plain.add_scopes(options::v1::SCOPE_AGENT);
                              if (request.has_lifetime()) *plain.mutable_lifetime() = request.lifetime();
                              SY_ASSIGN_OR_RETURN(IssueRequest wanted, FromProto(plain, call.principal()));
                              wanted.principal = principal;
                              SY_ASSIGN_OR_RETURN(IssuedToken issued, identity_.Issue(wanted));
                              if (!issued.replayed) {
                                LogInfo("agent token issued", {{"token_id", issued.token.id.ToString()},
                                                               {"name", issued.token.name},
                                                               {"principal_id", principal.ToString()},
                                                               {"by", call.principal().name}});
                              }
                              ToProto(std::move(issued), response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentTokenRpc::RotateAgentToken(grpc::CallbackServerContext* context,
                                                          const v1::RotateAgentTokenRequest* request,
                                                          v1::RotateAgentTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, rotate_, request, response,
                            [this](const rpc::CallContext& call, const v1::RotateAgentTokenRequest& request,
                                   v1::RotateAgentTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const PrincipalId principal, ParsePrincipal(request.principal_id()));
                              SY_ASSIGN_OR_RETURN(const std::vector<Token> live, identity_.AgentTokens(principal));
                              if (live.empty()) {
                                return MakeError(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND",
                                                 "the principal has no live token of an agent");
                              }
                              v1::RotateTokenRequest plain;
                              plain.set_request_id(request.request_id());
                              plain.set_token_id(live.front().id.ToString());
                              if (request.has_grace()) *plain.mutable_grace() = request.grace();
                              SY_ASSIGN_OR_RETURN(RotateRequest wanted, FromProto(plain, call.principal()));
                              wanted.newest_of = principal;
                              SY_ASSIGN_OR_RETURN(RotatedToken rotated, identity_.Rotate(wanted));
                              if (!rotated.issued.replayed) {
                                LogInfo("agent token rotated", {{"token_id", rotated.old.id.ToString()},
                                                                {"new_token_id", rotated.issued.token.id.ToString()},
                                                                {"name", rotated.old.name},
                                                                {"by", call.principal().name}});
                              }
                              ToProto(std::move(rotated), response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentTokenRpc::RevokeAgentTokens(grpc::CallbackServerContext* context,
                                                           const v1::RevokeAgentTokensRequest* request,
                                                           v1::RevokeAgentTokensResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, revoke_, request, response,
                            [this](const rpc::CallContext& call, const v1::RevokeAgentTokensRequest& request,
                                   v1::RevokeAgentTokensResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const PrincipalId principal, ParsePrincipal(request.principal_id()));
                              SY_ASSIGN_OR_RETURN(const std::vector<Token> live, identity_.AgentTokens(principal));
                              for (const Token& token : live) {
                                SY_ASSIGN_OR_RETURN(const Token revoked,
                                                    identity_.Revoke(token.id, request.reason(), true));
                                LogInfo("agent token revoked", {{"token_id", revoked.id.ToString()},
                                                                {"name", revoked.name},
                                                                {"by", call.principal().name},
                                                                {"reason", revoked.revoke_reason}});
                                ToProto(revoked, *response.add_tokens());
                              }
                              return absl::OkStatus();
                            });
}

}  // namespace switchyard::identity
