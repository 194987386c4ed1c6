#include "libs/forge/forge.h"

#include <algorithm>

#include "libs/base/status.h"

namespace switchyard::forge {

std::string_view StateName(PullRequestState state) {
  switch (state) {
    case PullRequestState::kOpen:
      return "open";
    case PullRequestState::kMerged:
      return "merged";
    case PullRequestState::kClosed:
      return "closed";
  }
  return "open";
}

bool MayRetry(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDataLoss;
}

absl::Duration RetryDelay(const absl::Status& status, int attempts, Rng& rng) {
  const absl::Duration asked = DetailsOf(status).retry_after;
  if (asked > absl::ZeroDuration()) return asked;
  const absl::Duration most = std::min(absl::Seconds(1) * (1 << std::clamp(attempts - 1, 0, 10)), absl::Seconds(30));
  return most * (0.5 + rng.Unit() / 2);
}

}  // namespace switchyard::forge
