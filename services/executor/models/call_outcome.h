// How one request to a model ended, and what follows from it.
#pragma once

#include <string_view>

#include "absl/time/time.h"

namespace switchyard::executor::models {

enum class CallOutcome {
  kSuccess,
  // Ended at the bound on output tokens.
  kTruncated,
  // Longer than this executor takes.
  kTooLong,
  // Ended well, and said nothing.
  kEmpty,
  // The prompt does not fit.
  kContextExceeded,
  // The model declined, or a filter did.
  kRefused,
  // The endpoint says that the request itself is wrong.
  kInvalidRequest,
  kQueueFull,
  // It says that it is loading the model.
  kLoading,
  kRateLimited,
  kOverloaded,
  // Credentials that it does not take.
  kUnauthorized,
  kPaymentRequired,
  kForbidden,
  // A limit on money, which no waiting lifts soon.
  kSpendLimit,
  kModelNotFound,
  kServerFailure,
  // The stream ended without its end mark.
  kStreamCut,
  // Status 200, and an error within.
  kErrorInStream,
  // What came is not of the protocol.
  kNonsense,
  // Nothing listens, or there is no such host.
  kNoConnection,
  // The connection broke before an answer, as one kept from an earlier call does when its server has left it.
  kConnectionReset,
  // The certificate or the handshake.
  kTlsFailed,
  kConnectTimeout,
  kLoadTimeout,
  kFirstTokenTimeout,
  kTokenTimeout,
  kTotalTimeout,
  // Alive, and slower than the floor.
  kTooSlow,
  kCancelled,
  // The request was never sent, for a reason of ours.
  kNotSent,
};

// UPPER_SNAKE_CASE; stands in failures and route requests. Empty for kSuccess.
std::string_view OutcomeReason(CallOutcome outcome);
// One line for people.
std::string_view OutcomeText(CallOutcome outcome);

// What the model registry makes of it; the names are those of its contract.
enum class EndpointVerdict {
  kSuccess,
  kFailure,
  kNoProgress,
  kRateLimited,
  kBusy,
  kRefused,
  kLoading,
  // Says nothing about the endpoint.
  kNeutral,
};
EndpointVerdict VerdictOn(CallOutcome outcome);

enum class NextStep {
  kSucceed,
  // The attempt counts; the same would fail again.
  kFailForGood,
  // The attempt counts; another may do.
  kFail,
  // Ask for the next endpoint of the chain.
  kTryNext,
  // Ask the same endpoint again after `wait`.
  kRetryHere,
  // Hand the task back; no attempt counts.
  kGiveBack,
};

struct Situation {
  // An endpoint may follow this one, and was not refused.
  bool has_next = false;
  // How long the endpoint asked to be left alone.
  absl::Duration retry_after = absl::ZeroDuration();
  // Times that this endpoint was asked before this one in this attempt.
  int retries = 0;
  // Of the attempt's time.
  absl::Duration left = absl::InfiniteDuration();
  // Of the time in which the model has to be loaded.
  absl::Duration load_left = absl::ZeroDuration();
};

struct Decision {
  NextStep step = NextStep::kFail;
  // Of kRetryHere; of kGiveBack, before the task is given out again.
  absl::Duration wait = absl::ZeroDuration();
};

// A wait up to this long is waited for here; the slot stays taken meanwhile.
inline constexpr absl::Duration kLongestWaitHere = absl::Seconds(20);
inline constexpr int kMostRetries = 3;

// Pure. Money and credentials never lead to another endpoint: that would be a fallback nobody was told about.
Decision Decide(CallOutcome outcome, const Situation& situation);

}  // namespace switchyard::executor::models
