#include "libs/testing/fake_ids.h"

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::testing {
namespace {

TEST(FakeIdSourceTest, MakesTheSameIdsInEveryRun) {
  FakeClock clock(absl::FromUnixMillis(0x0123456789AB));
  FakeIdSource ids(clock);
  EXPECT_EQ(ids.NewUuid().ToString(), "01234567-89ab-7000-8000-000000000001");
  EXPECT_EQ(ids.NewUuid().ToString(), "01234567-89ab-7000-8000-000000000002");
}

TEST(FakeIdSourceTest, FollowsTheClock) {
  FakeClock clock;
  FakeIdSource ids(clock);
  const Uuid first = ids.NewUuid();
  clock.Advance(absl::Milliseconds(5));
  const Uuid second = ids.NewUuid();
  EXPECT_LT(first, second);
  EXPECT_EQ(second.time(), clock.Now());
}

}  // namespace
}  // namespace switchyard::testing
