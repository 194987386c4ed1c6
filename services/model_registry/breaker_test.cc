#include "services/model_registry/breaker.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::model_registry {
namespace {

using Phase = Breaker::Phase;

class BreakerTest : public ::testing::Test {
 protected:
  void Fail(int times = 1) {
    for (int i = 0; i < times; ++i) breaker_.Failure(now_, "reset", now_);
  }
  void Open() { Fail(rules_.failures); }
  // As a checker does: one probe when it may go.
  bool Probe(bool good) {
    if (!breaker_.MayProbe(now_)) return false;
    breaker_.BeginProbe(now_);
    breaker_.ProbeDone(good, "refused", full_, now_);
    return true;
  }

  const BreakerRules rules_ = {.failures = 3,
                               .failure_rate = 0.5,
                               .least_outcomes = 10,
                               .window = absl::Minutes(2),
                               .cooldown = absl::Seconds(30),
                               .max_cooldown = absl::Minutes(4),
                               .stable = absl::Minutes(10)};
  absl::Time now_ = testing::FakeClock().Now();
  int full_ = 8;
  Breaker breaker_{rules_};
};

TEST_F(BreakerTest, OpensOnFailuresInARow) {
  Fail(2);
  EXPECT_EQ(breaker_.phase(), Phase::kClosed);
  EXPECT_EQ(breaker_.Allowed(full_), full_);
  Fail();
  EXPECT_EQ(breaker_.phase(), Phase::kOpen);
  EXPECT_EQ(breaker_.Allowed(full_), 0);
  EXPECT_EQ(breaker_.open_until(), now_ + rules_.cooldown);
  EXPECT_EQ(breaker_.last_failure(), "reset");
}

TEST_F(BreakerTest, OpensOnTheShareOfFailures) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(breaker_.phase(), Phase::kClosed);
    breaker_.Success(now_, full_, now_);
    Fail();
  }
  EXPECT_EQ(breaker_.phase(), Phase::kOpen);
}

TEST_F(BreakerTest, ForgetsOutcomesThatAreOld) {
  for (int i = 0; i < 20; ++i) {
    Fail();
    breaker_.Success(now_, full_, now_);
    now_ += rules_.window / 3;
  }
  EXPECT_EQ(breaker_.phase(), Phase::kClosed);
}

TEST_F(BreakerTest, ALaterFailureNeitherShortensNorStretchesTheCooldown) {
  Open();
  const absl::Time until = breaker_.open_until();
  now_ += absl::Seconds(10);
  Fail(10);
  EXPECT_EQ(breaker_.open_until(), until);
  EXPECT_EQ(breaker_.times_opened(), 1);
}

TEST_F(BreakerTest, PermitsOneProbeACooldownEvenWhenItsAnswerNeverComes) {
  Open();
  now_ = breaker_.open_until() - absl::Nanoseconds(1);
  EXPECT_FALSE(breaker_.MayProbe(now_));
  now_ = breaker_.open_until();
  EXPECT_TRUE(breaker_.MayProbe(now_));
  breaker_.BeginProbe(now_);
  EXPECT_FALSE(breaker_.MayProbe(now_));
  now_ += rules_.cooldown;
  EXPECT_TRUE(breaker_.MayProbe(now_));
}

TEST_F(BreakerTest, CoolsDownLongerEachTimeUpToABound) {
  Open();
  for (const absl::Duration cooldown :
       {absl::Seconds(60), absl::Seconds(120), absl::Seconds(240), absl::Seconds(240)}) {
    now_ = breaker_.open_until();
    ASSERT_TRUE(Probe(false));
    EXPECT_EQ(breaker_.open_until(), now_ + cooldown);
  }
}

TEST_F(BreakerTest, LetsInOneTwoFourAndThenAll) {
  Open();
  now_ = breaker_.open_until();
  ASSERT_TRUE(Probe(true));
  for (const int allowed : {1, 2, 4, 8}) {
    EXPECT_EQ(breaker_.phase(), Phase::kRecovering);
    EXPECT_EQ(breaker_.Allowed(full_), allowed);
    now_ += absl::Seconds(1);
    breaker_.Success(now_, full_, now_);
  }
  EXPECT_EQ(breaker_.phase(), Phase::kClosed);
}

