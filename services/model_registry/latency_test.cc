#include "services/model_registry/latency.h"

#include "gtest/gtest.h"

namespace switchyard::model_registry {
namespace {

TEST(LatencyTest, KnowsNothingAtFirst) {
  const LatencyHistory history;
  EXPECT_EQ(history.Summary(), LatencySummary());
  const TimeoutRules rules;
  EXPECT_EQ(history.TimeoutsBy(rules), (Timeouts{rules.connect, rules.load, rules.first_token, rules.between_tokens}));
}

TEST(LatencyTest, AdaptsTimeoutsToWhatWasMeasuredWithinBounds) {
  const TimeoutRules rules{.least = absl::Seconds(10), .most = absl::Seconds(100)};
  LatencyHistory quick, slow, middling;
  for (int i = 0; i < 10; ++i) {
    quick.Add({}, absl::Milliseconds(300), absl::Seconds(2), 50);
    middling.Add({}, absl::Seconds(8), absl::Seconds(20), 50);
    slow.Add({}, absl::Seconds(80), absl::Seconds(90), 50);
  }
  EXPECT_EQ(quick.TimeoutsBy(rules).first_token, absl::Seconds(10));
  EXPECT_EQ(middling.TimeoutsBy(rules).first_token, absl::Seconds(24));
  EXPECT_EQ(slow.TimeoutsBy(rules).first_token, absl::Seconds(100));
  EXPECT_EQ(quick.TimeoutsBy(rules).load, rules.load) << "no load was seen";
}

TEST(LatencyTest, CountsNoLoadOfAModelThatWasWarm) {
  LatencyHistory history;
  for (int i = 0; i < 10; ++i) history.Add(absl::Milliseconds(80), absl::Seconds(1), absl::Seconds(3), 20);
  EXPECT_EQ(history.Summary().load.count, 0);
  history.Add(absl::Seconds(20), absl::Seconds(21), absl::Seconds(30), 20);
  EXPECT_EQ(history.Summary().load.p50, absl::Seconds(20));
  EXPECT_EQ(history.Summary().first_token.p95, absl::Seconds(1)) << "without the load";
}

TEST(LatencyTest, KeepsTheLastOnesOnly) {
  LatencyHistory history;
  for (int i = 0; i < 100; ++i) history.Add({}, absl::Seconds(50), absl::Seconds(60), 10);
  for (int i = 0; i < 64; ++i) history.Add({}, absl::Seconds(1), absl::Seconds(2), 10);
  EXPECT_EQ(history.Summary().requests, 164);
  EXPECT_EQ(history.Summary().first_token.p95, absl::Seconds(1));
}

TEST(LatencyTest, MeasuresTheRateOfOutput) {
  LatencyHistory history;
  history.Add({}, absl::Seconds(1), absl::Seconds(11), 200);
  EXPECT_DOUBLE_EQ(history.Summary().tokens_per_second, 20);
}

}  // namespace
}  // namespace switchyard::model_registry
