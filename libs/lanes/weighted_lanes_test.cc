#include "libs/lanes/weighted_lanes.h"

#include <algorithm>
#include <cstdio>
#include <deque>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard::lanes {
namespace {

using ::testing::ElementsAre;

constexpr const char* kNames[kLanes] = {"urgent", "high", "normal", "low"};
constexpr Waiting kFull = {.fresh = 1'000'000};
constexpr Backlog kAllFull = {kFull, kFull, kFull, kFull};

TEST(WeightedLanesTest, PicksNothingWhenNothingWaits) { EXPECT_EQ(WeightedLanes().Next({}), std::nullopt); }

TEST(WeightedLanesTest, ServesTheOnlyLaneThatWaits) {
  WeightedLanes lanes;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(lanes.Next({Waiting{}, Waiting{}, Waiting{}, kFull}), (Pick{.lane = 3}));
}

TEST(WeightedLanesTest, PrefersTheUrgentLaneAtFirst) { EXPECT_EQ(WeightedLanes().Next(kAllFull), (Pick{.lane = 0})); }

TEST(WeightedLanesTest, ServesFreshWorkBeforeRetriedWorkOfTheSameLane) {
  WeightedLanes lanes;
  EXPECT_EQ(lanes.Next({Waiting{.fresh = 1, .retried = 5}}), (Pick{.lane = 0, .retried = false}));
  EXPECT_EQ(lanes.Next({Waiting{.fresh = 0, .retried = 5}}), (Pick{.lane = 0, .retried = true}));
}

TEST(WeightedLanesTest, ServesRetriedUrgentWorkInTheSharesOfItsLane) {
  WeightedLanes lanes;
  std::array<int, kLanes> served = {};
  for (int i = 0; i < 900; ++i) ++served[lanes.Next({Waiting{.retried = 9}, Waiting{}, Waiting{}, kFull})->lane];
  EXPECT_THAT(served, ElementsAre(800, 0, 0, 100));
}

TEST(WeightedLanesTest, LetsAnIdleLaneSaveUpNothing) {
  WeightedLanes lanes;
  for (int i = 0; i < 10'000; ++i) lanes.Next({Waiting{}, Waiting{}, kFull, kFull});
  std::array<int, kLanes> served = {};
  for (int i = 0; i < 15; ++i) ++served[lanes.Next(kAllFull)->lane];
  EXPECT_LE(served[0], 9) << "the urgent lane gets its share, not what it did not use";
  EXPECT_GE(served[2] + served[3], 2);
}

TEST(WeightedLanesTest, PeeksWithoutCharging) {
  WeightedLanes lanes;
  EXPECT_EQ(lanes.Peek(kAllFull), lanes.Peek(kAllFull));
  const std::optional<Pick> first = lanes.Peek(kAllFull);
  lanes.Charge(first->lane);
  EXPECT_NE(lanes.Peek(kAllFull), first);
}

TEST(WeightedLanesTest, TakesSenselessWeightsAsTheNearestSensibleOnes) {
  WeightedLanes lanes({0, 0, 0, 4'000'000'000});
  std::array<int, kLanes> served = {};
  for (int i = 0; i < 1003 * 3; ++i) ++served[lanes.Next(kAllFull)->lane];
  EXPECT_THAT(served, ElementsAre(3, 3, 3, 3000));
}

TEST(WeightedLanesTest, StatesTheLongestWait) {
  EXPECT_EQ(LongestWait(kDefaultWeights, 0), 4u);
  EXPECT_EQ(LongestWait(kDefaultWeights, 1), 6u);
  EXPECT_EQ(LongestWait(kDefaultWeights, 2), 10u);
  EXPECT_EQ(LongestWait(kDefaultWeights, 3), 18u);
  EXPECT_EQ(LongestWait(kDefaultWeights, 3, 10), 153u);
}

TEST(WeightedLanesSimulation, SharesBySaturatedLanesFollowTheWeights) {
  WeightedLanes lanes;
  constexpr int kPicks = 150'000;
  std::array<int, kLanes> served = {};
  std::array<int, kLanes> last = {};
  std::array<std::uint64_t, kLanes> longest = {};
  for (int pick = 1; pick <= kPicks; ++pick) {
    const int lane = lanes.Next(kAllFull)->lane;
    longest[lane] = std::max<std::uint64_t>(longest[lane], pick - last[lane]);
    last[lane] = pick;
    ++served[lane];
  }
  std::printf("%-8s %7s %8s %13s %6s\n", "lane", "weight", "share", "longest wait", "bound");
  for (int lane = 0; lane < kLanes; ++lane) {
    std::printf("%-8s %7u %7.2f%% %7llu picks %6llu\n", kNames[lane], kDefaultWeights[lane],
                100.0 * served[lane] / kPicks, static_cast<unsigned long long>(longest[lane]),
                static_cast<unsigned long long>(LongestWait(kDefaultWeights, lane)));
    EXPECT_EQ(served[lane], kPicks / 15 * static_cast<int>(kDefaultWeights[lane]));
    EXPECT_LE(longest[lane], LongestWait(kDefaultWeights, lane));
  }
}

// Tasks arrive 1.5 times as fast as they can be served, as many in every lane: what is over the share of a lane waits
// ever longer, but each lane goes on at its share, and a lane within its share waits for nobody.
TEST(WeightedLanesSimulation, KeepsTheShareOfEveryLaneUnderOverload) {
  WeightedLanes lanes;
  constexpr int kPicks = 60'000;
  std::array<std::deque<int>, kLanes> queues;
  std::array<int, kLanes> served = {};
  std::array<int, kLanes> longest = {};
  double arriving = 0;
  for (int pick = 0; pick < kPicks; ++pick) {
    for (arriving += 1.5; arriving >= kLanes; arriving -= kLanes) {
      for (std::deque<int>& queue : queues) queue.push_back(pick);
    }
    Backlog backlog;
    for (int lane = 0; lane < kLanes; ++lane) backlog[lane].fresh = queues[lane].size();
    const std::optional<Pick> next = lanes.Next(backlog);
    if (!next.has_value()) continue;
    longest[next->lane] = std::max(longest[next->lane], pick - queues[next->lane].front());
    queues[next->lane].pop_front();
    ++served[next->lane];
  }
  std::printf("%-8s %9s %8s %20s %6s\n", "lane", "arriving", "served", "longest wait (picks)", "left");
  for (int lane = 0; lane < kLanes; ++lane) {
    std::printf("%-8s %8.1f%% %7.1f%% %20d %6zu\n", kNames[lane], 37.5, 100.0 * served[lane] / kPicks, longest[lane],
                queues[lane].size());
  }
  EXPECT_LE(longest[0], 8) << "urgent work within its share hardly waits";
  EXPECT_GT(served[3], kPicks / 15 - 100) << "the lowest lane gets its share all the same";
}

TEST(WeightedLanesSimulation, NeverExceedsTheLongestWaitWhateverTheOthersDo) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    Weights weights;
    for (std::uint32_t& weight : weights) weight = 1 + rng->Below(seed % 3 == 0 ? 1000 : 9);
    WeightedLanes lanes(weights);
    Backlog backlog = {};
    // Of each lane: for how many picks it has waited without pause, and how often it was picked in that time.
    std::array<std::uint64_t, kLanes> waited = {};
    std::array<std::uint64_t, kLanes> picked = {};
    for (int step = 0; step < 5000; ++step) {
      for (int lane = 0; lane < kLanes; ++lane) {
        if (rng->Below(20) == 0) backlog[lane].fresh = rng->Below(3) == 0 ? 0 : rng->Below(200);
        if (rng->Below(20) == 0) backlog[lane].retried = rng->Below(3) == 0 ? 0 : rng->Below(20);
        if (backlog[lane].fresh + backlog[lane].retried == 0) waited[lane] = picked[lane] = 0;
      }
      const std::optional<Pick> pick = lanes.Next(backlog);
      if (!pick.has_value()) continue;
      Waiting& from = backlog[pick->lane];
      ASSERT_EQ(pick->retried, from.fresh == 0);
      --(pick->retried ? from.retried : from.fresh);
      for (int lane = 0; lane < kLanes; ++lane) {
        if (backlog[lane].fresh + backlog[lane].retried == 0) continue;
        ++waited[lane];
        if (lane == pick->lane) ++picked[lane];
        ASSERT_LT(waited[lane], LongestWait(weights, lane, picked[lane] + 1)) << "lane " << lane;
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::lanes
