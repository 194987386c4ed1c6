#include "tests/sim/gate.h"

#include "libs/base/status.h"

namespace switchyard::sim {
namespace {

absl::Status Away() {
  return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "the simulated call failed");
}

}  // namespace

absl::Status Gate::Before() {
  if (!process_.alive()) return Away();
  now_ = Fate::kNone;
  if (armed_.empty()) return absl::OkStatus();
  Armed& next = armed_.front();
  if (next.skip-- > 0) return absl::OkStatus();
  now_ = next.fate;
  down_for_ = next.down_for;
  armed_.erase(armed_.begin());
  if (now_ == Fate::kCrashBefore) process_.Doom(down_for_);
  return now_ == Fate::kFail || now_ == Fate::kCrashBefore ? Away() : absl::OkStatus();
}

absl::Status Gate::After() {
  const Fate fate = now_;
  now_ = Fate::kNone;
  if (fate == Fate::kCrashAfter) process_.Doom(down_for_);
  return fate == Fate::kLoseAnswer || fate == Fate::kCrashAfter ? Away() : absl::OkStatus();
}

}  // namespace switchyard::sim