TEST_F(BreakerTest, RequestsLetInTogetherTakeOneStepTogether) {
  Open();
  now_ = breaker_.open_until();
  ASSERT_TRUE(Probe(true));
  breaker_.Success(now_, full_, now_);
  const absl::Time began = now_ + absl::Seconds(1);
  now_ += absl::Seconds(5);
  breaker_.Success(began, full_, now_);
  breaker_.Success(began, full_, now_);
  EXPECT_EQ(breaker_.Allowed(full_), 4);
}

TEST_F(BreakerTest, AFailureWhileRecoveringOpensItForLonger) {
  Open();
  now_ = breaker_.open_until();
  ASSERT_TRUE(Probe(true));
  now_ += absl::Seconds(1);
  Fail();
  EXPECT_EQ(breaker_.phase(), Phase::kOpen);
  EXPECT_EQ(breaker_.open_until(), now_ + 2 * rules_.cooldown);
}

TEST_F(BreakerTest, WhatBeganBeforeItOpenedSaysNothing) {
  const absl::Time before = now_;
  now_ += absl::Seconds(1);
  Open();
  now_ = breaker_.open_until();
  ASSERT_TRUE(Probe(true));
  breaker_.Success(before, full_, now_);
  EXPECT_EQ(breaker_.Allowed(full_), 1);
  breaker_.Failure(before, "late", now_);
  EXPECT_EQ(breaker_.phase(), Phase::kRecovering);
}

TEST_F(BreakerTest, BeginsAnewAfterAStableTime) {
  Open();
  now_ = breaker_.open_until();
  ASSERT_TRUE(Probe(true));
  for (int i = 0; i < 4; ++i) breaker_.Success(now_ += absl::Seconds(1), full_, now_);
  ASSERT_EQ(breaker_.phase(), Phase::kClosed);
  now_ += rules_.stable;
  Open();
  EXPECT_EQ(breaker_.open_until(), now_ + rules_.cooldown);
}

TEST_F(BreakerTest, APersonsProbeWaitsForNoCooldown) {
  Open();
  const absl::Time until = breaker_.open_until();
  breaker_.ProbeNow(false, "refused", full_, now_);
  EXPECT_EQ(breaker_.open_until(), until);
  breaker_.ProbeNow(true, "", full_, now_);
  EXPECT_EQ(breaker_.phase(), Phase::kRecovering);
}

// Whatever happens: never more is let in than all, an open breaker lets nothing in, its cooldown only ever ends later,
// and between two probes lies a cooldown.
TEST_F(BreakerTest, HoldsItsPromisesOnRandomWalks) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    Breaker breaker(rules_);
    absl::Time last_probe = absl::InfinitePast();
    const bool likely_bad = seed % 2 == 0;
    for (int step = 0; step < 500; ++step) {
      const Phase before = breaker.phase();
      const absl::Time until = breaker.open_until();
      const int allowed_before = breaker.Allowed(full_);
      const bool good = rng->Below(10) < (likely_bad ? 3u : 8u);
      switch (rng->Below(4)) {
        case 0:
          now_ += absl::Seconds(rng->Below(40));
          break;
        case 1:
          if (breaker.MayProbe(now_)) {
            EXPECT_GE(now_ - last_probe, rules_.cooldown);
            last_probe = now_;
            breaker.BeginProbe(now_);
            if (rng->Below(4) > 0) breaker.ProbeDone(good, "bad", full_, now_);
          }
          break;
        default: {
          const absl::Time began = now_ - absl::Seconds(rng->Below(60));
          if (good) {
            breaker.Success(began, full_, now_);
          } else {
            breaker.Failure(began, "bad", now_);
          }
        }
      }
      EXPECT_LE(breaker.Allowed(full_), full_);
      EXPECT_EQ(breaker.Allowed(full_) == 0, breaker.phase() == Phase::kOpen);
      if (before == Phase::kOpen && breaker.phase() == Phase::kOpen) {
        EXPECT_GE(breaker.open_until(), until);
      }
      if (before == Phase::kOpen && breaker.phase() != Phase::kOpen) {
        EXPECT_EQ(breaker.Allowed(full_), 1);
      }
      if (before == Phase::kRecovering && breaker.phase() != Phase::kOpen) {
        EXPECT_LE(breaker.Allowed(full_), 2 * allowed_before);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::model_registry
