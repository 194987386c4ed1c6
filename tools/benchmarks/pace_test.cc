#include "tools/benchmarks/pace.h"

#include <gtest/gtest.h>

#include <vector>

#include "tools/benchmarks/latency_histogram.h"
#include "tools/benchmarks/task_stamp.h"

namespace switchyard::bench {
namespace {

constexpr std::int64_t kMilli = 1'000'000;

TEST(PaceTest, MomentsComeOneByOneAsTheyAreDue) {
  Pace pace(1000, 5 * kMilli);
  EXPECT_EQ(pace.Take(5 * kMilli - 1), std::nullopt);
  EXPECT_EQ(pace.Take(5 * kMilli), 5 * kMilli);
  EXPECT_EQ(pace.Take(5 * kMilli), std::nullopt);
  EXPECT_EQ(pace.next(), 6 * kMilli);
  EXPECT_EQ(pace.Take(7 * kMilli), 6 * kMilli);
}

TEST(PaceTest, WhoeverIsHeldUpGetsEveryMomentThatPassedMeanwhile) {
  Pace pace(1000, 0);
  std::vector<std::int64_t> moments;
  while (const auto moment = pace.Take(250 * kMilli)) moments.push_back(*moment);
  ASSERT_EQ(moments.size(), 251u);
  EXPECT_EQ(moments.front(), 0);
  EXPECT_EQ(moments.back(), 250 * kMilli);
}

TEST(PaceTest, RatesThatDoNotDivideASecondDoNotDrift) {
  Pace pace(3, 0);
  std::int64_t last = 0;
  for (int i = 0; i < 3'000'001; ++i) last = *pace.Take(2'000'000'000'000'000);
  EXPECT_EQ(last, 1'000'000'000'000'000);
}

// A service that answers in a millisecond but stands still for a second: of 2,000 moments in two seconds half were due
// while it stood, and the latencies say so, although only one call was under way at a time.
TEST(PaceTest, AStandstillIsSeenByEveryCallThatWasDueMeanwhile) {
  Pace pace(1000, 0);
  LatencyHistogram latency;
  std::int64_t now = 0;
  while (now < 2000 * kMilli) {
    const auto moment = pace.Take(now);
    if (!moment.has_value()) {
      now = pace.next();
      continue;
    }
    if (now == 0) now = 1000 * kMilli;
    now += kMilli / 10;
    latency.Observe(absl::Nanoseconds(now - *moment));
  }
  EXPECT_GT(latency.QuantileMillis(0.5), 50);
  EXPECT_GT(latency.QuantileMillis(0.99), 900);
}

TEST(TaskStampTest, AMomentTravelsInTheSpecification) {
  task_queue::v1::TaskSpec spec;
  EXPECT_EQ(ParseStamp(spec), 0);
  spec.set_title("user@host");
  EXPECT_EQ(ParseStamp(spec), 0);
  SetStamp(123'456'789'012'345, spec);
  EXPECT_EQ(ParseStamp(spec), 123'456'789'012'345);
  EXPECT_LE(spec.title().size(), 200u);
}

}  // namespace
}  // namespace switchyard::bench
