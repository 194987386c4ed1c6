// What goes wrong, decided before anything runs: a list that can be read, cut down and played again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::sim {

enum class FaultKind {
  kCrash,
  kCrashQuietly,
  // At one of its next calls to store, journal or port: before it, or after it and before anybody hears.
  kCrashBeforeCall,
  kCrashAfterCall,
  kFailCall,
  kLoseAnswer,
  kFreeze,
  kCutStreams,
  kStorm,
  kPartition,
  kPartitionOneWay,
  kSlowLink,
  kDropMessage,
  kRepeatCall,
  kHoldMessage,
  kDatabaseAway,
  kClaimTooMuch,
  kOmitHeld,
  kDiskFull,
  kLeave,
  // From the start to the end. Drawn apart from the others.
  kSkewedClock,
};
// That strike at some moment.
inline constexpr int kFaultKinds = 20;

// Who takes part; indexes of processes follow from it.
struct Cast {
  int ledgers = 1;
  int schedulers = 1;
  int hubs = 1;
  int executors = 2;

  int ledger(int n) const { return n; }
  int scheduler(int n) const { return ledgers + n; }
  int hub(int n) const { return ledgers + schedulers + n; }
  int executor(int n) const { return ledgers + schedulers + hubs + n; }
  int client() const { return ledgers + schedulers + hubs + executors; }
  std::string NameOf(int index) const;
};

struct Fault {
  // Its place in the list of the seed.
  int index = 0;
  FaultKind kind = FaultKind::kCrash;
  absl::Duration at;
  int target = 0;
  // Of a link, the other end.
  int other = 0;
  // Of a clock, how much it is ahead.
  absl::Duration lasts;
  // Calls that pass before.
  int skip = 0;
  // Of a clock, as a part of time.
  double fast = 0;
};

// The seed's list, by time, then clocks; all but those is over `over` after the start.
std::vector<Fault> PlanFaults(std::uint64_t seed, const Cast& cast, absl::Duration over);
std::string Describe(const Fault& fault, const Cast& cast);

}  // namespace switchyard::sim
