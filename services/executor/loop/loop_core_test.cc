#include "services/executor/loop/loop_core.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard::executor::loop {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

Failure Fails(std::string fingerprint) {
  return {.fingerprint = fingerprint, .feedback = "feedback of " + fingerprint};
}
TurnUsage Uses(std::int64_t tokens, std::int64_t cost = 0) {
  return {.input_tokens = tokens, .output_tokens = 0, .cost_micros = cost};
}

class LoopCoreTest : public ::testing::Test {
 protected:
  void Make(LoopBudget budget = {}, bool may_ask = false) { core_.emplace(budget, may_ask, kStart); }
  // A turn whose edits hold and whose checks fail like this.
  void FailChecks(int steps, const std::string& fingerprint, const TurnUsage& usage = {}) {
    core_->Generated(usage);
    core_->Applied(1);
    core_->SyntaxFine();
    core_->Verified(steps, Fails(fingerprint), kStart);
  }
  void Pass() {
    core_->Generated({});
    core_->Applied(1);
    core_->SyntaxFine();
    core_->Verified(0, {}, kStart);
  }
  void ExpectEnd(LoopEnd end) {
    ASSERT_EQ(core_->next(), Next::kEnd);
    EXPECT_EQ(LoopEndName(*core_->end()), LoopEndName(end));
  }

  std::optional<LoopCore> core_;
};

TEST_F(LoopCoreTest, EndsWithTheFirstTurnThatPasses) {
  Make();
  EXPECT_EQ(core_->next(), Next::kGenerate);
  core_->Generated(Uses(10));
  EXPECT_EQ(core_->next(), Next::kApply);
  core_->Applied(2);
  EXPECT_EQ(core_->next(), Next::kCheckSyntax);
  core_->SyntaxFine();
  EXPECT_EQ(core_->next(), Next::kVerify);
  core_->Verified(0, {}, kStart + absl::Seconds(3));
  ExpectEnd(LoopEnd::kPassed);
  ASSERT_EQ(core_->turns().size(), 1u);
  EXPECT_EQ(core_->turns()[0].files_changed, 2);
  EXPECT_FALSE(core_->turns()[0].failed_at.has_value());
  EXPECT_EQ(core_->best(), 1);
}

TEST_F(LoopCoreTest, FixesItInTheThirdTurn) {
  Make();
  FailChecks(2, "a");
  FailChecks(1, "b");
  Pass();
  ExpectEnd(LoopEnd::kPassed);
  EXPECT_EQ(core_->turns().size(), 3u);
  EXPECT_EQ(core_->best(), 3);
}

TEST_F(LoopCoreTest, SharesOneBudgetAmongAllKindsOfFailure) {
  Make();
  core_->Generated({});
  core_->ApplyFailed(Fails("refused"), kStart);
  core_->Generated({});
  core_->Applied(1);
  core_->SyntaxFailed(Fails("syntax"), kStart);
  FailChecks(1, "checks");
  ExpectEnd(LoopEnd::kBudgetExhausted);
  EXPECT_EQ(core_->turns().size(), 3u);
  EXPECT_EQ(core_->turns()[0].failed_at, Stage::kApply);
  EXPECT_EQ(core_->turns()[1].failed_at, Stage::kSyntax);
  EXPECT_EQ(core_->turns()[2].failed_at, Stage::kVerify);
}

