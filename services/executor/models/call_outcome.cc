#include "services/executor/models/call_outcome.h"

#include <algorithm>

namespace switchyard::executor::models {
namespace {

constexpr absl::Duration kShortest = absl::Seconds(1);
// After credentials or money were refused: a person has to act.
constexpr absl::Duration kUntilMended = absl::Minutes(10);
constexpr absl::Duration kLongestPause = absl::Hours(1);
constexpr absl::Duration kLoadPause = absl::Seconds(10);

absl::Duration Backoff(int retries) { return absl::Seconds(2) * (1 << std::clamp(retries, 0, 10)); }

Decision NextOr(const Situation& situation, NextStep otherwise, absl::Duration wait = absl::ZeroDuration()) {
  return situation.has_next ? Decision{NextStep::kTryNext, absl::ZeroDuration()} : Decision{otherwise, wait};
}

// The endpoint is well and has no time for us.
Decision WaitOrNext(const Situation& situation) {
  const absl::Duration wait = std::max({situation.retry_after, Backoff(situation.retries), kShortest});
  const bool here = wait <= kLongestWaitHere && wait < situation.left && situation.retries < kMostRetries;
  if (here && situation.retry_after > absl::ZeroDuration()) return {NextStep::kRetryHere, wait};
  if (situation.has_next) return {NextStep::kTryNext, absl::ZeroDuration()};
  if (here) return {NextStep::kRetryHere, wait};
  return {NextStep::kGiveBack, std::min(wait, kLongestPause)};
}

// It says so itself, so it is waited for as long as for one that loads without a word.
Decision WaitForLoad(const Situation& situation) {
  const absl::Duration wait =
      std::clamp(std::max(situation.retry_after, Backoff(situation.retries)), kShortest, kLoadPause);
  if (wait < situation.left && wait < situation.load_left) return {NextStep::kRetryHere, wait};
  return NextOr(situation, NextStep::kGiveBack, std::max(situation.retry_after, kLoadPause));
}

}  // namespace

std::string_view OutcomeReason(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kSuccess:
      return "";
    case CallOutcome::kTruncated:
      return "ANSWER_TRUNCATED";
    case CallOutcome::kTooLong:
      return "ANSWER_TOO_LONG";
    case CallOutcome::kEmpty:
      return "ANSWER_EMPTY";
    case CallOutcome::kContextExceeded:
      return "CONTEXT_EXCEEDED";
    case CallOutcome::kRefused:
      return "MODEL_REFUSED";
    case CallOutcome::kInvalidRequest:
      return "REQUEST_INVALID";
    case CallOutcome::kQueueFull:
      return "ENDPOINT_QUEUE_FULL";
    case CallOutcome::kLoading:
      return "MODEL_LOADING";
    case CallOutcome::kRateLimited:
      return "ENDPOINT_RATE_LIMITED";
    case CallOutcome::kOverloaded:
      return "ENDPOINT_OVERLOADED";
    case CallOutcome::kUnauthorized:
      return "ENDPOINT_UNAUTHORIZED";
    case CallOutcome::kPaymentRequired:
      return "ENDPOINT_PAYMENT_REQUIRED";
    case CallOutcome::kForbidden:
      return "ENDPOINT_FORBIDDEN";
    case CallOutcome::kSpendLimit:
      return "ENDPOINT_SPEND_LIMIT";
    case CallOutcome::kModelNotFound:
      return "MODEL_NOT_FOUND";
    case CallOutcome::kServerFailure:
      return "ENDPOINT_FAILED";
    case CallOutcome::kStreamCut:
      return "STREAM_CUT";
    case CallOutcome::kErrorInStream:
      return "STREAM_ERROR";
    case CallOutcome::kNonsense:
      return "ANSWER_UNREADABLE";
    case CallOutcome::kNoConnection:
      return "ENDPOINT_UNREACHABLE";
    case CallOutcome::kConnectionReset:
      return "CONNECTION_RESET";
    case CallOutcome::kTlsFailed:
      return "ENDPOINT_TLS_FAILED";
    case CallOutcome::kConnectTimeout:
      return "CONNECT_TIMEOUT";
    case CallOutcome::kLoadTimeout:
      return "LOAD_TIMEOUT";
    case CallOutcome::kFirstTokenTimeout:
      return "FIRST_TOKEN_TIMEOUT";
    case CallOutcome::kTokenTimeout:
      return "TOKEN_TIMEOUT";
    case CallOutcome::kTotalTimeout:
      return "RUN_TIMEOUT";
    case CallOutcome::kTooSlow:
      return "TOO_SLOW";
    case CallOutcome::kCancelled:
      return "CANCELLED";
    case CallOutcome::kNotSent:
      return "NOT_SENT";
  }
  return "NOT_SENT";
}

