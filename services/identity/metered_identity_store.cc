#include "services/identity/metered_identity_store.h"

#include <string>

namespace switchyard::identity {
namespace {

std::string CodeOf(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }
template <class T>
std::string CodeOf(const absl::StatusOr<T>& result) {
  return CodeOf(result.status());
}

}  // namespace

MeteredIdentityStore::MeteredIdentityStore(IdentityStore& store, const Clock& clock, telemetry::Metrics& metrics)
    : store_(store),
      clock_(clock),
      duration_(metrics.Histograms("switchyard_identity_store_duration_seconds",
                                   "Time of calls of the store of tokens, by method and status code.",
                                   {"method", "code"}, telemetry::LatencyBuckets())) {}

template <class Call>
auto MeteredIdentityStore::Timed(const char* method, Call call) {
  const absl::Time start = clock_.Now();
  auto result = call();
  duration_.With({method, CodeOf(result)}).Observe(clock_.Now() - start);
  return result;
}

absl::StatusOr<InsertOutcome> MeteredIdentityStore::Insert(const NewToken& token, std::size_t max_live,
                                                           absl::Time now) {
  return Timed("Insert", [&] { return store_.Insert(token, max_live, now); });
}
absl::StatusOr<Token> MeteredIdentityStore::Find(const TokenId& id) {
  return Timed("Find", [&] { return store_.Find(id); });
}
absl::StatusOr<Token> MeteredIdentityStore::FindByHash(std::string_view hash) {
  return Timed("FindByHash", [&] { return store_.FindByHash(hash); });
}
absl::StatusOr<RevokeOutcome> MeteredIdentityStore::Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                                           absl::Time now) {
  return Timed("Revoke", [&] { return store_.Revoke(id, reason, keep_admin, now); });
}
absl::StatusOr<RotateOutcome> MeteredIdentityStore::Rotate(const NewToken& token, absl::Time old_expire_time,
                                                           absl::Time now) {
  return Timed("Rotate", [&] { return store_.Rotate(token, old_expire_time, now); });
}
absl::StatusOr<std::vector<Token>> MeteredIdentityStore::List(const ListQuery& query) {
  return Timed("List", [&] { return store_.List(query); });
}
absl::Status MeteredIdentityStore::Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) {
  return Timed("Touch", [&] { return store_.Touch(uses); });
}

}  // namespace switchyard::identity