TEST_F(LoopCoreTest, TriesThreeTimesUnlessToldOtherwise) {
  Make();
  EXPECT_EQ(core_->iterations(), 3);
  Make({.iterations = 1});
  FailChecks(1, "a");
  ExpectEnd(LoopEnd::kBudgetExhausted);
  Make({.iterations = 1'000});
  EXPECT_EQ(core_->iterations(), kMostIterations);
}

TEST_F(LoopCoreTest, EndsWhenTheSameFailureComesAgain) {
  Make({.iterations = 9});
  FailChecks(1, "a");
  FailChecks(1, "b");
  FailChecks(1, "a");
  ExpectEnd(LoopEnd::kRepeatedFailure);
}

TEST_F(LoopCoreTest, AsksForAnotherTierWhenTheSameFailureComesAgainAndGoesOnThere) {
  Make({.iterations = 9}, /*may_ask=*/true);
  FailChecks(1, "a");
  FailChecks(1, "a");
  EXPECT_EQ(core_->next(), Next::kAskForTier);
  core_->TierGranted(/*may_ask=*/false, kStart);
  EXPECT_EQ(core_->next(), Next::kGenerate);
  FailChecks(1, "a");
  FailChecks(1, "a");
  ExpectEnd(LoopEnd::kRepeatedFailure);
}

TEST_F(LoopCoreTest, EndsWhenNoOtherTierIsToBeHad) {
  Make({.iterations = 9}, /*may_ask=*/true);
  FailChecks(1, "a");
  FailChecks(1, "a");
  core_->TierRefused();
  ExpectEnd(LoopEnd::kRepeatedFailure);
}

TEST_F(LoopCoreTest, DoesNotAskForATierThatItCouldNotUse) {
  Make({.iterations = 2}, /*may_ask=*/true);
  FailChecks(1, "a");
  FailChecks(1, "a");
  ExpectEnd(LoopEnd::kRepeatedFailure);
}

TEST_F(LoopCoreTest, EndsWhenNothingChangesTwice) {
  Make({.iterations = 9});
  FailChecks(1, "a");
  core_->Generated({});
  core_->Unchanged(Fails("unchanged"), kStart);
  EXPECT_EQ(core_->next(), Next::kGenerate);
  core_->Generated({});
  core_->Unchanged(Fails("unchanged"), kStart);
  ExpectEnd(LoopEnd::kNoChange);
}

TEST_F(LoopCoreTest, ForgetsAnUnchangedTurnOnceSomethingChanges) {
  Make({.iterations = 9});
  FailChecks(1, "a");
  core_->Generated({});
  core_->Unchanged(Fails("unchanged 1"), kStart);
  FailChecks(1, "b");
  core_->Generated({});
  core_->Unchanged(Fails("unchanged 2"), kStart);
  EXPECT_EQ(core_->next(), Next::kGenerate);
}

TEST_F(LoopCoreTest, VerifiesAStateThatNobodyVerifiedEvenIfNothingChanged) {
  Make();
  core_->Generated({});
  core_->Unchanged(Fails("unchanged"), kStart);
  EXPECT_EQ(core_->next(), Next::kVerify);
  core_->Verified(0, {}, kStart);
  ExpectEnd(LoopEnd::kPassed);
}

TEST_F(LoopCoreTest, CountsAnUnchangedTurnWhoseChecksFailAsUnchanged) {
  Make({.iterations = 9});
  core_->Generated({});
  core_->Unchanged(Fails("unchanged"), kStart);
  core_->Verified(1, Fails("a"), kStart);
  core_->Generated({});
  core_->Unchanged(Fails("unchanged"), kStart);
  ExpectEnd(LoopEnd::kNoChange);
}

TEST_F(LoopCoreTest, EndsAtTheLimitOfTokens) {
  Make({.iterations = 9, .tokens = 100});
  FailChecks(1, "a", Uses(60));
  EXPECT_EQ(core_->next(), Next::kGenerate);
  FailChecks(1, "b", Uses(60));
  ExpectEnd(LoopEnd::kTokenLimit);
  EXPECT_EQ(core_->used().input_tokens, 120);
}

TEST_F(LoopCoreTest, EndsAtTheLimitOfCosts) {
  Make({.iterations = 9, .cost_micros = 100});
  FailChecks(1, "a", Uses(1, 99));
  EXPECT_EQ(core_->next(), Next::kGenerate);
  FailChecks(1, "b", Uses(1, 1));
  ExpectEnd(LoopEnd::kCostLimit);
}

TEST_F(LoopCoreTest, MakesNoSecondCallOfUnknownPriceUnderALimitOfCosts) {
  TurnUsage unknown = Uses(10);
  unknown.cost_unknown = true;
  Make({.iterations = 9, .cost_micros = 100});
  FailChecks(1, "a", unknown);
  ExpectEnd(LoopEnd::kCostLimit);
  Make({.iterations = 9});
  FailChecks(1, "a", unknown);
  EXPECT_EQ(core_->next(), Next::kGenerate);
}

TEST_F(LoopCoreTest, UsesTheAnswerThatBrokeTheLimit) {
  Make({.tokens = 100});
  core_->Generated(Uses(500));
  EXPECT_EQ(core_->next(), Next::kApply);
  core_->Applied(1);
  core_->SyntaxFine();
  core_->Verified(0, {}, kStart);
  ExpectEnd(LoopEnd::kPassed);
}

TEST_F(LoopCoreTest, BeginsNoTurnOnceTheTimeIsOver) {
  Make({.iterations = 9, .deadline = kStart + absl::Seconds(10)});
  core_->Generated({});
  core_->ApplyFailed(Fails("a"), kStart + absl::Seconds(10));
  ExpectEnd(LoopEnd::kTimeLimit);
}

TEST_F(LoopCoreTest, EndsAtOnceWhenTheTimeIsOver) {
  Make();
  FailChecks(1, "a");
  core_->Generated({});
  core_->TimeUp(kStart);
  ExpectEnd(LoopEnd::kTimeLimit);
  EXPECT_EQ(core_->best(), 1);
}

TEST_F(LoopCoreTest, KeepsTheStateWithTheFewestFailuresTheEarliestOfThem) {
  Make({.iterations = 4});
  FailChecks(3, "a");
  FailChecks(1, "b");
  FailChecks(1, "c");
  FailChecks(2, "d");
  ExpectEnd(LoopEnd::kBudgetExhausted);
  EXPECT_EQ(core_->best(), 2);
  EXPECT_EQ(core_->best_failed(), 1);
}

TEST_F(LoopCoreTest, HasNoBestStateWhenNothingWasVerified) {
  Make({.iterations = 2});
  core_->Generated({});
  core_->ApplyFailed(Fails("a"), kStart);
  core_->GenerationFailed(Uses(7), Fails("b"), kStart);
  ExpectEnd(LoopEnd::kBudgetExhausted);
  EXPECT_FALSE(core_->best().has_value());
  EXPECT_EQ(core_->used().input_tokens, 7);
}

TEST_F(LoopCoreTest, GoesOnFromWhatAnEarlierAttemptLeft) {
  Make();
  core_->Resumed(2);
  EXPECT_EQ(core_->next(), Next::kGenerate);
  EXPECT_EQ(core_->best(), 0);
  FailChecks(3, "worse");
  EXPECT_EQ(core_->best(), 0);
  FailChecks(1, "better");
  EXPECT_EQ(core_->best(), 2);
}

TEST_F(LoopCoreTest, HasNothingToDoWhenTheEarlierAttemptHadPassed) {
  Make();
  core_->Resumed(0);
  ExpectEnd(LoopEnd::kPassed);
  EXPECT_TRUE(core_->turns().empty());
}

// Against a plain account of the rules, with whatever may come.
TEST(LoopCoreWalkTest, HoldsItsPromisesWhateverComes) {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    SCOPED_TRACE(seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    const auto below = [&rng](std::uint64_t n) { return static_cast<int>(rng->Next() % n); };
    const LoopBudget budget{.iterations = below(6),
                            .tokens = below(2) * 300,
                            .cost_micros = below(2) * 300,
                            .deadline = kStart + absl::Seconds(20 + below(200))};
    absl::Time now = kStart;
    LoopCore core(budget, below(2) == 0, now);
    int grants = 0;
    std::optional<int> best;
    int best_failed = 0;
    int steps = 0;
    while (core.next() != Next::kEnd) {
      ASSERT_LT(++steps, 200);
      now += absl::Seconds(below(10));
      ASSERT_LE(static_cast<int>(core.turns().size()), core.iterations());
      const TurnUsage usage{below(50), below(50), below(50), below(8) == 0};
      const Failure failure = Fails(std::to_string(below(4)));
      if (below(60) == 0) {
        core.TimeUp(now);
        break;
      }
      switch (core.next()) {
        case Next::kGenerate:
          ASSERT_LT(core.turns().back().begun, budget.deadline);
          if (below(5) == 0) {
            core.GenerationFailed(usage, failure, now);
          } else {
            core.Generated(usage);
          }
          break;
        case Next::kApply:
          if (below(4) == 0) {
            core.ApplyFailed(failure, now);
          } else if (below(4) == 0) {
            core.Unchanged(failure, now);
          } else {
            core.Applied(1 + below(3));
          }
          break;
        case Next::kCheckSyntax:
          if (below(4) == 0) {
            core.SyntaxFailed(failure, now);
          } else {
            core.SyntaxFine();
          }
          break;
        case Next::kVerify: {
          const int failed = below(4);
          const int turn = core.turns().back().number;
          if (!best.has_value() || failed < best_failed) {
            best = turn;
            best_failed = failed;
          }
          core.Verified(failed, failure, now);
          ASSERT_EQ(failed == 0, core.end() == LoopEnd::kPassed);
          break;
        }
        case Next::kAskForTier:
          if (below(3) == 0) {
            core.TierRefused();
          } else {
            core.TierGranted(++grants < 3, now);
          }
          break;
        case Next::kEnd:
          break;
      }
    }
    ASSERT_TRUE(core.end().has_value());
    EXPECT_EQ(core.best(), best);
    EXPECT_EQ(core.best_failed(), best_failed);
    EXPECT_EQ(core.end() == LoopEnd::kPassed, best.has_value() && best_failed == 0);
    EXPECT_FALSE(core.turns().empty());
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < core.turns().size(); ++i) {
      EXPECT_EQ(core.turns()[i].number, static_cast<int>(i) + 1);
      // The limits were kept before each further turn.
      EXPECT_TRUE(i == 0 || budget.tokens == 0 || tokens < budget.tokens);
      tokens += core.turns()[i].usage.input_tokens + core.turns()[i].usage.output_tokens;
    }
    EXPECT_EQ(core.used().input_tokens + core.used().output_tokens, tokens);
  }
}

TEST_F(LoopCoreTest, MakesNoTurnOfACallThatWasTooDear) {
  LoopCore core({.cost_micros = 10}, /*may_ask=*/true, absl::UnixEpoch());
  core.CostTooHigh();
  EXPECT_EQ(core.next(), Next::kEnd);
  EXPECT_EQ(core.end(), LoopEnd::kCostLimit);
  EXPECT_TRUE(core.turns().empty());
  EXPECT_FALSE(core.best().has_value());
}

}  // namespace
}  // namespace switchyard::executor::loop
