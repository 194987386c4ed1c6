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

// The reference's answer, without delay.
DisciplinedClock::Verdict Answer(DisciplinedClock& clock, absl::Time reference) {
  const std::int64_t now = DisciplinedClock::SteadyNanos();
  return clock.Discipline(reference, now, now);
}

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

TEST(DisciplinedClockTest, GoesAtHalfItsSpeedInsteadOfGoingBack) {
  DisciplinedClock clock;
  const absl::Time before = clock.Now();
  Answer(clock, before - absl::Hours(1));
  const std::int64_t begin = DisciplinedClock::SteadyNanos();
  const absl::Time first = clock.Now();
  EXPECT_GE(first, before);
  while (DisciplinedClock::SteadyNanos() - begin < 2'000'000) {
  }
  const absl::Time second = clock.Now();
  const absl::Duration took = absl::Nanoseconds(DisciplinedClock::SteadyNanos() - begin);
  EXPECT_GT(second, first);
  EXPECT_LE(second - first, took / 2 + absl::Nanoseconds(2));
}

TEST(DisciplinedClockTest, OneAnswerThatIsFarOffChangesNothing) {
  DisciplinedClock clock;
  Answer(clock, clock.Now());
  for (const absl::Duration jump : {absl::Hours(1), -absl::Hours(1)}) {
    const absl::Time present = clock.Now();
    EXPECT_EQ(Answer(clock, present + jump), DisciplinedClock::Verdict::kDoubted);
    EXPECT_LT(absl::AbsDuration(clock.doubted() - jump), absl::Minutes(1));
    EXPECT_LT(absl::AbsDuration(clock.Now() - present), absl::Minutes(1));
    EXPECT_EQ(Answer(clock, clock.Now()), DisciplinedClock::Verdict::kFollowed);
    EXPECT_EQ(clock.doubted(), absl::ZeroDuration());
  }
}

TEST(DisciplinedClockTest, FollowsAJumpThatSeveralAnswersConfirm) {
  DisciplinedClock clock;
  Answer(clock, clock.Now());
  const absl::Time reference = clock.Now() + absl::Hours(1);
  EXPECT_EQ(Answer(clock, reference), DisciplinedClock::Verdict::kDoubted);
  // Another one, so the count begins anew.
  EXPECT_EQ(Answer(clock, reference + absl::Minutes(10)), DisciplinedClock::Verdict::kDoubted);
  EXPECT_EQ(Answer(clock, reference), DisciplinedClock::Verdict::kDoubted);
  EXPECT_EQ(Answer(clock, reference), DisciplinedClock::Verdict::kDoubted);
  EXPECT_LT(clock.Now(), reference - absl::Minutes(50));
  EXPECT_EQ(Answer(clock, reference), DisciplinedClock::Verdict::kStepped);
  EXPECT_GE(clock.Now(), reference);
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
