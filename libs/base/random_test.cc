#include "libs/base/random.h"

#include <array>

#include "gtest/gtest.h"

namespace switchyard {
namespace {

TEST(RngTest, SameSeedSameNumbers) {
  const auto a = MakeSeededRng(42);
  const auto b = MakeSeededRng(42);
  const auto c = MakeSeededRng(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a->Next();
    EXPECT_EQ(value, b->Next());
    differs = differs || value != c->Next();
  }
  EXPECT_TRUE(differs);
}

TEST(RngTest, BelowStaysBelowAndFavoursNone) {
  const auto rng = MakeSeededRng(1);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts[rng->Below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(rng->Below(0), 0u);
  EXPECT_EQ(rng->Below(1), 0u);
}

TEST(RngTest, UnitStaysInItsRange) {
  const auto rng = MakeSystemRng();
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = rng->Unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.05);
}

TEST(RngTest, SystemNumbersDiffer) { EXPECT_NE(MakeSystemRng()->Next(), MakeSystemRng()->Next()); }

}  // namespace
}  // namespace switchyard
