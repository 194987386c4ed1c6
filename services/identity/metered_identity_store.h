#pragma once

#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/telemetry/metrics.h"
#include "services/identity/identity_store.h"

namespace switchyard::identity {

// Counts and times the calls of another store, by method and status code. Thread-safe.
class MeteredIdentityStore final : public IdentityStore {
 public:
  // Borrows all.
  MeteredIdentityStore(IdentityStore& store, const Clock& clock, telemetry::Metrics& metrics);

  absl::StatusOr<InsertOutcome> Insert(const NewToken& token, std::size_t max_live, absl::Time now) override;
  absl::StatusOr<Token> Find(const TokenId& id) override;
  absl::StatusOr<Token> FindByHash(std::string_view hash) override;
  absl::StatusOr<RevokeOutcome> Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                       absl::Time now) override;
  absl::StatusOr<RotateOutcome> Rotate(const NewToken& token, absl::Time old_expire_time, absl::Time now) override;
  absl::StatusOr<std::vector<Token>> List(const ListQuery& query) override;
  absl::Status Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) override;

 private:
  template <class Call>
  auto Timed(const char* method, Call call);

  IdentityStore& store_;
  const Clock& clock_;
  telemetry::Family<telemetry::Histogram>& duration_;
};

}  // namespace switchyard::identity