std::string_view OutcomeText(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kSuccess:
      return "answered";
    case CallOutcome::kTruncated:
      return "the answer ended at its bound on tokens";
    case CallOutcome::kTooLong:
      return "the answer is longer than this executor takes";
    case CallOutcome::kEmpty:
      return "the model ended without an answer";
    case CallOutcome::kContextExceeded:
      return "the prompt does not fit the model's window";
    case CallOutcome::kRefused:
      return "the model refused";
    case CallOutcome::kInvalidRequest:
      return "the endpoint says that the request is wrong";
    case CallOutcome::kQueueFull:
      return "the endpoint's queue is full";
    case CallOutcome::kLoading:
      return "the endpoint is loading the model";
    case CallOutcome::kRateLimited:
      return "the endpoint asks to be left alone for a while";
    case CallOutcome::kOverloaded:
      return "the endpoint is overloaded";
    case CallOutcome::kUnauthorized:
      return "the endpoint does not take the credentials";
    case CallOutcome::kPaymentRequired:
      return "the endpoint wants to be paid";
    case CallOutcome::kForbidden:
      return "the endpoint forbids this";
    case CallOutcome::kSpendLimit:
      return "a spending limit is reached at the endpoint";
    case CallOutcome::kModelNotFound:
      return "the endpoint does not have the model";
    case CallOutcome::kServerFailure:
      return "the endpoint failed";
    case CallOutcome::kStreamCut:
      return "the answer ended before its end";
    case CallOutcome::kErrorInStream:
      return "the endpoint failed within its answer";
    case CallOutcome::kNonsense:
      return "the answer cannot be read";
    case CallOutcome::kNoConnection:
      return "the endpoint cannot be reached";
    case CallOutcome::kConnectionReset:
      return "the connection broke before an answer";
    case CallOutcome::kTlsFailed:
      return "no trusted connection to the endpoint";
    case CallOutcome::kConnectTimeout:
      return "no connection to the endpoint in time";
    case CallOutcome::kLoadTimeout:
      return "the model was not loaded in time";
    case CallOutcome::kFirstTokenTimeout:
      return "no first token in time";
    case CallOutcome::kTokenTimeout:
      return "the answer stalled";
    case CallOutcome::kTotalTimeout:
      return "the time of the attempt is over";
    case CallOutcome::kTooSlow:
      return "the answer came too slowly";
    case CallOutcome::kCancelled:
      return "cancelled";
    case CallOutcome::kNotSent:
      return "the request could not be sent";
  }
  return "";
}

