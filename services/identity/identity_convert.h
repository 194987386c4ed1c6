// Between the contract and the domain, nothing else.
#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "libs/rpc/call_context.h"
#include "libs/rpc/principal.h"
#include "services/identity/identity.h"
#include "switchyard/identity/v1/identity_service.pb.h"

namespace switchyard::identity {

// INVALID_FIELD for what has no counterpart in the domain.
absl::StatusOr<IssueRequest> FromProto(const v1::IssueTokenRequest& request, const rpc::Principal& caller);
absl::StatusOr<RotateRequest> FromProto(const v1::RotateTokenRequest& request, const rpc::Principal& caller);
ListRequest FromProto(const v1::ListTokensRequest& request);
absl::StatusOr<TokenId> ParseTokenId(std::string_view text);

void ToProto(const Token& token, v1::Token& out);
// An answer with a token's text, and with what it replaces: of each service that makes tokens.
template <class Response>
void ToProto(IssuedToken issued, Response& out) {
  ToProto(issued.token, *out.mutable_token());
  out.set_text(std::move(issued.text));
  out.set_replayed(issued.replayed);
}
template <class Response>
void ToProto(RotatedToken rotated, Response& out) {
  ToProto(rotated.old, *out.mutable_rotated());
  ToProto(std::move(rotated.issued), out);
}
// What the caller of a method holds.
void ToProto(const rpc::Principal& principal, v1::GetSelfResponse& out);

rpc::Principal ToPrincipal(const Token& token);

}  // namespace switchyard::identity
