#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/executor/backend.h"

namespace switchyard::executor::loop {

// One sink for all that has something to say in the course of a loop: model, programs, checks, git. Thread-safe;
// nothing is said after Finish.
class Narrator {
 public:
  // A sign of life comes at least this often, as long as somebody calls Tick.
  static constexpr absl::Duration kSignEvery = absl::Seconds(20);

  // Of output, at most `log_bytes` are passed on; notes always are. Borrows both.
  Narrator(BackendSink& sink, std::uint64_t log_bytes, const Clock& clock);

  void Phase(WorkPhase phase);
  // Renumbered, since each source counts for itself.
  void Log(LogChunk chunk);
  // A line of one's own, in brackets, redacted.
  void Note(std::string_view text);
  void Progress(std::string_view text);
  void Step(StepNews news);
  void Ask(RouteQuestion question);
  void AskForConfirmation();
  // Says what was last said again, when nothing was said for a while.
  void Tick();
  // Sets what is known of the output.
  void Finish(Evidence evidence);

 private:
  void Say(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::uint64_t log_bytes_;
  const Clock& clock_;
  Mutex mutex_;
  // Called within the lock: no call of it blocks or comes back. Null once it is over.
  BackendSink* sink_ ABSL_GUARDED_BY(mutex_);
  std::optional<WorkPhase> phase_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t passed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_before_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string last_ ABSL_GUARDED_BY(mutex_) = "at work";
  absl::Time said_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::loop
