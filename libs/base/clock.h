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
  // Thread-safe.
  absl::Time Now() const override;

  // A larger step than this is believed only of as many answers in a row that agree about it; the very first answer is
  // believed at once.
  static constexpr absl::Duration kBelievedStep = absl::Seconds(2);
  static constexpr int kAgreeing = 3;

  enum class Verdict {
    kFollowed,
    // Too far off to be true: nothing changed.
    kDoubted,
    // What was doubted was confirmed.
    kStepped,
  };
  // The reference read `reference_now` at some moment between the steady instants `asked` and `answered`
  // (from SteadyNanos()). Now() is set forward at once; instead of back it goes at half its speed until it is right.
  // One caller at a time.
  Verdict Discipline(absl::Time reference_now, std::int64_t asked, std::int64_t answered);
  // By how much the last answer differed, while it is doubted; else zero. Thread-safe.
  absl::Duration doubted() const;

  static std::int64_t SteadyNanos();

 private:
  void Move(std::int64_t step);

  // Now() is the steady time, this, and half of what is left until `slow_until_nanos_`. Both are read under a version
  // that is odd while they are written.
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::int64_t> offset_nanos_;
  std::atomic<std::int64_t> slow_until_nanos_{0};
  mutable std::atomic<std::int64_t> last_nanos_;
  std::atomic<std::int64_t> doubted_nanos_{0};
  // Of Discipline alone.
  bool disciplined_ = false;
  int agreeing_ = 0;
  std::int64_t candidate_nanos_ = 0;
};

}  // namespace switchyard
