#include "libs/testing/fake_clock.h"

namespace switchyard::testing {

FakeClock::FakeClock() : FakeClock(absl::FromUnixSeconds(1893456000)) {}
FakeClock::FakeClock(absl::Time now) : now_(now) {}

absl::Time FakeClock::Now() const {
  MutexLock lock(mutex_);
  return now_;
}

void FakeClock::Advance(absl::Duration by) {
  MutexLock lock(mutex_);
  now_ += by;
}

void FakeClock::Set(absl::Time now) {
  MutexLock lock(mutex_);
  now_ = now;
}

}  // namespace switchyard::testing
