#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"

namespace switchyard::testing {

// The version 7 id of that millisecond with a number of the test's choice behind it: the same inputs, the same id.
Uuid FakeUuid(absl::Time time, std::uint64_t number);

// Ids that are valid, carry the clock's time and are the same in every run: the n-th ends in n. Thread-safe.
class FakeIdSource final : public IdSource {
 public:
  // Borrows the clock for its lifetime.
  explicit FakeIdSource(const Clock& clock) : clock_(clock) {}
  Uuid NewUuid() override;

 private:
  const Clock& clock_;
  Mutex mutex_;
  std::uint64_t made_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::testing
