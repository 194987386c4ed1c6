#include "services/model_registry/reservation.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"

namespace switchyard::model_registry {
namespace {

class ReservationTest : public ::testing::Test {
 protected:
  Reservation Make(int n, bool urgent, std::string model = "a") const {
    Reservation reservation;
    reservation.key.task = TaskId(testing::FakeUuid(now_, static_cast<std::uint64_t>(n)));
    reservation.key.generation = 1;
    reservation.model = std::move(model);
    reservation.urgent = urgent;
    reservation.create_time = now_ + absl::Seconds(n);
    return reservation;
  }

  const absl::Time now_ = testing::FakeClock().Now();
};

TEST_F(ReservationTest, FillsUpToTheCapacity) {
  const ReserveLimits limits{.model = "a", .capacity = 2, .urgent_slots = 0, .model_capacity = 2};
  EXPECT_FALSE(Refuse(Make(1, false), limits, {}).has_value());
  EXPECT_FALSE(Refuse(Make(2, false), limits, {Make(1, false)}).has_value());
  const auto refusal = Refuse(Make(3, false), limits, {Make(1, false), Make(2, false)});
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, RefusalReason::kNoCapacity);
  EXPECT_FALSE(refusal->preempt.has_value()) << "background never takes from others";
}

TEST_F(ReservationTest, KeepsSlotsForUrgentWork) {
  const ReserveLimits limits{.model = "a", .capacity = 2, .urgent_slots = 1, .model_capacity = 2};
  EXPECT_TRUE(Refuse(Make(2, false), limits, {Make(1, false)}).has_value());
  EXPECT_FALSE(Refuse(Make(2, true), limits, {Make(1, false)}).has_value());
  EXPECT_FALSE(Refuse(Make(2, false), limits, {Make(1, true)}).has_value()) << "urgent work sits in the urgent slot";
}

TEST_F(ReservationTest, NamesTheYoungestBackgroundWorkForUrgentWork) {
  const ReserveLimits limits{.model = "a", .capacity = 2, .urgent_slots = 1, .model_capacity = 2};
  const auto refusal = Refuse(Make(9, true), limits, {Make(1, false), Make(2, true)});
  ASSERT_TRUE(refusal.has_value() && refusal->preempt.has_value());
  EXPECT_EQ(refusal->preempt->key, Make(1, false).key);
  EXPECT_FALSE(Refuse(Make(9, true), limits, {Make(1, true), Make(2, true)})->preempt.has_value());
}

TEST_F(ReservationTest, BoundsEachModelToo) {
  const ReserveLimits limits{.model = "a", .capacity = 4, .urgent_slots = 0, .model_capacity = 1};
  EXPECT_TRUE(Refuse(Make(2, false, "a"), limits, {Make(1, false, "a")}).has_value());
  EXPECT_FALSE(Refuse(Make(2, false, "a"), limits, {Make(1, false, "b")}).has_value());
}

TEST_F(ReservationTest, NeverHoldsMoreThanTheCapacityOnRandomWalks) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    const int capacity = 1 + static_cast<int>(rng->Below(8));
    const ReserveLimits limits{.model = "a",
                               .capacity = capacity,
                               .urgent_slots = static_cast<int>(rng->Below(static_cast<std::uint64_t>(capacity))),
                               .model_capacity = 1 + static_cast<int>(rng->Below(8))};
    std::vector<Reservation> held;
    for (int step = 0; step < 200; ++step) {
      if (!held.empty() && rng->Below(3) == 0) {
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(rng->Below(held.size())));
        continue;
      }
      const Reservation wanted = Make(step, rng->Below(3) == 0, rng->Below(2) == 0 ? "a" : "b");
      if (!Refuse(wanted, limits, held).has_value()) held.push_back(wanted);
      int background = 0;
      for (const Reservation& one : held) background += one.urgent ? 0 : 1;
      EXPECT_LE(static_cast<int>(held.size()), capacity);
      EXPECT_LE(background, capacity - limits.urgent_slots);
    }
  }
}

}  // namespace
}  // namespace switchyard::model_registry
