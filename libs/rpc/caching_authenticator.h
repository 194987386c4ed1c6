#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/rpc/authenticator.h"

namespace switchyard::rpc {

struct AuthenticationCacheOptions {
  // How long an answer counts, from the moment it was asked for: the time within which a revocation takes effect.
  absl::Duration ttl = absl::Seconds(30);
  // The same for a refusal.
  absl::Duration refusal_ttl = absl::Seconds(5);
  // A principal older than this is asked for again in the background while the cached answer still serves.
  absl::Duration refresh_after = absl::Seconds(20);
  std::size_t max_entries = 10'000;
  // Calls that wait for answers, all tokens together.
  std::size_t max_waiting = 4'096;
};

// Remembers the answers of another authenticator, keyed by the token's SHA-256, so that no token is kept. Concurrent
// questions for one token ask once. When the backend cannot tell, callers without a cached answer get UNAVAILABLE,
// reason IDENTITY_UNAVAILABLE; nothing is served beyond its time. Thread-safe; answers that arrive after destruction
// still reach their callers.
class CachingAuthenticator final : public Authenticator {
 public:
  // Borrows both; the backend must have answered everything before it and the clock go.
  CachingAuthenticator(Authenticator& backend, const Clock& clock, AuthenticationCacheOptions options = {});
  ~CachingAuthenticator() override;

  std::shared_ptr<const Principal> Cached(std::string_view token) override;
  void Authenticate(std::string_view token, Answer answer) override;
  void AuthenticateAnew(std::string_view token, Answer answer) override;

  // Forgets all answers, for example when told of a revocation.
  void Clear();
  std::size_t size() const;

 private:
  class State;
  // Shared with questions under way.
  std::shared_ptr<State> state_;
};

}  // namespace switchyard::rpc
