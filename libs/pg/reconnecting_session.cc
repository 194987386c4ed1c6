#include "libs/pg/reconnecting_session.h"

#include <algorithm>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"

namespace switchyard::pg {
namespace {

constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestDelay = absl::Seconds(2);

}  // namespace

absl::Duration ConnectBackoff::Next() {
  const absl::Duration whole = std::min(kLongestDelay, kFirstDelay * (1 << std::min(failures_++, 10)));
  return whole / 2 + whole / 2 * rng_.Unit();
}

ReconnectingSession::ReconnectingSession(const ConnectOptions& options, Rng& rng) : options_(options), backoff_(rng) {}

absl::StatusOr<Session*> ReconnectingSession::Get(absl::Duration patience) {
  const std::int64_t give_up =
      DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(std::min(patience, absl::Hours(24)));
  for (;;) {
    if (session_ != nullptr && !session_->broken()) return session_.get();
    session_.reset();
    const std::int64_t now = DisciplinedClock::SteadyNanos();
    if (now >= next_attempt_) {
      absl::StatusOr<std::unique_ptr<Session>> connected = Session::Connect(options_);
      if (connected.ok()) {
        backoff_.Reset();
        session_ = *std::move(connected);
        return session_.get();
      }
      if (last_failure_.ok() || now >= give_up) {
        LogWarning("cannot connect to the database",
                   {{"database", options_.Describe()}, {"error", connected.status()}});
      }
      last_failure_ = connected.status();
      next_attempt_ = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(backoff_.Next());
    }
    const std::int64_t until = std::min(next_attempt_, give_up);
    if (give_up <= DisciplinedClock::SteadyNanos()) return last_failure_;
    if (!Wait(absl::Nanoseconds(until - DisciplinedClock::SteadyNanos()))) return last_failure_;
  }
}

bool ReconnectingSession::Wait(absl::Duration duration) {
  const std::int64_t until = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(duration);
  MutexLock lock(mutex_);
  for (;;) {
    if (interrupted_) return false;
    const std::int64_t left = until - DisciplinedClock::SteadyNanos();
    if (left <= 0) return true;
    wake_.WaitFor(mutex_, absl::Nanoseconds(left));
  }
}

void ReconnectingSession::Interrupt() {
  MutexLock lock(mutex_);
  interrupted_ = true;
  wake_.NotifyAll();
}

}  // namespace switchyard::pg
