// The checks that need no program: what they look at is on disk, so they block.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/executor/checks/place.h"
#include "services/executor/checks/step.h"

namespace switchyard::executor::checks {

// How long a look may go on.
class Patience {
 public:
  Patience(const Clock& clock, absl::Time end, const std::atomic<bool>& stop) : clock_(clock), end_(end), stop_(stop) {}
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }
  bool over() const { return stopped() || clock_.Now() >= end_; }
  absl::Duration left() const { return end_ - clock_.Now(); }
  const std::atomic<bool>& stop() const { return stop_; }
  // Of a look that was cut short.
  StepResult Ended() const;

 private:
  const Clock& clock_;
  const absl::Time end_;
  const std::atomic<bool>& stop_;
};

struct LookLimits {
  std::size_t file_bytes = 0;
  std::uint64_t scan_bytes = 0;
  std::size_t scan_files = 0;
};

// Makes a check that neither needs a program nor the network. Evidence is as the contract wants it; the duration is
// left out. Whatever stands in the folder, it neither blocks for ever nor leaves it, and reads no more than the limits
// say.
StepResult LookAt(const Check& check, const Place& place, const LookLimits& limits, const Patience& patience);

// The parts of it.
StepResult Look(const FileExists& check, const Place& place, const LookLimits& limits, const Patience& patience);
StepResult Look(const FileContains& check, const Place& place, const LookLimits& limits, const Patience& patience);
StepResult Look(const JsonValid& check, const Place& place, const LookLimits& limits, const Patience& patience);
StepResult Look(const NoSecrets& check, const Place& place, const LookLimits& limits, const Patience& patience);
StepResult Look(const GitClean& check, const Place& place, const Patience& patience);
StepResult Look(const DiffNotEmpty& check, const Place& place, const Patience& patience);
StepResult Look(const ChangedOnly& check, const Place& place, const Patience& patience);
StepResult Look(const MaxDiffLines& check, const Place& place, const Patience& patience);

// A result with evidence made presentable.
StepResult Result(StepStatus status, std::string_view evidence);
// Of what stands in the way of a look: absent is a failure when `missing_fails`, everything else an error.
StepResult Obstacle(const absl::Status& status, const Patience& patience, bool missing_fails);

}  // namespace switchyard::executor::checks
