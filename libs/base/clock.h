#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace switchyard {

// The only source of time in the product; injected everywhere, so that tests move it by hand. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back, and is not moved by changes of the host's wall clock.
  virtual absl::Time Now() const = 0;
};

// The host's steady clock, offset so that it reads as the database's wall clock: replicas on hosts that disagree
// about the time agree about leases. Until the first Discipline() it reads as this host's wall clock did at start.
class DisciplinedClock final : public Clock {
 public:
  DisciplinedClock();
  absl::Time Now() const override;

  // The reference read `reference_now` at some moment between the steady instants `asked` and `answered`
  // (from SteadyNanos()). An offset that would move Now() back is applied by holding Now() still instead.
  void Discipline(absl::Time reference_now, std::int64_t asked, std::int64_t answered);

  static std::int64_t SteadyNanos();

 private:
  std::atomic<std::int64_t> offset_nanos_;
  mutable std::atomic<std::int64_t> last_nanos_;
};

}  // namespace switchyard
