#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/random.h"

namespace switchyard::pg {

enum class Failpoint {
  // The commit lands, then the connection is cut before its answer is seen.
  kCommitAnswerLost,
  // The connection is cut before COMMIT is sent: nothing is committed.
  kBeforeCommitDisconnect,
  // Execute waits before it sends.
  kExecuteDelay,
};

// Faults on purpose, for tests of what happens when an answer is lost. Compiled in always, so that what is tested is
// what runs; inert until set. Thread-safe.
class Failpoints {
 public:
  struct Setting {
    // 0 disarms, 1 hits always.
    double probability = 1;
    // Hits left; negative means without end.
    std::int64_t times = -1;
    // For kExecuteDelay.
    absl::Duration delay = absl::ZeroDuration();
  };

  Failpoints();
  Failpoints(const Failpoints&) = delete;
  Failpoints& operator=(const Failpoints&) = delete;

  void Set(Failpoint point, const Setting& setting);
  // "commit_answer_lost=0.05,execute_delay=1:50ms": names in snake case, probability, and a delay where one applies.
  absl::Status Configure(std::string_view text);

  // Whether the fault should happen now; counts the hit.
  bool Hit(Failpoint point) { return armed_.load(std::memory_order_relaxed) && Decide(point); }
  absl::Duration delay(Failpoint point) const;

  // Those that the environment variable SWITCHYARD_FAILPOINTS asks for: the one piece of process-wide state here,
  // since a fault test reaches into a process it did not compose. A malformed value stops the process.
  static Failpoints& OfProcess();

 private:
  struct Slot {
    std::atomic<double> probability{0};
    std::atomic<std::int64_t> times{-1};
    std::atomic<std::int64_t> delay_nanos{0};
  };

  bool Decide(Failpoint point);

  std::atomic<bool> armed_{false};
  std::array<Slot, 3> slots_;
  std::unique_ptr<Rng> rng_;
};

}  // namespace switchyard::pg
