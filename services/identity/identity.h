#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "services/identity/identity_store.h"
#include "services/identity/token.h"
#include "services/identity/use_recorder.h"

namespace switchyard::identity {

struct IdentityLimits {
  absl::Duration default_lifetime = absl::Hours(24 * 90);
  absl::Duration max_lifetime = absl::Hours(24 * 365);
  std::size_t max_tokens = 100'000;
};

// Who asks for a change. `id` keys idempotence, `name` goes into the record.
struct Requester {
  std::string id;
  std::string name;
};

struct IssueRequest {
  Requester requester;
  std::string request_id;
  std::string name;
  Scopes scopes;
  // Absent: the default lifetime.
  std::optional<absl::Duration> lifetime;
  // Whose it shall be; absent: a new principal.
  std::optional<PrincipalId> principal = std::nullopt;
};

struct IssuedToken {
  Token token;
  // Empty when replayed: texts are not kept.
  std::string text;
  bool replayed = false;
};

struct RotateRequest {
  Requester requester;
  std::string request_id;
  TokenId id;
  // Absent: one hour.
  std::optional<absl::Duration> grace;
  // Whose newest token `id` is, when it was chosen so: a repeat of the request, which finds another newest one, is then
  // the same request.
  std::optional<PrincipalId> newest_of = std::nullopt;
};

struct RotatedToken {
  IssuedToken issued;
  Token old;
};

struct ListRequest {
  // 0 means 100.
  int page_size = 0;
  std::string page_token;
  bool include_ended = false;
  std::string name;
};

struct TokenPage {
  std::vector<Token> tokens;
  std::string next_page_token;
};

// The use cases. All block on the store. Thread-safe.
class Identity {
 public:
  // Borrows all.
  Identity(IdentityStore& store, UseRecorder& uses, const Clock& clock, IdSource& ids, IdentityLimits limits);

  // INVALID_FIELD, REQUEST_ID_REUSED, TOO_MANY_TOKENS.
  absl::StatusOr<IssuedToken> Issue(const IssueRequest& request);
  // The live token of that text, whose use is noted; else TOKEN_UNKNOWN.
  absl::StatusOr<Token> Verify(std::string_view text);
  // TOKEN_NOT_FOUND, LAST_ADMIN_TOKEN.
  absl::StatusOr<Token> Revoke(const TokenId& id, std::string_view reason, bool allow_last_admin);
  // The new token has the lifetime that the old one was issued with, also when that one is in its grace already.
  // INVALID_FIELD, TOKEN_NOT_FOUND, TOKEN_NOT_LIVE, REQUEST_ID_REUSED.
  absl::StatusOr<RotatedToken> Rotate(const RotateRequest& request);
  // The live tokens of scope agent that the principal has, newest first.
  absl::StatusOr<std::vector<Token>> AgentTokens(const PrincipalId& principal);
  // INVALID_FIELD.
  absl::StatusOr<TokenPage> List(const ListRequest& request);

 private:
  // To the microsecond, as the database keeps it.
  absl::Time Now() const;
  // What the token was issued with: its own end may have been moved by a rotation, that of its last successor was not.
  absl::StatusOr<absl::Duration> LifetimeOf(const Token& token);
  Token MakeToken(std::string_view name, Scopes scopes, absl::Duration lifetime, const Requester& requester,
                  absl::Time now);

  IdentityStore& store_;
  UseRecorder& uses_;
  const Clock& clock_;
  IdSource& ids_;
  const IdentityLimits limits_;
};

}  // namespace switchyard::identity
