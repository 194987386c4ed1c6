#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/identity/token.h"

namespace switchyard::identity {

struct NewToken {
  Token token;
  // HashOfToken of its text.
  std::string hash;
  // Whose request it was; together with `request_id` the key of idempotence. Empty request id: not idempotent.
  std::string requester;
  std::string request_id;
  // SHA-256 of what was asked, to tell a repeated request from another one under the same id.
  std::string content_hash;
};

struct InsertOutcome {
  enum class Kind { kInserted, kReplayed, kRequestIdReused, kTooMany } kind = Kind::kInserted;
  // The stored token: the new one, or the one that the request id named before.
  Token token;
};

struct RevokeOutcome {
  enum class Kind { kRevoked, kAlreadyRevoked, kLastAdmin } kind = Kind::kRevoked;
  Token token;
};

struct RotateOutcome {
  enum class Kind { kRotated, kReplayed, kRequestIdReused, kNotLive } kind = Kind::kRotated;
  // The new one.
  Token token;
  Token rotated;
};

struct ListQuery {
  // Tokens with smaller ids only; absent: from the newest.
  std::optional<TokenId> before;
  int limit = 100;
  // Absent: ended ones too.
  std::optional<absl::Time> live_at;
  // Empty: all.
  std::string name;
  // Absent: all.
  std::optional<PrincipalId> principal = std::nullopt;
};

// Where tokens are kept. Every call is atomic, blocks, and may fail with UNAVAILABLE, in which case it is unknown
// whether a change was made. Thread-safe.
class IdentityStore {
 public:
  virtual ~IdentityStore() = default;

  // kTooMany when `max_live` tokens are live at `now`; under concurrency the bound may be passed by a few.
  virtual absl::StatusOr<InsertOutcome> Insert(const NewToken& token, std::size_t max_live, absl::Time now) = 0;
  // NOT_FOUND, TOKEN_NOT_FOUND. Ended tokens are found too, for ever.
  virtual absl::StatusOr<Token> Find(const TokenId& id) = 0;
  // NOT_FOUND, TOKEN_UNKNOWN. Ended tokens are found too.
  virtual absl::StatusOr<Token> FindByHash(std::string_view hash) = 0;
  // kLastAdmin, and nothing is changed, when `keep_admin` and no other token of scope admin is live at `now`; two calls
  // at once never revoke the last two. TOKEN_NOT_FOUND.
  virtual absl::StatusOr<RevokeOutcome> Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                               absl::Time now) = 0;
  // Stores `token`, whose rotated_from names the old one, and lets that end at `old_expire_time` unless it ends
  // earlier. TOKEN_NOT_FOUND.
  virtual absl::StatusOr<RotateOutcome> Rotate(const NewToken& token, absl::Time old_expire_time, absl::Time now) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<Token>> List(const ListQuery& query) = 0;
  // Times of last use only ever move forward; unknown ids are passed over.
  virtual absl::Status Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) = 0;
};

}  // namespace switchyard::identity
