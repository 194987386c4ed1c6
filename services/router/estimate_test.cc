#include "services/router/estimate.h"

#include <limits>

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

Price SteppedPrice() {
  Price price = PricedRow("big", "alpha", ModelTier::kLarge, 3, 15).price;
  price.rates.cache_read = 300'000;
  price.rates.cache_write_5m = 3'750'000;
  price.steps = {{.above_input_tokens = 200'000, .rates = {.input = 6'000'000, .output = 22'500'000}}};
  return price;
}

TEST(EstimateTest, CostsAddUpByHand) {
  // 1,000 x 3 + 500 x 15 millionths.
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 1'000, .output = 500}), 10'500);
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 1, .output = 0}), 3);
  EXPECT_EQ(CostOf(SteppedPrice(), {}), 0);
  // 100 x 3 + 10 x 15 + 800 x 0.3 + 100 x 3.75.
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 100, .output = 10, .cache_read = 800, .cache_write_5m = 100}), 1'065);
}

TEST(EstimateTest, PartsOfAMillionthAreRoundedUp) {
  Price price = PricedRow("flash", "beta", ModelTier::kMedium, 0.3, 2.5).price;
  EXPECT_EQ(CostOf(price, {.input = 1}), 1);
  EXPECT_EQ(CostOf(price, {.input = 10}), 3);
  EXPECT_EQ(CostOf(price, {.input = 11}), 4);
}

TEST(EstimateTest, AStepHoldsForTheWholePrompt) {
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 200'000}), 600'000);
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 200'001}), 1'200'006);
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 200'001, .output = 1'000}), 1'222'506);
}

