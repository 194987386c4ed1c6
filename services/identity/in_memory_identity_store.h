#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/identity/identity_store.h"

namespace switchyard::identity {

// For tests and simulations; nothing outlives it.
class InMemoryIdentityStore final : public IdentityStore {
 public:
  absl::StatusOr<InsertOutcome> Insert(const NewToken& token, std::size_t max_live, absl::Time now) override;
  absl::StatusOr<Token> Find(const TokenId& id) override;
  absl::StatusOr<Token> FindByHash(std::string_view hash) override;
  absl::StatusOr<RevokeOutcome> Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                       absl::Time now) override;
  absl::StatusOr<RotateOutcome> Rotate(const NewToken& token, absl::Time old_expire_time, absl::Time now) override;
  absl::StatusOr<std::vector<Token>> List(const ListQuery& query) override;
  absl::Status Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) override;

  // Every call fails with this until it is OK again.
  void FailWith(const absl::Status& status);

 private:
  const NewToken* FindRequest(const NewToken& token) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Store(const NewToken& token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<TokenId, NewToken> tokens_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, TokenId, std::less<>> by_hash_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, TokenId> by_request_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::identity