EndpointVerdict VerdictOn(CallOutcome outcome) {
  switch (outcome) {
    // It answered, whatever it said.
    case CallOutcome::kSuccess:
    case CallOutcome::kTruncated:
    case CallOutcome::kTooLong:
    case CallOutcome::kEmpty:
    case CallOutcome::kRefused:
      return EndpointVerdict::kSuccess;
    case CallOutcome::kContextExceeded:
    case CallOutcome::kInvalidRequest:
    // One model that is gone does not make the endpoint a bad one; its list of models will say so.
    case CallOutcome::kModelNotFound:
    case CallOutcome::kTotalTimeout:
    case CallOutcome::kCancelled:
    case CallOutcome::kNotSent:
      return EndpointVerdict::kNeutral;
    case CallOutcome::kQueueFull:
    case CallOutcome::kOverloaded:
      return EndpointVerdict::kBusy;
    case CallOutcome::kLoading:
    case CallOutcome::kLoadTimeout:
      return EndpointVerdict::kLoading;
    case CallOutcome::kRateLimited:
      return EndpointVerdict::kRateLimited;
    case CallOutcome::kUnauthorized:
    case CallOutcome::kPaymentRequired:
    case CallOutcome::kForbidden:
    case CallOutcome::kSpendLimit:
      return EndpointVerdict::kRefused;
    case CallOutcome::kFirstTokenTimeout:
    case CallOutcome::kTokenTimeout:
    case CallOutcome::kTooSlow:
      return EndpointVerdict::kNoProgress;
    case CallOutcome::kServerFailure:
    case CallOutcome::kStreamCut:
    case CallOutcome::kErrorInStream:
    case CallOutcome::kNonsense:
    case CallOutcome::kNoConnection:
    case CallOutcome::kConnectionReset:
    case CallOutcome::kTlsFailed:
    case CallOutcome::kConnectTimeout:
      return EndpointVerdict::kFailure;
  }
  return EndpointVerdict::kNeutral;
}

Decision Decide(CallOutcome outcome, const Situation& situation) {
  switch (outcome) {
    case CallOutcome::kSuccess:
      return {NextStep::kSucceed};
    // A model that says no is not asked to be replaced by one that says yes.
    case CallOutcome::kRefused:
    case CallOutcome::kInvalidRequest:
      return {NextStep::kFailForGood};
    case CallOutcome::kContextExceeded:
      return NextOr(situation, NextStep::kFailForGood);
    // The answer itself is no good, or the time is over: another endpoint would only cost more.
    case CallOutcome::kTruncated:
    case CallOutcome::kTooLong:
    case CallOutcome::kEmpty:
    case CallOutcome::kTotalTimeout:
      return {NextStep::kFail};
    case CallOutcome::kLoading:
      return WaitForLoad(situation);
    case CallOutcome::kQueueFull:
    case CallOutcome::kRateLimited:
    case CallOutcome::kOverloaded:
      return WaitOrNext(situation);
    case CallOutcome::kUnauthorized:
    case CallOutcome::kPaymentRequired:
    case CallOutcome::kForbidden:
    case CallOutcome::kSpendLimit:
      return {NextStep::kGiveBack, kUntilMended};
    // Nothing was made of the prompt there.
    case CallOutcome::kModelNotFound:
    case CallOutcome::kNoConnection:
    case CallOutcome::kTlsFailed:
    case CallOutcome::kConnectTimeout:
    case CallOutcome::kLoadTimeout:
      return NextOr(situation, NextStep::kGiveBack, absl::Seconds(10));
    case CallOutcome::kConnectionReset:
      if (situation.retries == 0 && kShortest < situation.left) return {NextStep::kRetryHere, kShortest};
      return NextOr(situation, NextStep::kFail);
    // The prompt may be what breaks it: so the attempt counts.
    case CallOutcome::kServerFailure:
    case CallOutcome::kStreamCut:
    case CallOutcome::kErrorInStream:
    case CallOutcome::kNonsense:
    case CallOutcome::kFirstTokenTimeout:
    case CallOutcome::kTokenTimeout:
    case CallOutcome::kTooSlow:
      return NextOr(situation, NextStep::kFail);
    case CallOutcome::kCancelled:
      return {NextStep::kGiveBack};
    case CallOutcome::kNotSent:
      return {NextStep::kGiveBack, absl::Seconds(10)};
  }
  return {NextStep::kFail};
}

}  // namespace switchyard::executor::models
