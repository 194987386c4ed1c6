#include "services/router/scoring.h"

#include "gtest/gtest.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

const Price kFree{.free = true, .rates = {}, .steps = {}};

TEST(ScoringTest, APerfectPlaceHasTheHighestScore) {
  Endpoint endpoint = Box("box", {"mid"});
  endpoint.models[0].first_token_p50 = absl::Nanoseconds(1);
  const Parts parts = PartsOf(endpoint, endpoint.models[0], kFree, 6, false);
  EXPECT_NEAR(ScoreOf(parts, {}, false, false), 1, 1e-6);
}

TEST(ScoringTest, PreferenceCountsOnlyWithARole) {
  Parts parts{.health = 1, .warmth = 1, .load = 1, .latency = 1, .price = 1, .preference = 0};
  EXPECT_DOUBLE_EQ(ScoreOf(parts, {}, false, false), 1);
  // 12 of 16.
  EXPECT_DOUBLE_EQ(ScoreOf(parts, {}, false, true), 0.75);
  EXPECT_DOUBLE_EQ(PreferenceOf(0, 4), 1);
  EXPECT_DOUBLE_EQ(PreferenceOf(3, 4), 0.25);
  EXPECT_DOUBLE_EQ(PreferenceOf(-1, 4), 0);
}

TEST(ScoringTest, LatencyCountsTwiceForUrgentWork) {
  const Parts slow{.health = 1, .warmth = 1, .load = 1, .latency = 0, .price = 1};
  EXPECT_DOUBLE_EQ(ScoreOf(slow, {}, false, false), 10.0 / 12);
  EXPECT_DOUBLE_EQ(ScoreOf(slow, {}, true, false), 10.0 / 14);
}

TEST(ScoringTest, WeightsOfNothingScoreNothing) {
  const ScoreWeights none{.health = 0, .warmth = 0, .load = 0, .latency = 0, .price = 0, .preference = 0};
  EXPECT_EQ(ScoreOf({.health = 1}, none, true, true), 0);
}

TEST(ScoringTest, FailuresAndRecoveryCostHealth) {
  Endpoint endpoint = Box("box", {"mid"});
  const auto health = [&] { return PartsOf(endpoint, endpoint.models[0], kFree, 0, false).health; };
  EXPECT_DOUBLE_EQ(health(), 1);
  endpoint.failure_rate = 0.25;
  EXPECT_DOUBLE_EQ(health(), 0.75);
  endpoint.failures_in_row = 2;
  EXPECT_DOUBLE_EQ(health(), 0.25);
  endpoint.state = EndpointState::kRecovering;
  EXPECT_DOUBLE_EQ(health(), 0.125);
  endpoint.state = EndpointState::kOpen;
  EXPECT_DOUBLE_EQ(health(), 0);
}

TEST(ScoringTest, UrgentWorkMayTakeTheSlotsThatAreKeptForIt) {
  Endpoint endpoint = Box("box", {"mid"});
  endpoint.urgent_slots = 1;
  endpoint.in_flight = 3;
  EXPECT_EQ(FreeCapacity(endpoint, endpoint.models[0], false), 0);
  EXPECT_EQ(FreeCapacity(endpoint, endpoint.models[0], true), 1);
  EXPECT_DOUBLE_EQ(PartsOf(endpoint, endpoint.models[0], kFree, 0, false).load, 0);
  EXPECT_DOUBLE_EQ(PartsOf(endpoint, endpoint.models[0], kFree, 0, true).load, 0.25);
}

TEST(ScoringTest, TheModelsOwnCapacityBoundsTheEndpoints) {
  Endpoint endpoint = Box("box", {"mid"});
  endpoint.models[0].capacity = 2;
  endpoint.models[0].in_flight = 1;
  EXPECT_EQ(FreeCapacity(endpoint, endpoint.models[0], false), 1);
  EXPECT_DOUBLE_EQ(PartsOf(endpoint, endpoint.models[0], kFree, 0, false).load, 0.5);
}

TEST(ScoringTest, PricesAreComparedWithTheDearest) {
  const Price dear = PricedRow("a", "p", ModelTier::kLarge, 3, 15).price;
  const Price cheap = PricedRow("b", "p", ModelTier::kLarge, 0.75, 3.75).price;
  EXPECT_DOUBLE_EQ(NominalPrice(dear), 6e6);
  EXPECT_LT(NominalPrice(Price()), 0);
  const Endpoint endpoint = Cloud("c", {"a"});
  const auto part = [&](const Price& price) { return PartsOf(endpoint, endpoint.models[0], price, 6e6, false).price; };
  EXPECT_DOUBLE_EQ(part(dear), 0);
  EXPECT_DOUBLE_EQ(part(cheap), 0.75);
  EXPECT_DOUBLE_EQ(part(kFree), 1);
  // What is unknown is not cheap.
  EXPECT_DOUBLE_EQ(part(Price()), 0);
}

TEST(ScoringTest, ShorterWaitsAreBetterAndUnknownOnesAreInTheMiddle) {
  Endpoint endpoint = Box("box", {"mid"});
  const auto latency = [&](absl::Duration p50) {
    endpoint.models[0].first_token_p50 = p50;
    return PartsOf(endpoint, endpoint.models[0], kFree, 0, false).latency;
  };
  EXPECT_DOUBLE_EQ(latency(absl::Seconds(2)), 0.5);
  EXPECT_DOUBLE_EQ(latency(absl::ZeroDuration()), 0.5);
  EXPECT_GT(latency(absl::Milliseconds(100)), latency(absl::Milliseconds(200)));
}

TEST(ScoringTest, ALoadedModelIsWarmerThanOneThatLoads) {
  Endpoint endpoint = Box("box", {"mid"});
  double before = 2;
  for (const Warmth warmth : {Warmth::kWarm, Warmth::kLoading, Warmth::kCold, Warmth::kAbsent}) {
    endpoint.models[0].warmth = warmth;
    const double now = PartsOf(endpoint, endpoint.models[0], kFree, 0, false).warmth;
    EXPECT_LT(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace switchyard::router
