#pragma once

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/identity/identity_store.h"

namespace switchyard::identity {

// Keeps when tokens were last used without a write for every use: uses gather in memory, and a background step writes
// them, each token's at most once per interval. What is not written yet is lost with the process. Thread-safe.
class UseRecorder {
 public:
  // Tokens that wait to be written; uses of more are not recorded.
  static constexpr std::size_t kMaxPending = 10'000;

  // Borrows both.
  UseRecorder(IdentityStore& store, const Clock& clock, absl::Duration interval)
      : store_(store), clock_(clock), interval_(interval) {}

  // Never blocks on the store.
  void Note(const TokenId& id, absl::Time now);
  // Writes what is due; how many tokens that were. After a failure they are tried again by the next call.
  absl::StatusOr<int> Tick();
  std::size_t pending() const;

 private:
  IdentityStore& store_;
  const Clock& clock_;
  const absl::Duration interval_;
  mutable Mutex mutex_;
  absl::flat_hash_map<TokenId, absl::Time> pending_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TokenId, absl::Time> written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::identity
