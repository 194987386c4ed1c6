#include "libs/base/clock.h"

#include <time.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace switchyard {

std::int64_t DisciplinedClock::SteadyNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

DisciplinedClock::DisciplinedClock() : offset_nanos_(absl::GetCurrentTimeNanos() - SteadyNanos()), last_nanos_(0) {}

absl::Time DisciplinedClock::Now() const {
  const std::int64_t now = SteadyNanos() + offset_nanos_.load(std::memory_order_relaxed);
  std::int64_t last = last_nanos_.load(std::memory_order_relaxed);
  while (last < now && !last_nanos_.compare_exchange_weak(last, now, std::memory_order_relaxed)) {
  }
  return absl::FromUnixNanos(std::max(last, now));
}

void DisciplinedClock::Discipline(absl::Time reference_now, std::int64_t asked, std::int64_t answered) {
  if (answered < asked) return;
  const std::int64_t reference = absl::ToUnixNanos(reference_now);
  // The true offset lies between these; a slow answer says little, so the present one moves only as far as it must.
  const std::int64_t least = reference - answered;
  const std::int64_t most = reference - asked;
  const std::int64_t present = offset_nanos_.load(std::memory_order_relaxed);
  offset_nanos_.store(std::clamp(present, least, most), std::memory_order_relaxed);
}

}  // namespace switchyard
