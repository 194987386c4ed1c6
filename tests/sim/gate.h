// Where a process meets what it has outside of itself: its store, its journal, its ports. Armed faults wait here.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/sim/world.h"

namespace switchyard::sim {

enum class Fate { kNone, kFail, kLoseAnswer, kCrashBefore, kCrashAfter };

class Gate {
 public:
  explicit Gate(Process& process) : process_(process) {}

  // The call after `skip` others meets it.
  void Arm(Fate fate, int skip, absl::Duration down_for) { armed_.push_back({fate, skip, down_for}); }
  void Disarm() { armed_.clear(); }

  // Not OK: the call does not happen.
  absl::Status Before();
  // Not OK: it happened, and nobody hears that it did.
  absl::Status After();

 private:
  struct Armed {
    Fate fate;
    int skip;
    absl::Duration down_for;
  };

  Process& process_;
  std::vector<Armed> armed_;
  Fate now_ = Fate::kNone;
  absl::Duration down_for_;
};

}  // namespace switchyard::sim
