#include "services/executor/models/call_outcome.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace switchyard::executor::models {
namespace {

std::vector<CallOutcome> All() {
  std::vector<CallOutcome> all;
  for (int i = 0; i <= static_cast<int>(CallOutcome::kNotSent); ++i) all.push_back(static_cast<CallOutcome>(i));
  return all;
}

NextStep StepOf(CallOutcome outcome, bool has_next) { return Decide(outcome, {.has_next = has_next}).step; }

TEST(CallOutcomeTest, EachHasAReasonOfItsOwn) {
  std::set<std::string_view> reasons;
  for (const CallOutcome outcome : All()) {
    EXPECT_TRUE(reasons.insert(OutcomeReason(outcome)).second) << OutcomeReason(outcome);
    EXPECT_FALSE(OutcomeText(outcome).empty());
    EXPECT_EQ(OutcomeReason(outcome).empty(), outcome == CallOutcome::kSuccess);
  }
}

TEST(CallOutcomeTest, OnlySuccessSucceeds) {
  for (const CallOutcome outcome : All()) {
    for (const bool has_next : {false, true}) {
      EXPECT_EQ(StepOf(outcome, has_next) == NextStep::kSucceed, outcome == CallOutcome::kSuccess)
          << OutcomeReason(outcome);
    }
  }
}

TEST(CallOutcomeTest, CredentialsAndMoneyNeverLeadToAnotherEndpointOrCostAnAttempt) {
  for (const CallOutcome outcome :
       {CallOutcome::kUnauthorized, CallOutcome::kPaymentRequired, CallOutcome::kForbidden, CallOutcome::kSpendLimit}) {
    const Decision decision = Decide(outcome, {.has_next = true, .retry_after = absl::Seconds(1)});
    EXPECT_EQ(decision.step, NextStep::kGiveBack) << OutcomeReason(outcome);
    EXPECT_GE(decision.wait, absl::Minutes(1)) << "nobody mends it at once";
    EXPECT_EQ(VerdictOn(outcome), EndpointVerdict::kRefused);
  }
}

TEST(CallOutcomeTest, WhatTheAnswerItselfIsAtFaultForStaysHere) {
  EXPECT_EQ(StepOf(CallOutcome::kTruncated, true), NextStep::kFail);
  EXPECT_EQ(StepOf(CallOutcome::kEmpty, true), NextStep::kFail);
  EXPECT_EQ(StepOf(CallOutcome::kTotalTimeout, true), NextStep::kFail);
  EXPECT_EQ(StepOf(CallOutcome::kRefused, true), NextStep::kFailForGood);
  EXPECT_EQ(StepOf(CallOutcome::kInvalidRequest, true), NextStep::kFailForGood);
  EXPECT_EQ(StepOf(CallOutcome::kContextExceeded, true), NextStep::kTryNext) << "another window may be larger";
  EXPECT_EQ(StepOf(CallOutcome::kContextExceeded, false), NextStep::kFailForGood);
}

TEST(CallOutcomeTest, AnEndpointThatWasNotReachedCostsNoAttemptAndOneThatBrokeDoes) {
  for (const CallOutcome outcome : {CallOutcome::kNoConnection, CallOutcome::kTlsFailed, CallOutcome::kConnectTimeout,
                                    CallOutcome::kLoadTimeout, CallOutcome::kModelNotFound}) {
    EXPECT_EQ(StepOf(outcome, true), NextStep::kTryNext) << OutcomeReason(outcome);
    EXPECT_EQ(StepOf(outcome, false), NextStep::kGiveBack) << OutcomeReason(outcome);
  }
  for (const CallOutcome outcome :
       {CallOutcome::kServerFailure, CallOutcome::kStreamCut, CallOutcome::kErrorInStream, CallOutcome::kNonsense,
        CallOutcome::kFirstTokenTimeout, CallOutcome::kTokenTimeout, CallOutcome::kTooSlow}) {
    EXPECT_EQ(StepOf(outcome, true), NextStep::kTryNext) << OutcomeReason(outcome);
    EXPECT_EQ(StepOf(outcome, false), NextStep::kFail) << OutcomeReason(outcome);
  }
}

TEST(CallOutcomeTest, AConnectionThatBrokeBeforeAnAnswerIsTriedOnceMore) {
  EXPECT_EQ(Decide(CallOutcome::kConnectionReset, {.has_next = true}).step, NextStep::kRetryHere);
  EXPECT_EQ(Decide(CallOutcome::kConnectionReset, {.has_next = true, .retries = 1}).step, NextStep::kTryNext);
  EXPECT_EQ(Decide(CallOutcome::kConnectionReset, {.retries = 1}).step, NextStep::kFail);
}

TEST(CallOutcomeTest, AShortRestIsWaitedForHereALongOneElsewhere) {
  const Decision brief = Decide(CallOutcome::kRateLimited, {.has_next = true, .retry_after = absl::Seconds(3)});
  EXPECT_EQ(brief.step, NextStep::kRetryHere);
  EXPECT_GE(brief.wait, absl::Seconds(3));
  const Situation minute = {.has_next = true, .retry_after = absl::Minutes(1)};
  EXPECT_EQ(Decide(CallOutcome::kRateLimited, minute).step, NextStep::kTryNext);
  const Decision alone = Decide(CallOutcome::kRateLimited, {.retry_after = absl::Minutes(1)});
  EXPECT_EQ(alone.step, NextStep::kGiveBack);
  EXPECT_EQ(alone.wait, absl::Minutes(1));
  EXPECT_LE(Decide(CallOutcome::kRateLimited, {.retry_after = absl::Hours(100)}).wait, absl::Hours(1));
}

TEST(CallOutcomeTest, AFullEndpointIsLeftAndWaitedForOnlyWhereThereIsNoOther) {
  for (const CallOutcome outcome : {CallOutcome::kQueueFull, CallOutcome::kOverloaded}) {
    EXPECT_EQ(StepOf(outcome, true), NextStep::kTryNext);
    EXPECT_EQ(StepOf(outcome, false), NextStep::kRetryHere);
    EXPECT_EQ(Decide(outcome, {.retries = kMostRetries}).step, NextStep::kGiveBack) << "not for ever";
    EXPECT_EQ(Decide(outcome, {.left = absl::Seconds(1)}).step, NextStep::kGiveBack);
    EXPECT_EQ(VerdictOn(outcome), EndpointVerdict::kBusy);
  }
}

TEST(CallOutcomeTest, AModelThatLoadsIsWaitedForAsLongAsItMayLoad) {
  const Decision wait = Decide(CallOutcome::kLoading, {.has_next = true, .retries = 10, .load_left = absl::Minutes(2)});
  EXPECT_EQ(wait.step, NextStep::kRetryHere);
  EXPECT_LE(wait.wait, absl::Seconds(10));
  EXPECT_EQ(Decide(CallOutcome::kLoading, {.has_next = true}).step, NextStep::kTryNext);
  EXPECT_EQ(Decide(CallOutcome::kLoading, {}).step, NextStep::kGiveBack);
}

TEST(CallOutcomeTest, EveryWaitIsShortAndEveryRetryEnds) {
  for (const CallOutcome outcome : All()) {
    for (int retries = 0; retries < 40; ++retries) {
      const Decision decision =
          Decide(outcome, {.retry_after = absl::Seconds(retries), .retries = retries, .left = absl::Seconds(30)});
      if (decision.step == NextStep::kRetryHere) {
        EXPECT_LE(decision.wait, kLongestWaitHere);
        EXPECT_LT(decision.wait, absl::Seconds(30));
        EXPECT_LT(retries, kMostRetries);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::executor::models
