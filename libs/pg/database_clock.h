#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/pg/pool.h"

namespace switchyard::pg {

// Keeps a DisciplinedClock at the database's time, so that replicas agree about leases. The round trip doubles as a
// probe: Pool::Healthy() is at most one period old.
class DatabaseClock final {
 public:
  // Borrows both.
  DatabaseClock(Pool& pool, DisciplinedClock& clock, absl::Duration period = absl::Seconds(5));

  // Asks once, on this thread. Call it before the clock is first used for something that replicas share.
  absl::Status Tick();

  void Start() { task_.Start(); }
  void Stop() { task_.Stop(); }

 private:
  Pool& pool_;
  DisciplinedClock& clock_;
  bool doubting_ = false;
  PeriodicTask task_;
};

}  // namespace switchyard::pg
