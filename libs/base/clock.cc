#include "libs/base/clock.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>

#include "absl/time/clock.h"

namespace switchyard {
namespace {

const std::int64_t kBelievedNanos = absl::ToInt64Nanoseconds(DisciplinedClock::kBelievedStep);

}  // namespace

std::int64_t DisciplinedClock::SteadyNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

DisciplinedClock::DisciplinedClock() : offset_nanos_(absl::GetCurrentTimeNanos() - SteadyNanos()), last_nanos_(0) {}

absl::Time DisciplinedClock::Now() const {
  const std::int64_t steady = SteadyNanos();
  std::int64_t now = 0;
  for (;;) {
    const std::uint32_t before = version_.load(std::memory_order_acquire);
    const std::int64_t offset = offset_nanos_.load(std::memory_order_acquire);
    const std::int64_t slow_until = slow_until_nanos_.load(std::memory_order_acquire);
    if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) continue;
    now = steady + offset + std::max<std::int64_t>(0, slow_until - steady) / 2;
    break;
  }
  std::int64_t last = last_nanos_.load(std::memory_order_relaxed);
  while (last < now && !last_nanos_.compare_exchange_weak(last, now, std::memory_order_relaxed)) {
  }
  return absl::FromUnixNanos(std::max(last, now));
}

DisciplinedClock::Verdict DisciplinedClock::Discipline(absl::Time reference_now, std::int64_t asked,
                                                       std::int64_t answered) {
  if (answered < asked) return Verdict::kFollowed;
  const std::int64_t reference = absl::ToUnixNanos(reference_now);
  // The true offset lies between these; a slow answer says little, so the present one moves only as far as it must.
  const std::int64_t least = reference - answered;
  const std::int64_t most = reference - asked;
  const std::int64_t present = offset_nanos_.load(std::memory_order_relaxed);
  const std::int64_t wanted = std::clamp(present, least, most);
  const std::int64_t step = wanted - present;
  const bool large = disciplined_ && std::abs(step) > kBelievedNanos;
  if (large) {
    if (agreeing_ == 0 || std::abs(wanted - candidate_nanos_) > kBelievedNanos) agreeing_ = 0;
    candidate_nanos_ = wanted;
    if (++agreeing_ < kAgreeing) {
      doubted_nanos_.store(step, std::memory_order_relaxed);
      return Verdict::kDoubted;
    }
  }
  agreeing_ = 0;
  disciplined_ = true;
  doubted_nanos_.store(0, std::memory_order_relaxed);
  if (step != 0) Move(step);
  return large ? Verdict::kStepped : Verdict::kFollowed;
}

void DisciplinedClock::Move(std::int64_t step) {
  const std::int64_t now = SteadyNanos();
  std::int64_t slow_until = slow_until_nanos_.load(std::memory_order_relaxed);
  // Back, without a jump: what the offset loses is given as time to make it up. Forward, that time is used up first.
  if (step < 0) slow_until = std::max(slow_until, now) - 2 * step;
  if (step > 0 && slow_until > now) slow_until = std::max(now, slow_until - 2 * step);
  version_.fetch_add(1, std::memory_order_acq_rel);
  offset_nanos_.store(offset_nanos_.load(std::memory_order_relaxed) + step, std::memory_order_release);
  slow_until_nanos_.store(slow_until, std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
}

absl::Duration DisciplinedClock::doubted() const {
  return absl::Nanoseconds(doubted_nanos_.load(std::memory_order_relaxed));
}

}  // namespace switchyard
