#include "services/verification/calibration.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::verification {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

CalibrationGroup Group(Verdict verdict, Quality quality, std::int64_t count) {
  CalibrationGroup group;
  group.model = "author";
  group.tier = Tier::kSmall;
  group.verdict = verdict;
  group.quality = quality;
  group.count = count;
  group.cost_micros = 10 * count;
  return group;
}

CalibrationGroup Judged(JudgeState state, Quality quality, std::int64_t count, double confidence) {
  CalibrationGroup group = Group(Verdict::kSucceeded, quality, count);
  group.judge_model = "judge";
  group.judge_state = state;
  const double good = state == JudgeState::kPassed ? confidence : 1 - confidence;
  group.sum_good = static_cast<double>(count) * good;
  group.sum_good_squared = static_cast<double>(count) * good * good;
  return group;
}

TEST(CalibrationTest, CountsHowOftenVerdictsAgreedWithWhatBecameOfTheWork) {
  const Calibration result =
      Calibrate({Group(Verdict::kSucceeded, Quality::kGood, 6), Group(Verdict::kPartial, Quality::kBad, 2),
                 Group(Verdict::kFailed, Quality::kBad, 1), Group(Verdict::kFailed, Quality::kUnknown, 3)});
  ASSERT_THAT(result.authors, SizeIs(1));
  const AuthorFigures& figures = result.authors[0];
  EXPECT_EQ(figures.verified, 12);
  EXPECT_EQ(figures.passed, 8);
  EXPECT_EQ(figures.with_outcome, 9);
  EXPECT_EQ(figures.agreed, 7);
  EXPECT_EQ(figures.cost_micros, 120);
  EXPECT_THAT(result.judges, IsEmpty());
}

TEST(CalibrationTest, ScoresJudgesByBrier) {
  // Said 0.9 good: was good twice, bad once. Said 0.8 bad: was bad once.
  const Calibration result = Calibrate({Judged(JudgeState::kPassed, Quality::kGood, 2, 0.9),
                                        Judged(JudgeState::kPassed, Quality::kBad, 1, 0.9),
                                        Judged(JudgeState::kRejected, Quality::kBad, 1, 0.8),
                                        Judged(JudgeState::kInconclusive, Quality::kGood, 5, 0.1)});
  ASSERT_THAT(result.judges, SizeIs(1));
  const JudgeFigures& judge = result.judges[0];
  EXPECT_EQ(judge.verdicts, 4);
  EXPECT_EQ(judge.passed, 3);
  EXPECT_EQ(judge.inconclusive, 5);
  EXPECT_EQ(judge.with_outcome, 4);
  EXPECT_EQ(judge.agreed, 3);
  EXPECT_NEAR(judge.brier_score, (0.01 + 0.01 + 0.81 + 0.04) / 4, 1e-9);
  EXPECT_TRUE(judge.few);
  EXPECT_FALSE(judge.rubber_stamp);
}

TEST(CalibrationTest, FlagsRubberStamps) {
  const auto flagged = [](std::int64_t passed, std::int64_t rejected) {
    return Calibrate({Judged(JudgeState::kPassed, Quality::kUnknown, passed, 1),
                      Judged(JudgeState::kRejected, Quality::kUnknown, rejected, 1)})
        .judges.at(0)
        .rubber_stamp;
  };
  EXPECT_FALSE(flagged(49, 0)) << "too few to say";
  EXPECT_TRUE(flagged(50, 0));
  EXPECT_FALSE(flagged(95, 5)) << "95 % is not more than 95 %";
  EXPECT_TRUE(flagged(96, 4));
}

TEST(CalibrationTest, CountsSameFamilyAttemptsWithoutAJudge) {
  CalibrationGroup group = Group(Verdict::kSucceeded, Quality::kUnknown, 3);
  group.judge_model = "qwen3";
  group.judge_state = JudgeState::kUnjudged;
  group.same_family = 2;
  const Calibration result = Calibrate({group});
  EXPECT_EQ(result.same_family_attempts, 2);
  EXPECT_THAT(result.judges, IsEmpty()) << "none of them judged";
}

}  // namespace
}  // namespace switchyard::verification
