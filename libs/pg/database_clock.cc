#include "libs/pg/database_clock.h"

#include <cstdint>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/pg/sql/statements.h"

namespace switchyard::pg {

DatabaseClock::DatabaseClock(Pool& pool, DisciplinedClock& clock, absl::Duration period)
    : pool_(pool),
      clock_(clock),
      task_(
          "database-clock",
          [this] {
            if (const absl::Status status = Tick(); !status.ok()) {
              LogDebug("cannot ask the database for the time", {{"error", status}});
            }
          },
          [period] { return period; }) {}

absl::Status DatabaseClock::Tick() {
  SY_ASSIGN_OR_RETURN(const Pool::Lease session, pool_.Acquire());
  // Prepared and warm before it is timed: the error of the clock is the length of the timed round trip.
  SY_RETURN_IF_ERROR(session->Execute(sql::kDatabaseTime).status());
  const std::int64_t asked = DisciplinedClock::SteadyNanos();
  SY_ASSIGN_OR_RETURN(const Result answer, session->Execute(sql::kDatabaseTime));
  switch (clock_.Discipline(answer[0].Time(0), asked, DisciplinedClock::SteadyNanos())) {
    case DisciplinedClock::Verdict::kFollowed:
      if (std::exchange(doubting_, false)) LogInfo("the database's clock is as before");
      break;
    case DisciplinedClock::Verdict::kDoubted:
      if (!std::exchange(doubting_, true)) {
        LogWarning("the database's clock jumped; not followed until further answers agree",
                   {{"by", absl::FormatDuration(clock_.doubted())}});
      }
      break;
    case DisciplinedClock::Verdict::kStepped:
      doubting_ = false;
      LogWarning("following the jump of the database's clock");
      break;
  }
  return absl::OkStatus();
}

}  // namespace switchyard::pg
