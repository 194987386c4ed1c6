#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "services/agent_hub/token_issuer.h"

namespace switchyard::agent_hub {

// Tokens "token-1", "token-2" and so on, for tests. Thread-safe.
class FakeTokenIssuer final : public TokenIssuer {
 public:
  explicit FakeTokenIssuer(const Clock& clock) : clock_(clock) {}

  // Every later call fails with it, until it is OK.
  void FailWith(const absl::Status& status) {
    MutexLock lock(mutex_);
    failure_ = status;
  }
  // Of the last token that still lives; empty when none.
  std::string LiveOf(const AgentId& agent) {
    MutexLock lock(mutex_);
    const auto found = live_.find(agent);
    return found == live_.end() ? "" : found->second;
  }

  absl::StatusOr<IssuedToken> Issue(const AgentId& agent, std::string_view, absl::Duration lifetime) override {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    return Make(agent, lifetime);
  }
  absl::StatusOr<IssuedToken> Rotate(const AgentId& agent, absl::Duration grace) override {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    if (live_.count(agent) == 0) return MakeError(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "none");
    IssuedToken token = Make(agent, absl::Hours(24));
    token.old_expire_time = clock_.Now() + grace;
    return token;
  }
  absl::Status Revoke(const AgentId& agent, std::string_view) override {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    live_.erase(agent);
    return absl::OkStatus();
  }

 private:
  IssuedToken Make(const AgentId& agent, absl::Duration lifetime) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    live_[agent] = absl::StrCat("token-", ++made_);
    return {live_[agent], clock_.Now() + lifetime, {}};
  }

  const Clock& clock_;
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<AgentId, std::string> live_ ABSL_GUARDED_BY(mutex_);
  int made_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::agent_hub
