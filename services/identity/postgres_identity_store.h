#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libs/pg/pool.h"
#include "services/identity/identity_store.h"

namespace switchyard::identity {

// In the schema `identity`. Changes take one advisory lock each: they are rare, and then their rules hold exactly.
class PostgresIdentityStore final : public IdentityStore {
 public:
  // Borrows the pool.
  explicit PostgresIdentityStore(pg::Pool& pool) : pool_(pool) {}

  absl::StatusOr<InsertOutcome> Insert(const NewToken& token, std::size_t max_live, absl::Time now) override;
  absl::StatusOr<Token> Find(const TokenId& id) override;
  absl::StatusOr<Token> FindByHash(std::string_view hash) override;
  absl::StatusOr<RevokeOutcome> Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                       absl::Time now) override;
  absl::StatusOr<RotateOutcome> Rotate(const NewToken& token, absl::Time old_expire_time, absl::Time now) override;
  absl::StatusOr<std::vector<Token>> List(const ListQuery& query) override;
  absl::Status Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) override;

 private:
  pg::Pool& pool_;
};

}  // namespace switchyard::identity
