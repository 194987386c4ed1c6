#include "services/identity/identity_convert.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace switchyard::identity {
namespace {

void SetTime(absl::Time time, google::protobuf::Timestamp& out) {
  const std::int64_t micros = absl::ToUnixMicros(time);
  out.set_seconds(micros / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1'000));
}

// Nothing when out of the range that the contract allows; such a value is then refused as a fault of its field.
std::optional<absl::Duration> ToDuration(const google::protobuf::Duration& duration, std::string_view field,
                                         std::vector<FieldViolation>& faults) {
  constexpr std::int64_t kMaxSeconds = 315'576'000'000;
  if (duration.seconds() < -kMaxSeconds || duration.seconds() > kMaxSeconds || duration.nanos() <= -1'000'000'000 ||
      duration.nanos() >= 1'000'000'000 || (duration.seconds() > 0 && duration.nanos() < 0) ||
      (duration.seconds() < 0 && duration.nanos() > 0)) {
    faults.push_back({.field = std::string(field), .description = "is not a valid duration"});
    return std::nullopt;
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

Requester RequesterOf(const rpc::Principal& caller) { return {.id = caller.id, .name = caller.name}; }

}  // namespace

absl::StatusOr<TokenId> ParseTokenId(std::string_view text) {
  absl::StatusOr<TokenId> id = TokenId::Parse(text);
  if (!id.ok()) return InvalidFields({{.field = "token_id", .description = "is not the id of a token"}});
  return id;
}

absl::StatusOr<IssueRequest> FromProto(const v1::IssueTokenRequest& request, const rpc::Principal& caller) {
  IssueRequest out;
  std::vector<FieldViolation> faults;
  out.requester = RequesterOf(caller);
  out.request_id = request.request_id();
  out.name = request.name();
  for (int i = 0; i < request.scopes_size(); ++i) {
    const int number = request.scopes(i);
    if (number < options::v1::SCOPE_ADMIN || number > options::v1::SCOPE_AGENT) {
      faults.push_back({.field = absl::StrCat("scopes[", i, "]"),
                        .description = "must be one of ADMIN, SUBMIT, READ, SERVICE and AGENT"});
      continue;
    }
    out.scopes.Add(static_cast<Scope>(number));
  }
  if (request.has_lifetime()) out.lifetime = ToDuration(request.lifetime(), "lifetime", faults);
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return out;
}

absl::StatusOr<RotateRequest> FromProto(const v1::RotateTokenRequest& request, const rpc::Principal& caller) {
  RotateRequest out;
  std::vector<FieldViolation> faults;
  out.requester = RequesterOf(caller);
  out.request_id = request.request_id();
  const absl::StatusOr<TokenId> id = ParseTokenId(request.token_id());
  if (id.ok()) {
    out.id = *id;
  } else {
    for (FieldViolation& fault : DetailsOf(id.status()).violations) faults.push_back(std::move(fault));
  }
  if (request.has_grace()) out.grace = ToDuration(request.grace(), "grace", faults);
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return out;
}

ListRequest FromProto(const v1::ListTokensRequest& request) {
  return {.page_size = request.page_size(),
          .page_token = request.page_token(),
          .include_ended = request.include_ended(),
          .name = request.name()};
}

void ToProto(const Token& token, v1::Token& out) {
  out.set_token_id(token.id.ToString());
  out.set_principal_id(token.principal.ToString());
  out.set_name(token.name);
  for (const Scope scope : token.scopes.List()) out.add_scopes(static_cast<options::v1::Scope>(scope));
  SetTime(token.create_time, *out.mutable_create_time());
  SetTime(token.expire_time, *out.mutable_expire_time());
  if (token.revoke_time.has_value()) SetTime(*token.revoke_time, *out.mutable_revoke_time());
  out.set_revoke_reason(token.revoke_reason);
  if (token.last_used_time.has_value()) SetTime(*token.last_used_time, *out.mutable_last_used_time());
  out.set_created_by(token.created_by);
}

void ToProto(const rpc::Principal& principal, v1::GetSelfResponse& out) {
  out.set_principal_id(principal.id);
  out.set_name(principal.name);
  for (int number = options::v1::SCOPE_ADMIN; number <= options::v1::SCOPE_AGENT; ++number) {
    const auto scope = static_cast<options::v1::Scope>(number);
    if (principal.scopes.Allows(scope)) out.add_scopes(scope);
  }
  if (principal.expire_time != absl::InfiniteFuture()) SetTime(principal.expire_time, *out.mutable_expire_time());
}

rpc::Principal ToPrincipal(const Token& token) {
  rpc::Principal principal;
  principal.id = token.principal.ToString();
  principal.name = token.name;
  for (const Scope scope : token.scopes.List()) principal.scopes.Add(static_cast<options::v1::Scope>(scope));
  principal.expire_time = token.expire_time;
  return principal;
}

}  // namespace switchyard::identity