TEST(EstimateTest, WhatIsReadFromTheCacheCountsTowardsTheStep) {
  // The step has no price for reading caches.
  EXPECT_EQ(CostOf(SteppedPrice(), {.input = 1, .cache_read = 200'000}), std::nullopt);
}

TEST(EstimateTest, AnUnknownPriceStaysUnknown) {
  EXPECT_EQ(CostOf(Price(), {.input = 1}), std::nullopt);
  EXPECT_EQ(CostOf(Price(), {}), std::nullopt);
  Price half;
  half.rates.input = 1;
  EXPECT_EQ(CostOf(half, {.input = 1}), std::nullopt);
  EXPECT_EQ(CostOf(SteppedPrice(), {.cache_write_1h = 1}), std::nullopt);
  EXPECT_EQ(CostOf(Price{.free = true, .rates = {}, .steps = {}}, {.input = 1'000'000}), 0);
}

TEST(EstimateTest, NonsenseNeitherOverflowsNorTurnsNegative) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Price price;
  price.rates = {
      .input = kMost, .output = kMost, .cache_read = kMost, .cache_write_5m = kMost, .cache_write_1h = kMost};
  const auto cost = CostOf(price, {kMost, kMost, kMost, kMost, kMost});
  ASSERT_TRUE(cost.has_value());
  EXPECT_GT(*cost, 0);
  EXPECT_EQ(CostOf(price, {-5, -5, -5, -5, -5}), 0);
}

TEST(EstimateTest, ReportedInputHoldsTheTokensOfTheCache) {
  const TokenUse use = UseOf(1'000, 50, 700, 100);
  EXPECT_EQ(use.input, 200);
  EXPECT_EQ(use.cache_read, 700);
  EXPECT_EQ(use.cache_write_5m, 100);
  EXPECT_EQ(use.output, 50);
  // A provider that contradicts itself.
  EXPECT_EQ(UseOf(10, 1, 700, 100).input, 0);
  EXPECT_EQ(UseOf(-10, -1, -7, -1).output, 0);
}

TEST(EstimateTest, AnUnknownPriceIsSettledOnWhatWasReserved) {
  EXPECT_EQ(SettlementOf(SteppedPrice(), {.input = 1'000}, 99).micros, 3'000);
  EXPECT_TRUE(SettlementOf(SteppedPrice(), {.input = 1'000}, 99).exact);
  EXPECT_EQ(SettlementOf(Price(), {.input = 1'000}, 99).micros, 99);
  EXPECT_FALSE(SettlementOf(Price(), {.input = 1'000}, 99).exact);
}

TEST(EstimateTest, EndpointPlaceOrRowMayBeFree) {
  const ModelRow priced = PricedRow("big", "alpha", ModelTier::kLarge, 3, 15);
  Endpoint endpoint = Cloud("alpha", {"big"});
  EXPECT_FALSE(PriceOf(endpoint, endpoint.models[0], nullptr).known());
  EXPECT_EQ(PriceOf(endpoint, endpoint.models[0], &priced), priced.price);
  endpoint.models[0].free = true;
  EXPECT_TRUE(PriceOf(endpoint, endpoint.models[0], &priced).free);
  endpoint.models[0].free = false;
  endpoint.free = true;
  EXPECT_TRUE(PriceOf(endpoint, endpoint.models[0], nullptr).free);
  endpoint.models[0].remote = true;
  EXPECT_FALSE(PriceOf(endpoint, endpoint.models[0], nullptr).known()) << "somebody else's machines";
  EXPECT_EQ(PriceOf(endpoint, endpoint.models[0], &priced), priced.price);
  const ModelRow row = FreeRow("mid", ModelTier::kMedium);
  EXPECT_TRUE(PriceOf(Cloud("c", {}), Placed("mid"), &row).free);
}

TEST(EstimateTest, TheUpperCostTakesTheUpperCountsAndItsOwnStep) {
  const Estimate estimate = EstimateOf(SteppedPrice(), {.expected = 190'000, .upper = 210'000}, 1'000);
  EXPECT_EQ(estimate.cost, 190'000 * 3 + 250 * 15);
  EXPECT_EQ(estimate.cost_upper, 210'000 * 6 + 22'500);
  EXPECT_EQ(EstimateOf(Price(), {.expected = 1, .upper = 1}, 1).cost_upper, std::nullopt);
}

TEST(TokenRatiosTest, LearnNothingFromAFewRequests) {
  TokenRatios ratios;
  for (int i = 0; i < 19; ++i) ratios.Observe("big", 100, 150);
  EXPECT_EQ(ratios.Find("big"), TokenRatio());
  EXPECT_TRUE(ratios.All().empty());
  ratios.Observe("BIG", 100, 150);
  EXPECT_NEAR(ratios.Find("big").expected, 1.5, 1e-6);
  EXPECT_NEAR(ratios.Find("Big").upper, 1.5, 1e-6);
  EXPECT_EQ(ratios.All().size(), 1u);
}

TEST(TokenRatiosTest, TheUpperRatioLeavesOutTheFewWorst) {
  TokenRatios ratios;
  for (int i = 0; i < 100; ++i) ratios.Observe("big", 100, i < 2 ? 400 : 110);
  EXPECT_NEAR(ratios.Find("big").upper, 1.1, 0.2);
  TokenRatios worse;
  for (int i = 0; i < 100; ++i) worse.Observe("big", 100, i % 10 == 0 ? 400 : 110);
  EXPECT_NEAR(worse.Find("big").upper, 4, 1e-6);
}

TEST(TokenRatiosTest, FollowAChangeAndForgetWhatWasBefore) {
  TokenRatios ratios;
  for (int i = 0; i < 300; ++i) ratios.Observe("big", 100, 300);
  for (int i = 0; i < 300; ++i) ratios.Observe("big", 100, 120);
  EXPECT_NEAR(ratios.Find("big").expected, 1.2, 0.01);
  EXPECT_NEAR(ratios.Find("big").upper, 1.2, 0.01);
}

TEST(TokenRatiosTest, PassOverNonsense) {
  TokenRatios ratios;
  for (int i = 0; i < 50; ++i) {
    ratios.Observe("big", 0, 100);
    ratios.Observe("big", 100, 0);
    ratios.Observe("big", 100, 100'000);
    ratios.Observe("big", 100'000, 100);
    ratios.Observe("", 100, 100);
  }
  EXPECT_EQ(ratios.size(), 0u);
}

TEST(TokenRatiosTest, AreBoundedHoweverManyModelsAreNamed) {
  TokenRatios ratios;
  for (int i = 0; i < 5'000; ++i) ratios.Observe("model" + std::to_string(i), 10, 10);
  EXPECT_EQ(ratios.size(), 2'000u);
}

TEST(TokenRatiosTest, AnAdjustedUpperCountIsNeverBelowTheExpectedOne) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    TokenRatios ratios;
    const int count = static_cast<int>(rng->Below(300));
    for (int i = 0; i < count; ++i) ratios.Observe("m", 100, static_cast<std::int64_t>(20 + rng->Below(600)));
    const std::int64_t expected = static_cast<std::int64_t>(rng->Below(1'000'000));
    const text::TokenEstimate scanned{.expected = expected,
                                      .upper = expected + static_cast<std::int64_t>(rng->Below(1'000))};
    const text::TokenEstimate adjusted = Adjust(scanned, ratios.Find("m"));
    EXPECT_GE(adjusted.upper, adjusted.expected);
    EXPECT_GE(adjusted.expected, 0);
  }
}

TEST(TokenRatiosTest, WithoutKnowledgeTheColdEstimateStands) {
  const text::TokenEstimate scanned{.expected = 100, .upper = 130};
  EXPECT_EQ(Adjust(scanned, {}), scanned);
  EXPECT_EQ(Adjust(scanned, {.expected = 1.2, .upper = 1.4}), (text::TokenEstimate{.expected = 120, .upper = 147}));
  EXPECT_EQ(Adjust(scanned, {.expected = 0.5, .upper = 0}), (text::TokenEstimate{.expected = 50, .upper = 130}));
}

}  // namespace
}  // namespace switchyard::router
