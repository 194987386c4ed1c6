#include "services/executor/models/route.h"

#include "gtest/gtest.h"

namespace switchyard::executor::models {
namespace {

Pricing Priced() {
  Pricing pricing;
  pricing.rates = {.input = 3'000'000, .output = 15'000'000, .cache_read = 300'000, .cache_write_5m = 3'750'000};
  pricing.steps = {{.above_input_tokens = 200'000, .rates = {.input = 6'000'000, .output = 22'500'000}}};
  return pricing;
}

TEST(CostTest, CountsEachKindOfTokenAtItsRateAndRoundsUp) {
  EXPECT_EQ(CostOf(Priced(), {.input = 1'000'000, .output = 0}), 6'000'000) << "a long prompt: the step's rate for all";
  EXPECT_EQ(CostOf(Priced(), {.input = 1'000, .output = 100}), 4'500);
  EXPECT_EQ(CostOf(Priced(), {.input = 1'000, .cached_input = 400, .cache_write_5m = 100, .output = 0}),
            500 * 3 + 120 + 375);
  EXPECT_EQ(CostOf(Priced(), {.input = 1, .cached_input = 1, .output = 0}), 1) << "0.3, rounded up";
}

TEST(CostTest, WhatIsNotKnownMakesTheCostUnknownNotFree) {
  EXPECT_FALSE(CostOf(Priced(), {.input = 10}).has_value());
  EXPECT_FALSE(CostOf(Priced(), {.output = 10}).has_value());
  EXPECT_FALSE(CostOf(Pricing(), {.input = 10, .output = 10}).has_value());
  EXPECT_FALSE(CostOf(Priced(), {.input = 10, .cache_write_1h = 5, .output = 1}).has_value()) << "no rate for it";
  EXPECT_EQ(CostOf({.free = true}, {}), 0);
}

TEST(AssignedModelTest, OtherWritingsOfTheSameNameAreTheSame) {
  Route route;
  route.protocol = Protocol::kOllama;
  route.model = "qwen2.5-coder:latest";
  EXPECT_TRUE(IsAssignedModel(route, "qwen2.5-coder"));
  EXPECT_TRUE(IsAssignedModel(route, "Qwen2.5-Coder:LATEST"));
  EXPECT_FALSE(IsAssignedModel(route, "qwen2.5-coder:7b"));
  EXPECT_TRUE(IsAssignedModel(route, "")) << "nothing was said";
  route.protocol = Protocol::kAnthropic;
  route.model = "claude-sonnet-4-5";
  EXPECT_TRUE(IsAssignedModel(route, "claude-sonnet-4-5-20250929"));
  EXPECT_FALSE(IsAssignedModel(route, "claude-sonnet-4"));
  EXPECT_FALSE(IsAssignedModel(route, "claude-sonnet-4-5-mini"));
  route.protocol = Protocol::kOpenAi;
  route.model = "anthropic/claude-haiku";
  EXPECT_TRUE(IsAssignedModel(route, "claude-haiku"));
  EXPECT_FALSE(IsAssignedModel(route, "haiku")) << "a part of a segment";
  route.model = "gpt-4o";
  EXPECT_TRUE(IsAssignedModel(route, "gpt-4o-2024-08-06"));
  EXPECT_FALSE(IsAssignedModel(route, "gpt-4o-mini"));
  EXPECT_FALSE(IsAssignedModel(route, "gpt-4o-mini-2024-08-06"));
  route.aliases = {"house-model"};
  EXPECT_TRUE(IsAssignedModel(route, "house-model"));
}

}  // namespace
}  // namespace switchyard::executor::models
