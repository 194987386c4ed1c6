#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/rpc/principal.h"

namespace switchyard::rpc {

// Tells whose token it is. Thread-safe. No implementation logs a token.
class Authenticator {
 public:
  // Shared: a principal lives in the cache and in every call that runs for it.
  using Result = absl::StatusOr<std::shared_ptr<const Principal>>;
  using Answer = std::function<void(Result)>;

  virtual ~Authenticator() = default;

  // The quick way: null when the answer is not at hand or is a refusal. Never blocks.
  virtual std::shared_ptr<const Principal> Cached(std::string_view token) { return nullptr; }

  // Never blocks. `answer` is called exactly once and within bounded time, on any thread, perhaps before this returns:
  // UNAUTHENTICATED (TOKEN_INVALID) for a token that is unknown, expired or revoked; anything else means that it could
  // not be found out.
  virtual void Authenticate(std::string_view token, Answer answer) = 0;

  // The same, but what was remembered from more than a second ago does not count.
  virtual void AuthenticateAnew(std::string_view token, Answer answer) { Authenticate(token, std::move(answer)); }
};

absl::Status TokenMissing();
absl::Status TokenInvalid();

// A fixed set of tokens in memory; for tests and for a process that talks to itself.
class StaticAuthenticator final : public Authenticator {
 public:
  void Add(std::string_view token, Principal principal);
  void Remove(std::string_view token);

  std::shared_ptr<const Principal> Cached(std::string_view token) override;
  void Authenticate(std::string_view token, Answer answer) override;

 private:
  Mutex mutex_;
  StringMap<std::shared_ptr<const Principal>> principals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::rpc
