#include "libs/pg/failpoints.h"

#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsOk;

TEST(FailpointsTest, NothingHitsUntilItIsSet) {
  Failpoints failpoints;
  EXPECT_FALSE(failpoints.Hit(Failpoint::kCommitAnswerLost));
}

TEST(FailpointsTest, HitsAsOftenAsAsked) {
  Failpoints failpoints;
  failpoints.Set(Failpoint::kCommitAnswerLost, {.times = 2});
  EXPECT_TRUE(failpoints.Hit(Failpoint::kCommitAnswerLost));
  EXPECT_FALSE(failpoints.Hit(Failpoint::kBeforeCommitDisconnect));
  EXPECT_TRUE(failpoints.Hit(Failpoint::kCommitAnswerLost));
  EXPECT_FALSE(failpoints.Hit(Failpoint::kCommitAnswerLost));
}

TEST(FailpointsTest, ReadsTheFormOfTheEnvironment) {
  Failpoints failpoints;
  ASSERT_THAT(failpoints.Configure("commit_answer_lost=0.5,execute_delay=1:50ms"), IsOk());
  EXPECT_TRUE(failpoints.Hit(Failpoint::kExecuteDelay));
  EXPECT_EQ(failpoints.delay(Failpoint::kExecuteDelay), absl::Milliseconds(50));
  int hits = 0;
  for (int i = 0; i < 1000; ++i) hits += failpoints.Hit(Failpoint::kCommitAnswerLost) ? 1 : 0;
  EXPECT_GT(hits, 300);
  EXPECT_LT(hits, 700);
}

TEST(FailpointsTest, RefusesWhatItDoesNotKnow) {
  Failpoints failpoints;
  EXPECT_FALSE(failpoints.Configure("commit_answer_lots=1").ok());
  EXPECT_FALSE(failpoints.Configure("commit_answer_lost=2").ok());
  EXPECT_FALSE(failpoints.Configure("execute_delay=1:soon").ok());
}

}  // namespace
}  // namespace switchyard::pg
