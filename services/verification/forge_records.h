#pragma once

#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "services/verification/forge_poller.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

// What is stored of pull requests, for the poller of forges. Whoever opened one long ago and forgot it is not asked
// about for ever. Thread-safe; calls block.
class ForgeRecords final : public PullRequestStore {
 public:
  static constexpr absl::Duration kWorthAsking = absl::Hours(24 * 30);

  // Borrows both.
  ForgeRecords(VerificationStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  absl::StatusOr<std::vector<WatchedPullRequest>> ListWatched(const std::string& after, std::size_t limit) override;
  absl::StatusOr<bool> MayStillMerge(const WatchedPullRequest& watched) override;
  absl::Status RecordOutcome(const WatchedPullRequest& watched, PullRequestOutcome outcome,
                             const std::string& note) override;

 private:
  VerificationStore& store_;
  const Clock& clock_;
};

}  // namespace switchyard::verification
