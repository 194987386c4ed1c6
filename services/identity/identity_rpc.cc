#include "services/identity/identity_rpc.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "services/identity/identity_convert.h"

namespace switchyard::identity {

IdentityRpc::IdentityRpc(rpc::CallGate& gate, Identity& identity, Executor& blocking)
    : rpc_(gate, v1::IdentityService::service_full_name()), identity_(identity), blocking_(blocking) {}

grpc::ServerUnaryReactor* IdentityRpc::IssueToken(grpc::CallbackServerContext* context,
                                                  const v1::IssueTokenRequest* request,
                                                  v1::IssueTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, issue_, request, response,
                            [this](const rpc::CallContext& call, const v1::IssueTokenRequest& request,
                                   v1::IssueTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const IssueRequest wanted, FromProto(request, call.principal()));
                              SY_ASSIGN_OR_RETURN(IssuedToken issued, identity_.Issue(wanted));
                              if (!issued.replayed) {
                                LogInfo("token issued", {{"token_id", issued.token.id.ToString()},
                                                         {"name", issued.token.name},
                                                         {"by", call.principal().name}});
                              }
                              ToProto(std::move(issued), response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* IdentityRpc::VerifyToken(grpc::CallbackServerContext* context,
                                                   const v1::VerifyTokenRequest* request,
                                                   v1::VerifyTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, verify_, request, response,
                            [this](const rpc::CallContext&, const v1::VerifyTokenRequest& request,
                                   v1::VerifyTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const Token token, identity_.Verify(request.text()));
                              ToProto(token, *response.mutable_token());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* IdentityRpc::RevokeToken(grpc::CallbackServerContext* context,
                                                   const v1::RevokeTokenRequest* request,
                                                   v1::RevokeTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, revoke_, request, response,
                            [this](const rpc::CallContext& call, const v1::RevokeTokenRequest& request,
                                   v1::RevokeTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const TokenId id, ParseTokenId(request.token_id()));
                              SY_ASSIGN_OR_RETURN(const Token token,
                                                  identity_.Revoke(id, request.reason(), request.allow_last_admin()));
                              LogInfo("token revoked", {{"token_id", token.id.ToString()},
                                                        {"name", token.name},
                                                        {"by", call.principal().name},
                                                        {"reason", token.revoke_reason}});
                              ToProto(token, *response.mutable_token());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* IdentityRpc::RotateToken(grpc::CallbackServerContext* context,
                                                   const v1::RotateTokenRequest* request,
                                                   v1::RotateTokenResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, rotate_, request, response,
                            [this](const rpc::CallContext& call, const v1::RotateTokenRequest& request,
                                   v1::RotateTokenResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(const RotateRequest wanted, FromProto(request, call.principal()));
                              SY_ASSIGN_OR_RETURN(RotatedToken rotated, identity_.Rotate(wanted));
                              if (!rotated.issued.replayed) {
                                LogInfo("token rotated", {{"token_id", rotated.old.id.ToString()},
                                                          {"new_token_id", rotated.issued.token.id.ToString()},
                                                          {"name", rotated.old.name},
                                                          {"by", call.principal().name}});
                              }
                              ToProto(std::move(rotated), response);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* IdentityRpc::ListTokens(grpc::CallbackServerContext* context,
                                                  const v1::ListTokensRequest* request,
                                                  v1::ListTokensResponse* response) {
  return rpc::BlockingUnary(rpc_, blocking_, context, list_, request, response,
                            [this](const rpc::CallContext&, const v1::ListTokensRequest& request,
                                   v1::ListTokensResponse& response) -> absl::Status {
                              SY_ASSIGN_OR_RETURN(TokenPage page, identity_.List(FromProto(request)));
                              for (const Token& token : page.tokens) ToProto(token, *response.add_tokens());
                              response.set_next_page_token(std::move(page.next_page_token));
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* IdentityRpc::GetSelf(grpc::CallbackServerContext* context, const v1::GetSelfRequest* request,
                                               v1::GetSelfResponse* response) {
  return rpc_.Unary(
      context, self_, request, response,
      [](const rpc::CallContext& call, const v1::GetSelfRequest&, v1::GetSelfResponse& response, rpc::Done done) {
        ToProto(call.principal(), response);
        done(absl::OkStatus());
      });
}

}  // namespace switchyard::identity
