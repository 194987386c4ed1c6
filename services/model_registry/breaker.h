#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace switchyard::model_registry {

struct BreakerRules {
  int failures = 3;
  double failure_rate = 0.5;
  int least_outcomes = 10;
  absl::Duration window = absl::Minutes(2);
  absl::Duration cooldown = absl::Seconds(30);
  absl::Duration max_cooldown = absl::Minutes(10);
  absl::Duration stable = absl::Minutes(10);
};

// Keeps work away from an endpoint that fails, and lets it back in by 1, 2, 4, …: pure, told what happens and when.
// Knows nothing of other endpoints, so it opens also when this is the only one. Not thread-safe.
//
//   closed ──failures──► open ──cooldown──► (one probe) ──good──► recovering ──successes──► closed
//                         ▲ ▲                   │                     │
//                         │ └──────bad, longer──┘                     │
//                         └───────────────────failure, longer─────────┘
class Breaker {
 public:
  enum class Phase { kClosed, kOpen, kRecovering };

  explicit Breaker(BreakerRules rules) : rules_(rules) {}

  // A request that began at `began` came to a good end. One from before the breaker opened says nothing about the
  // endpoint as it is now. `full` is the number of requests at once at which recovery is complete.
  void Success(absl::Time began, int full, absl::Time now);
  // While open, a failure changes nothing: the cooldown is neither shortened nor stretched by work from before.
  void Failure(absl::Time began, std::string_view what, absl::Time now);

  // Whether the one probe of this cooldown may go now. BeginProbe takes it: until the next cooldown has passed there is
  // no other, even when the answer never comes.
  bool MayProbe(absl::Time now) const { return phase_ == Phase::kOpen && now >= open_until_; }
  void BeginProbe(absl::Time now);
  // Of the probe that was begun. A good one opens the ramp at 1, whose end is where `full` is reached.
  void ProbeDone(bool good, std::string_view what, int full, absl::Time now);
  // The answer of a check that a person asked for counts as the probe, without waiting for the cooldown.
  void ProbeNow(bool good, std::string_view what, int full, absl::Time now);

  // How many requests at once it lets through, of `full`.
  int Allowed(int full) const;

  Phase phase() const { return phase_; }
  int failures_in_row() const { return in_row_; }
  double FailureRate(absl::Time now) const;
  absl::Time open_until() const { return open_until_; }
  int allowance() const { return phase_ == Phase::kRecovering ? allowance_ : 0; }
  int times_opened() const { return times_opened_; }
  absl::Time last_probe() const { return last_probe_; }
  const std::string& last_failure() const { return last_failure_; }

 private:
  static constexpr std::size_t kMaxOutcomes = 200;

  void Note(bool good, absl::Time now);
  void Open(absl::Time now);
  absl::Duration Cooldown() const;

  BreakerRules rules_;
  Phase phase_ = Phase::kClosed;
  int in_row_ = 0;
  // Recent outcomes, oldest first.
  std::deque<std::pair<absl::Time, bool>> outcomes_;
  absl::Time opened_ = absl::InfinitePast();
  absl::Time open_until_ = absl::InfinitePast();
  absl::Time closed_ = absl::InfinitePast();
  absl::Time recovering_ = absl::InfinitePast();
  absl::Time last_probe_ = absl::InfinitePast();
  int allowance_ = 0;
  int times_opened_ = 0;
  std::string last_failure_;
};

}  // namespace switchyard::model_registry
