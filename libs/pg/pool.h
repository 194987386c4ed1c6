#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/pg/connection.h"
#include "libs/pg/reconnecting_session.h"
#include "libs/pg/transaction.h"

namespace switchyard::pg {

inline constexpr std::string_view kPoolExhausted = "POOL_EXHAUSTED";

struct PoolOptions {
  int max_sessions = 8;
  absl::Duration acquire_timeout = absl::Seconds(5);
};

// Sessions for work that blocks, made when needed and kept. Thread-safe; must outlive its leases.
//
// Survives restarts of the server: a session whose socket was closed is replaced when it is taken. While the database
// is away one caller at a time tries to connect, with jittered delays between attempts; the others are refused at once
// with DATABASE_UNAVAILABLE, so that a pile of callers never becomes a pile of attempts.
class Pool final {
 public:
  // Gives its session back when destroyed; a transaction left open is rolled back.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : pool_(other.pool_), session_(std::move(other.session_)) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { Return(); }
    Session& operator*() const { return *session_; }
    Session* operator->() const { return session_.get(); }

   private:
    friend class Pool;
    Lease(Pool* pool, std::unique_ptr<Session> session) : pool_(pool), session_(std::move(session)) {}
    void Return();

    Pool* pool_;
    std::unique_ptr<Session> session_;
  };

  // Borrows `rng`. Does not dial.
  Pool(const ConnectOptions& connect, const PoolOptions& options, Rng& rng);
  ~Pool();

  // Blocks until a session is free; RESOURCE_EXHAUSTED, reason POOL_EXHAUSTED, when none was in time.
  absl::StatusOr<Lease> Acquire(absl::Duration within);
  absl::StatusOr<Lease> Acquire() { return Acquire(options_.acquire_timeout); }

  // Acquire and execute. Not repeated when the session is lost on the way: the caller knows whether that is safe.
  absl::StatusOr<Result> Execute(const Statement& statement, const Params& params = Params(),
                                 const ExecuteOptions& options = {});
  // RunTransaction (transaction.h) on sessions of this pool.
  absl::Status Transact(absl::FunctionRef<absl::Status(Session&)> body, const TransactionOptions& options = {});
  // One round trip, for readiness; updates Healthy().
  absl::Status Probe(absl::Duration within);

  // What the last attempt to reach the database found; false before the first. Never blocks.
  bool Healthy() const { return healthy_.load(std::memory_order_relaxed); }
  int in_use() const;
  int idle() const;
  int waiting() const;
  const PoolOptions& options() const { return options_; }

  // Later calls of Acquire are refused with UNAVAILABLE; waiting ones too.
  void Close();

 private:
  class Provider;

  absl::StatusOr<std::unique_ptr<Session>> Take(absl::Duration within);
  void Return(std::unique_ptr<Session> session);

  const ConnectOptions connect_;
  const PoolOptions options_;
  std::atomic<bool> healthy_{false};
  mutable Mutex mutex_;
  CondVar changed_;
  CondVar closing_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Session>> idle_ ABSL_GUARDED_BY(mutex_);
  int in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  int connecting_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  ConnectBackoff backoff_ ABSL_GUARDED_BY(mutex_);
  std::int64_t next_attempt_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status last_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::pg
