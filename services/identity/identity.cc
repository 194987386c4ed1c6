#include "services/identity/identity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/secure_bytes.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/identity/identity_errors.h"

namespace switchyard::identity {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxRequestId = 128;
constexpr std::size_t kMaxReason = 256;
constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 500;
constexpr absl::Duration kMinLifetime = absl::Minutes(1);
constexpr absl::Duration kDefaultGrace = absl::Hours(1);
constexpr absl::Duration kMaxGrace = absl::Hours(24 * 7);

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return absl::ascii_islower(u) || absl::ascii_isdigit(u) || c == '.' || c == '_' || c == '-';
  });
}

bool IsPrintable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

void CheckRequestId(std::string_view request_id, std::vector<FieldViolation>& faults) {
  if (request_id.size() > kMaxRequestId || !IsPrintable(request_id)) {
    faults.push_back({.field = "request_id", .description = "must be at most 128 bytes without control characters"});
  }
}

std::string HashOf(std::string_view content) {
  const auto hash = Sha256(content);
  return std::string(hash.begin(), hash.end());
}

}  // namespace

Identity::Identity(IdentityStore& store, UseRecorder& uses, const Clock& clock, IdSource& ids, IdentityLimits limits)
    : store_(store), uses_(uses), clock_(clock), ids_(ids), limits_(limits) {}

absl::Time Identity::Now() const { return absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now())); }

Token Identity::MakeToken(std::string_view name, Scopes scopes, absl::Duration lifetime, const Requester& requester,
                          absl::Time now) {
  Token token;
  token.id = ids_.New<TokenId>();
  token.principal = PrincipalId(token.id.uuid());
  token.name = std::string(name);
  token.scopes = scopes;
  token.create_time = now;
  token.expire_time = now + absl::Floor(lifetime, absl::Microseconds(1));
  token.created_by = requester.name;
  return token;
}

absl::StatusOr<IssuedToken> Identity::Issue(const IssueRequest& request) {
  std::vector<FieldViolation> faults;
  CheckRequestId(request.request_id, faults);
  if (!IsName(request.name)) {
    faults.push_back({.field = "name",
                      .description = "must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit"});
  }
  if (request.scopes.empty()) faults.push_back({.field = "scopes", .description = "must name at least one scope"});
  if (request.scopes.Has(Scope::kAgent) && request.scopes.List().size() > 1) {
    faults.push_back({.field = "scopes", .description = "agent goes with no other scope"});
  }
  const absl::Duration lifetime = request.lifetime.value_or(limits_.default_lifetime);
  if (lifetime < kMinLifetime || lifetime > limits_.max_lifetime) {
    faults.push_back({.field = "lifetime",
                      .description = absl::StrCat("must be from ", absl::FormatDuration(kMinLifetime), " to ",
                                                  absl::FormatDuration(limits_.max_lifetime))});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));

  const absl::Time now = Now();
  const std::string text = SecureToken(kTokenPrefix);
  NewToken token;
  token.token = MakeToken(request.name, request.scopes, lifetime, request.requester, now);
  token.hash = HashOfToken(text);
  token.requester = request.requester.id;
  token.request_id = request.request_id;
  token.content_hash =
      HashOf(absl::StrCat("issue\n", request.name, "\n", request.scopes.bits(), "\n",
                          request.lifetime.has_value() ? absl::FormatDuration(*request.lifetime) : "default",
                          request.principal.has_value() ? "\n" + request.principal->ToString() : ""));
  if (request.principal.has_value()) token.token.principal = *request.principal;
  SY_ASSIGN_OR_RETURN(InsertOutcome outcome, store_.Insert(token, limits_.max_tokens, now));
  switch (outcome.kind) {
    case InsertOutcome::Kind::kInserted:
      return IssuedToken{.token = std::move(outcome.token), .text = text, .replayed = false};
    case InsertOutcome::Kind::kReplayed:
      return IssuedToken{.token = std::move(outcome.token), .text = "", .replayed = true};
    case InsertOutcome::Kind::kRequestIdReused:
      return RequestIdReused(request.request_id);
    case InsertOutcome::Kind::kTooMany:
      break;
  }
  return TooManyTokens(limits_.max_tokens);
}

absl::StatusOr<Token> Identity::Verify(std::string_view text) {
  if (!LooksLikeToken(text)) return TokenUnknown();
  SY_ASSIGN_OR_RETURN(Token token, store_.FindByHash(HashOfToken(text)));
  const absl::Time now = Now();
  if (!token.IsLive(now)) return TokenUnknown();
  uses_.Note(token.id, now);
  return token;
}

