#include "services/identity/in_memory_identity_store.h"

#include <algorithm>

#include "libs/base/status_macros.h"
#include "services/identity/identity_errors.h"

namespace switchyard::identity {

void InMemoryIdentityStore::FailWith(const absl::Status& status) {
  MutexLock lock(mutex_);
  failure_ = status;
}

const NewToken* InMemoryIdentityStore::FindRequest(const NewToken& token) const {
  if (token.request_id.empty()) return nullptr;
  const auto found = by_request_.find({token.requester, token.request_id});
  return found == by_request_.end() ? nullptr : &tokens_.at(found->second);
}

void InMemoryIdentityStore::Store(const NewToken& token) {
  tokens_[token.token.id] = token;
  by_hash_[token.hash] = token.token.id;
  if (!token.request_id.empty()) by_request_[{token.requester, token.request_id}] = token.token.id;
}

absl::StatusOr<InsertOutcome> InMemoryIdentityStore::Insert(const NewToken& token, std::size_t max_live,
                                                            absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  if (const NewToken* known = FindRequest(token); known != nullptr) {
    const bool same = known->content_hash == token.content_hash;
    return InsertOutcome{same ? InsertOutcome::Kind::kReplayed : InsertOutcome::Kind::kRequestIdReused, known->token};
  }
  const auto live =
      std::count_if(tokens_.begin(), tokens_.end(), [&](const auto& entry) { return entry.second.token.IsLive(now); });
  if (static_cast<std::size_t>(live) >= max_live) return InsertOutcome{InsertOutcome::Kind::kTooMany, {}};
  Store(token);
  return InsertOutcome{InsertOutcome::Kind::kInserted, token.token};
}

absl::StatusOr<Token> InMemoryIdentityStore::Find(const TokenId& id) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return TokenNotFound(id);
  return found->second.token;
}

absl::StatusOr<Token> InMemoryIdentityStore::FindByHash(std::string_view hash) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return TokenUnknown();
  return tokens_.at(found->second).token;
}

absl::StatusOr<RevokeOutcome> InMemoryIdentityStore::Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                                            absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return TokenNotFound(id);
  Token& token = found->second.token;
  if (token.revoke_time.has_value()) return RevokeOutcome{RevokeOutcome::Kind::kAlreadyRevoked, token};
  if (keep_admin && token.scopes.Has(Scope::kAdmin) && token.IsLive(now)) {
    const bool another = std::any_of(tokens_.begin(), tokens_.end(), [&](const auto& entry) {
      const Token& other = entry.second.token;
      return other.id != id && other.scopes.Has(Scope::kAdmin) && other.IsLive(now);
    });
    if (!another) return RevokeOutcome{RevokeOutcome::Kind::kLastAdmin, token};
  }
  token.revoke_time = now;
  token.revoke_reason = std::string(reason);
  return RevokeOutcome{RevokeOutcome::Kind::kRevoked, token};
}

absl::StatusOr<RotateOutcome> InMemoryIdentityStore::Rotate(const NewToken& token, absl::Time old_expire_time,
                                                            absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  if (const NewToken* known = FindRequest(token); known != nullptr) {
    if (known->content_hash != token.content_hash) {
      return RotateOutcome{RotateOutcome::Kind::kRequestIdReused, known->token, {}};
    }
    return RotateOutcome{RotateOutcome::Kind::kReplayed, known->token, tokens_.at(known->token.rotated_from).token};
  }
  const auto found = tokens_.find(token.token.rotated_from);
  if (found == tokens_.end()) return TokenNotFound(token.token.rotated_from);
  Token& old = found->second.token;
  if (!old.IsLive(now)) return RotateOutcome{RotateOutcome::Kind::kNotLive, {}, old};
  old.expire_time = std::min(old.expire_time, old_expire_time);
  Store(token);
  return RotateOutcome{RotateOutcome::Kind::kRotated, token.token, old};
}

absl::StatusOr<std::vector<Token>> InMemoryIdentityStore::List(const ListQuery& query) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  std::vector<Token> page;
  for (auto at = tokens_.rbegin(); at != tokens_.rend() && static_cast<int>(page.size()) < query.limit; ++at) {
    const Token& token = at->second.token;
    if (query.before.has_value() && !(token.id < *query.before)) continue;
    if (query.live_at.has_value() && !token.IsLive(*query.live_at)) continue;
    if (!query.name.empty() && token.name != query.name) continue;
    if (query.principal.has_value() && token.principal != *query.principal) continue;
    page.push_back(token);
  }
  return page;
}

absl::Status InMemoryIdentityStore::Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (const auto& [id, time] : uses) {
    const auto found = tokens_.find(id);
    if (found == tokens_.end()) continue;
    std::optional<absl::Time>& last = found->second.token.last_used_time;
    last = last.has_value() ? std::max(*last, time) : time;
  }
  return absl::OkStatus();
}

}  // namespace switchyard::identity
