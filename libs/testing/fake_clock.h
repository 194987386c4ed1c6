#pragma once

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"

namespace switchyard::testing {

// Stands still until a test moves it. Thread-safe.
class FakeClock final : public Clock {
 public:
  // Begins at 2030-01-01T00:00:00Z: far from any real time, so that a leak of the host's clock shows.
  FakeClock();
  explicit FakeClock(absl::Time now);

  absl::Time Now() const override;
  void Advance(absl::Duration by);
  // May go back, which a real Clock never does: only for tests of just that.
  void Set(absl::Time now);

 private:
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::testing
