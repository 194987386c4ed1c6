#include "libs/base/clock.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard {
namespace {

TEST(DisciplinedClockTest, ReadsAsTheWallClockAtFirst) {
  const DisciplinedClock clock;
  EXPECT_LT(absl::AbsDuration(clock.Now() - absl::Now()), absl::Seconds(5));
}

TEST(DisciplinedClockTest, FollowsTheReferenceForward) {
  DisciplinedClock clock;
  const absl::Time reference = clock.Now() + absl::Hours(3);
  const std::int64_t asked = DisciplinedClock::SteadyNanos();
  clock.Discipline(reference, asked, asked + 1'000'000);
  const absl::Duration since = absl::Nanoseconds(DisciplinedClock::SteadyNanos() - asked);
  EXPECT_GE(clock.Now(), reference - absl::Milliseconds(1));
  EXPECT_LE(clock.Now(), reference + since + absl::Seconds(5));
}

TEST(DisciplinedClockTest, HoldsStillInsteadOfGoingBack) {
  DisciplinedClock clock;
  const absl::Time before = clock.Now();
  const std::int64_t now = DisciplinedClock::SteadyNanos();
  clock.Discipline(before - absl::Hours(1), now, now);
  EXPECT_EQ(clock.Now(), before);
  EXPECT_EQ(clock.Now(), before);
}

TEST(DisciplinedClockTest, TakesASlowAnswerOnlyAsFarAsItIsCertain) {
  DisciplinedClock clock;
  const std::int64_t now = DisciplinedClock::SteadyNanos();
  const absl::Time present = clock.Now();
  // Anywhere within ten seconds is possible, so the present reading stands.
  clock.Discipline(present + absl::Seconds(1), now - 5'000'000'000, now + 5'000'000'000);
  EXPECT_LT(clock.Now() - present, absl::Milliseconds(900));
}

TEST(DisciplinedClockTest, IgnoresAnAnswerBeforeItsQuestion) {
  DisciplinedClock clock;
  const absl::Time present = clock.Now();
  clock.Discipline(present + absl::Hours(5), 10, 9);
  EXPECT_LT(clock.Now() - present, absl::Hours(1));
}

TEST(DisciplinedClockTest, NeverGoesBackOnAnyThreadUnderRandomDiscipline) {
  DisciplinedClock clock;
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  std::atomic<int> steps_back = 0;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      absl::Time last = clock.Now();
      while (!stop) {
        const absl::Time now = clock.Now();
        if (now < last) ++steps_back;
        last = now;
      }
    });
  }
  const auto rng = MakeSeededRng(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t now = DisciplinedClock::SteadyNanos();
    const absl::Duration shift = absl::Microseconds(static_cast<std::int64_t>(rng->Below(2000)) - 1000);
    clock.Discipline(clock.Now() + shift, now, now + static_cast<std::int64_t>(rng->Below(1000)));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(steps_back, 0);
}

}  // namespace
}  // namespace switchyard