absl::StatusOr<Token> Identity::Revoke(const TokenId& id, std::string_view reason, bool allow_last_admin) {
  if (reason.size() > kMaxReason || !IsPrintable(reason)) {
    return InvalidFields({{.field = "reason", .description = "must be at most 256 bytes without control characters"}});
  }
  SY_ASSIGN_OR_RETURN(RevokeOutcome outcome, store_.Revoke(id, reason, !allow_last_admin, Now()));
  if (outcome.kind == RevokeOutcome::Kind::kLastAdmin) return LastAdminToken(id);
  return std::move(outcome.token);
}

absl::StatusOr<absl::Duration> Identity::LifetimeOf(const Token& token) {
  ListQuery query;
  query.limit = kMaxPage;
  query.principal = token.principal;
  SY_ASSIGN_OR_RETURN(const std::vector<Token> tokens, store_.List(query));
  Token last = token;
  for (auto next = tokens.rbegin(); next != tokens.rend(); ++next) {
    if (next->rotated_from == last.id) last = *next;
  }
  return last.expire_time - last.create_time;
}

absl::StatusOr<RotatedToken> Identity::Rotate(const RotateRequest& request) {
  std::vector<FieldViolation> faults;
  CheckRequestId(request.request_id, faults);
  const absl::Duration grace = request.grace.value_or(kDefaultGrace);
  if (grace < absl::ZeroDuration() || grace > kMaxGrace) {
    faults.push_back({.field = "grace", .description = "must be from 0s to 168h"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));

  SY_ASSIGN_OR_RETURN(const Token old, store_.Find(request.id));
  SY_ASSIGN_OR_RETURN(const absl::Duration lifetime, LifetimeOf(old));
  const absl::Time now = Now();
  const std::string text = SecureToken(kTokenPrefix);
  NewToken token;
  token.token = MakeToken(old.name, old.scopes, lifetime, request.requester, now);
  token.token.principal = old.principal;
  token.token.rotated_from = old.id;
  token.hash = HashOfToken(text);
  token.requester = request.requester.id;
  token.request_id = request.request_id;
  token.content_hash =
      HashOf(absl::StrCat(request.newest_of.has_value() ? "rotate newest of\n" + request.newest_of->ToString()
                                                        : "rotate\n" + request.id.ToString(),
                          "\n", absl::FormatDuration(grace)));
  SY_ASSIGN_OR_RETURN(RotateOutcome outcome,
                      store_.Rotate(token, now + absl::Floor(grace, absl::Microseconds(1)), now));
  switch (outcome.kind) {
    case RotateOutcome::Kind::kRotated:
      return RotatedToken{{.token = std::move(outcome.token), .text = text, .replayed = false},
                          std::move(outcome.rotated)};
    case RotateOutcome::Kind::kReplayed:
      return RotatedToken{{.token = std::move(outcome.token), .text = "", .replayed = true},
                          std::move(outcome.rotated)};
    case RotateOutcome::Kind::kRequestIdReused:
      return RequestIdReused(request.request_id);
    case RotateOutcome::Kind::kNotLive:
      break;
  }
  return TokenNotLive(request.id);
}

absl::StatusOr<std::vector<Token>> Identity::AgentTokens(const PrincipalId& principal) {
  ListQuery query;
  query.limit = kMaxPage;
  query.live_at = Now();
  query.principal = principal;
  SY_ASSIGN_OR_RETURN(std::vector<Token> tokens, store_.List(query));
  std::erase_if(tokens, [](const Token& token) { return !token.scopes.Has(Scope::kAgent); });
  return tokens;
}

absl::StatusOr<TokenPage> Identity::List(const ListRequest& request) {
  std::vector<FieldViolation> faults;
  if (request.page_size < 0 || request.page_size > kMaxPage) {
    faults.push_back({.field = "page_size", .description = "must be from 0 to 500"});
  }
  ListQuery query;
  if (!request.page_token.empty()) {
    absl::StatusOr<TokenId> before = TokenId::Parse(request.page_token);
    if (before.ok()) query.before = *before;
    if (!before.ok()) faults.push_back({.field = "page_token", .description = "is not one of ours"});
  }
  if (!request.name.empty() && !IsName(request.name)) {
    faults.push_back({.field = "name", .description = "no token can have this name"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));

  const int size = request.page_size == 0 ? kDefaultPage : request.page_size;
  // One more than asked tells whether another page follows.
  query.limit = size + 1;
  query.name = request.name;
  if (!request.include_ended) query.live_at = Now();
  TokenPage page;
  SY_ASSIGN_OR_RETURN(page.tokens, store_.List(query));
  if (page.tokens.size() > static_cast<std::size_t>(size)) {
    page.tokens.pop_back();
    page.next_page_token = page.tokens.back().id.ToString();
  }
  return page;
}

}  // namespace switchyard::identity
