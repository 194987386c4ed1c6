#include "libs/base/id.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard {
namespace {

using testing::FakeClock;
using testing::IsOkAndHolds;
using testing::StatusIs;

constexpr char kCanonical[] = "0190abcd-ef01-7234-8567-89abcdef0123";

TEST(UuidTest, TextComesBack) {
  SY_ASSERT_OK_AND_ASSIGN(const Uuid id, Uuid::Parse(kCanonical));
  EXPECT_EQ(id.ToString(), kCanonical);
  EXPECT_THAT(Uuid::Parse("0190ABCD-EF01-7234-8567-89ABCDEF0123"), IsOkAndHolds(id));
}

TEST(UuidTest, RefusesEverySingleWrongCharacter) {
  for (std::size_t i = 0; i < 36; ++i) {
    for (const char wrong : {'g', '-', ' ', '\0', '\xff', '0'}) {
      std::string text = kCanonical;
      const bool dash_place = text[i] == '-';
      if (wrong == text[i] || (!dash_place && wrong == '0')) continue;
      text[i] = wrong;
      EXPECT_THAT(Uuid::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    }
  }
  for (const char* bad : {"", "0190abcdef0172348567-89abcdef0123", "{0190abcd-ef01-7234-8567-89abcdef0123}"}) {
    EXPECT_THAT(Uuid::Parse(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(UuidTest, NilIsNil) {
  EXPECT_TRUE(Uuid().is_nil());
  EXPECT_EQ(Uuid().ToString(), "00000000-0000-0000-0000-000000000000");
}

TEST(UuidTest, LowestAtBoundsTheIdsOfItsMillisecond) {
  FakeClock clock;
  const auto rng = MakeSeededRng(1);
  TimeOrderedIdSource ids(clock, *rng);
  const Uuid lower = Uuid::LowestAt(clock.Now());
  const Uuid upper = Uuid::LowestAt(clock.Now() + absl::Milliseconds(1));
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = ids.NewUuid();
    EXPECT_LE(lower, id);
    EXPECT_LT(id, upper);
  }
}

TEST(UuidTest, TimesOutsideTheRangeAreClamped) {
  EXPECT_EQ(Uuid::LowestAt(absl::InfinitePast()).time(), absl::UnixEpoch());
  EXPECT_EQ(Uuid::LowestAt(absl::InfiniteFuture()).time(), absl::FromUnixMillis((std::int64_t{1} << 48) - 1));
}

TEST(UuidTest, OrdersAsItsTextDoes) {
  const auto rng = MakeSeededRng(3);
  std::vector<Uuid> ids;
  for (int i = 0; i < 200; ++i) {
    std::array<std::uint8_t, 16> bytes;
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng->Next());
    ids.emplace_back(bytes);
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_TRUE(
      std::is_sorted(ids.begin(), ids.end(), [](const Uuid& a, const Uuid& b) { return a.ToString() < b.ToString(); }));
}

TEST(TimeOrderedIdSourceTest, IsStrictlyIncreasingWhateverTheClockDoes) {
  FakeClock clock;
  const auto rng = MakeSeededRng(11);
  TimeOrderedIdSource ids(clock, *rng);
  Uuid last;
  for (int i = 0; i < 100'000; ++i) {
    const Uuid id = ids.NewUuid();
    ASSERT_LT(last, id);
    ASSERT_EQ(id.bytes()[6] >> 4, 7);
    ASSERT_EQ(id.bytes()[8] >> 6, 2);
    last = id;
    const std::uint64_t dice = rng->Below(100);
    if (dice < 5) clock.Advance(absl::Microseconds(rng->Below(3000)));
    if (dice == 99) clock.Set(clock.Now() - absl::Microseconds(rng->Below(5000)));
  }
}

TEST(TimeOrderedIdSourceTest, CarriesItsMillisecond) {
  FakeClock clock;
  const auto rng = MakeSeededRng(5);
  TimeOrderedIdSource ids(clock, *rng);
  for (int i = 0; i < 1000; ++i) {
    clock.Advance(absl::Milliseconds(1 + rng->Below(100'000'000)));
    EXPECT_EQ(ids.NewUuid().time(), absl::FromUnixMillis(absl::ToUnixMillis(clock.Now())));
  }
}

TEST(TimeOrderedIdSourceTest, NeverRepeatsAcrossThreads) {
  FakeClock clock;
  const auto rng = MakeSystemRng();
  TimeOrderedIdSource ids(clock, *rng);
  std::vector<std::vector<Uuid>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&ids, &mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(ids.NewUuid());
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::flat_hash_set<Uuid> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), 20'000u);
}

TEST(IdTest, KindsShareOnlyTheirText) {
  using TaskId = Id<struct TaskIdTag>;
  SY_ASSERT_OK_AND_ASSIGN(const TaskId id, TaskId::Parse(kCanonical));
  EXPECT_EQ(id.ToString(), kCanonical);
  EXPECT_FALSE(id.is_nil());
  EXPECT_TRUE(absl::flat_hash_set<TaskId>({id}).contains(id));
  static_assert(!std::is_convertible_v<TaskId, Id<struct SessionIdTag>>);
}

}  // namespace
}  // namespace switchyard
