#include "libs/pg/pool.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/pg/sql/statements.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);

}  // namespace

Pool::Lease& Pool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    Return();
    pool_ = other.pool_;
    session_ = std::move(other.session_);
  }
  return *this;
}

void Pool::Lease::Return() {
  if (session_ != nullptr) pool_->Return(std::move(session_));
}

Pool::Pool(const ConnectOptions& connect, const PoolOptions& options, Rng& rng)
    : connect_(connect), options_(options), backoff_(rng) {}

Pool::~Pool() { Close(); }

void Pool::Close() {
  std::vector<std::unique_ptr<Session>> idle;
  MutexLock lock(mutex_);
  closed_ = true;
  idle.swap(idle_);
  changed_.NotifyAll();
  closing_.NotifyAll();
}

absl::StatusOr<Pool::Lease> Pool::Acquire(absl::Duration within) {
  SY_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Take(within));
  return Lease(this, std::move(session));
}

absl::StatusOr<std::unique_ptr<Session>> Pool::Take(absl::Duration within) {
  const std::int64_t deadline =
      DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(std::min(within, absl::Hours(24)));
  mutex_.Lock();
  for (;;) {
    if (closed_) {
      mutex_.Unlock();
      return DatabaseUnavailable("the pool is closed");
    }
    if (!idle_.empty()) {
      std::unique_ptr<Session> session = std::move(idle_.back());
      idle_.pop_back();
      ++in_use_;
      mutex_.Unlock();
      if (session->LooksAlive()) return session;
      session.reset();
      mutex_.Lock();
      --in_use_;
      continue;
    }
    const std::int64_t now = DisciplinedClock::SteadyNanos();
    const bool troubled = !last_failure_.ok();
    if (troubled && connecting_ == 0 && now < next_attempt_) {
      const absl::Duration pause = absl::Nanoseconds(next_attempt_ - now);
      const std::string message(last_failure_.message());
      mutex_.Unlock();
      return MakeError(absl::StatusCode::kUnavailable, message,
                       ErrorDetails{.reason = std::string(kDatabaseUnavailable), .retry_after = pause});
    }
    if (in_use_ + connecting_ < options_.max_sessions && (!troubled || connecting_ == 0)) {
      ++connecting_;
      mutex_.Unlock();
      absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect_);
      mutex_.Lock();
      --connecting_;
      if (session.ok()) {
        ++in_use_;
        backoff_.Reset();
        last_failure_ = absl::OkStatus();
        healthy_ = true;
      } else {
        if (!troubled)
          LogWarning("cannot connect to the database",
                     {{"database", connect_.Describe()}, {"error", session.status()}});
        last_failure_ = session.status();
        next_attempt_ = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(backoff_.Next());
        healthy_ = false;
      }
      changed_.NotifyAll();
      mutex_.Unlock();
      return session;
    }
    if (now >= deadline) {
      mutex_.Unlock();
      return MakeError(absl::StatusCode::kResourceExhausted, "no database session became free in time",
                       ErrorDetails{.reason = std::string(kPoolExhausted), .retry_after = kRetryAfter});
    }
    ++waiting_;
    changed_.WaitFor(mutex_, absl::Nanoseconds(deadline - now));
    --waiting_;
  }
}

void Pool::Return(std::unique_ptr<Session> session) {
  session->NeverGiveUp();
  if (session->in_transaction()) session->Rollback().IgnoreError();
  if (session->broken()) {
    healthy_ = false;
    session.reset();
  }
  // Declared before the lock, so that a session dropped here is closed after it.
  std::unique_ptr<Session> dropped;
  MutexLock lock(mutex_);
  --in_use_;
  if (session != nullptr) (closed_ ? dropped : idle_.emplace_back()) = std::move(session);
  changed_.NotifyOne();
}

absl::StatusOr<Result> Pool::Execute(const Statement& statement, const Params& params, const ExecuteOptions& options) {
  const bool bounded = options.timeout > absl::ZeroDuration();
  SY_ASSIGN_OR_RETURN(const Lease lease, Acquire(bounded ? std::min(options.timeout, options_.acquire_timeout)
                                                         : options_.acquire_timeout));
  return lease->Execute(statement, params, options);
}

class Pool::Provider final : public SessionProvider {
 public:
  explicit Provider(Pool& pool) : pool_(pool) {}

  absl::StatusOr<Session*> Get(absl::Duration patience) override {
    const std::int64_t give_up = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(patience);
    while (!lease_.has_value()) {
      const absl::Duration left = absl::Nanoseconds(give_up - DisciplinedClock::SteadyNanos());
      absl::StatusOr<Lease> lease = pool_.Acquire(std::max(left, pool_.options_.acquire_timeout));
      if (lease.ok()) {
        lease_.emplace(*std::move(lease));
      } else if (absl::IsResourceExhausted(lease.status()) || left <= absl::ZeroDuration() ||
                 !Wait(std::clamp(DetailsOf(lease.status()).retry_after, absl::Milliseconds(5), left))) {
        return lease.status();
      }
    }
    return &**lease_;
  }
  void Discard() override { lease_.reset(); }
  bool Wait(absl::Duration duration) override {
    const std::int64_t until = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(duration);
    MutexLock lock(pool_.mutex_);
    for (;;) {
      if (pool_.closed_) return false;
      const std::int64_t left = until - DisciplinedClock::SteadyNanos();
      if (left <= 0) return true;
      pool_.closing_.WaitFor(pool_.mutex_, absl::Nanoseconds(left));
    }
  }

 private:
  Pool& pool_;
  std::optional<Lease> lease_;
};

absl::Status Pool::Transact(absl::FunctionRef<absl::Status(Session&)> body, const TransactionOptions& options) {
  Provider provider(*this);
  return RunTransaction(provider, options, body);
}

absl::Status Pool::Probe(absl::Duration within) {
  SY_ASSIGN_OR_RETURN(const Lease lease, Acquire(within));
  const absl::Status status = lease->Execute(sql::kProbe, Params(), {.timeout = within}).status();
  healthy_ = status.ok();
  return status;
}

int Pool::in_use() const {
  MutexLock lock(mutex_);
  return in_use_;
}

int Pool::idle() const {
  MutexLock lock(mutex_);
  return static_cast<int>(idle_.size());
}

int Pool::waiting() const {
  MutexLock lock(mutex_);
  return waiting_;
}

}  // namespace switchyard::pg
