#include "services/model_registry/capacity.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::model_registry {
namespace {

class CapacityTest : public ::testing::Test {
 protected:
  void Good(Capacity& capacity, int times, int in_flight) {
    for (int i = 0; i < times; ++i) {
      now_ += absl::Seconds(1);
      capacity.Success(in_flight, absl::ZeroDuration(), absl::Seconds(5), now_);
    }
  }

  absl::Time now_ = testing::FakeClock().Now();
};

TEST_F(CapacityTest, BeginsLowAndRisesOnWorkThatFillsIt) {
  Capacity capacity({.start = 1, .most = 2});
  EXPECT_EQ(capacity.value(), 1);
  Good(capacity, 5, 1);
  EXPECT_EQ(capacity.value(), 2);
  Good(capacity, 50, 2);
  EXPECT_EQ(capacity.value(), 2) << "no further than it may";
}

TEST_F(CapacityTest, DoesNotRiseOnWorkThatLeavesRoom) {
  Capacity capacity({.start = 4, .most = 32});
  Good(capacity, 100, 2);
  EXPECT_EQ(capacity.value(), 4);
}

TEST_F(CapacityTest, FallsWhenRequestsWaitForASlotAndWaitsBeforeItTriesAgain) {
  Capacity capacity({.start = 1, .most = 2});
  Good(capacity, 5, 1);
  capacity.Success(2, absl::Seconds(4), absl::Seconds(8), now_);
  EXPECT_EQ(capacity.value(), 1);
  Good(capacity, 20, 1);
  EXPECT_EQ(capacity.value(), 1);
  now_ += absl::Minutes(11);
  Good(capacity, 5, 1);
  EXPECT_EQ(capacity.value(), 2);
}

TEST_F(CapacityTest, FallsOnceForSeveralThatSayTheSame) {
  Capacity capacity({.start = 8, .most = 32});
  for (int i = 0; i < 5; ++i) capacity.Full(8, now_);
  EXPECT_EQ(capacity.value(), 7);
  now_ += absl::Minutes(1);
  capacity.Full(3, now_);
  EXPECT_EQ(capacity.value(), 2);
}

TEST_F(CapacityTest, NeverFallsBelowOne) {
  Capacity capacity({.start = 1, .most = 2});
  for (int i = 0; i < 5; ++i) capacity.Full(0, now_ += absl::Minutes(1));
  EXPECT_EQ(capacity.value(), 1);
}

TEST_F(CapacityTest, TakesTheWordOfAPersonAndWithinBoundsOfTheServer) {
  Capacity fixed({.start = 1, .most = 2, .fixed = 6});
  fixed.Full(6, now_);
  fixed.SetServed(2);
  EXPECT_EQ(fixed.value(), 6);
  Capacity learnt({.start = 1, .most = 4});
  learnt.SetServed(3);
  EXPECT_EQ(learnt.value(), 3);
  learnt.SetServed(100);
  EXPECT_EQ(learnt.value(), 4);
}

TEST_F(CapacityTest, KeepsOneInFourForUrgentWorkButNeverTheOnlyOne) {
  EXPECT_EQ(UrgentSlots(0), 0);
  EXPECT_EQ(UrgentSlots(1), 0);
  for (int capacity = 2; capacity < 100; ++capacity) {
    EXPECT_GE(4 * UrgentSlots(capacity), capacity);
    EXPECT_LT(UrgentSlots(capacity), capacity);
  }
}

TEST_F(CapacityTest, StaysWithinItsBoundsOnRandomWalks) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    Capacity capacity({.start = 2, .most = 5});
    for (int step = 0; step < 500; ++step) {
      const int before = capacity.value();
      const int in_flight = static_cast<int>(rng->Below(7));
      now_ += absl::Seconds(rng->Below(30));
      if (rng->Below(3) == 0) {
        capacity.Full(in_flight, now_);
      } else {
        capacity.Success(in_flight, absl::Seconds(rng->Below(4)), absl::Seconds(8), now_);
      }
      EXPECT_GE(capacity.value(), 1);
      EXPECT_LE(capacity.value(), 5);
      EXPECT_LE(capacity.value(), before + 1);
    }
  }
}

}  // namespace
}  // namespace switchyard::model_registry
