#include "services/identity/identity_errors.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::identity {
namespace {

absl::Status About(absl::StatusCode code, std::string_view reason, std::string_view message, const TokenId& id) {
  return MakeError(
      code, message,
      {.reason = std::string(reason), .metadata = {{"token_id", id.ToString()}}, .violations = {}, .retry_after = {}});
}

}  // namespace

absl::Status TokenNotFound(const TokenId& id) {
  return About(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", absl::StrCat("no token has the id ", id.ToString()), id);
}

absl::Status TokenUnknown() {
  return MakeError(absl::StatusCode::kNotFound, "TOKEN_UNKNOWN", "the text is not that of a live token");
}

absl::Status TokenNotLive(const TokenId& id) {
  return About(absl::StatusCode::kFailedPrecondition, "TOKEN_NOT_LIVE",
               absl::StrCat("token ", id.ToString(), " has expired or was revoked; issue a new one"), id);
}

absl::Status LastAdminToken(const TokenId& id) {
  return About(absl::StatusCode::kFailedPrecondition, "LAST_ADMIN_TOKEN",
               absl::StrCat("token ", id.ToString(),
                            " is the last live one of scope admin; issue another first, or allow it explicitly"),
               id);
}

absl::Status RequestIdReused(std::string_view request_id) {
  return MakeError(absl::StatusCode::kAlreadyExists, "the request id came with other content before",
                   {.reason = "REQUEST_ID_REUSED",
                    .metadata = {{"request_id", std::string(request_id)}},
                    .violations = {},
                    .retry_after = {}});
}

absl::Status TooManyTokens(std::size_t bound) {
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("there are already ", bound, " live tokens; revoke some or raise identity.max_tokens"),
      {.reason = "TOO_MANY_TOKENS", .metadata = {{"bound", absl::StrCat(bound)}}, .violations = {}, .retry_after = {}});
}

}  // namespace switchyard::identity
