#pragma once

#include <cstdint>
#include <memory>

#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/pg/connection.h"
#include "libs/pg/transaction.h"

namespace switchyard::pg {

// Jittered delays between attempts to connect: half to full of 50 ms, doubling up to 2 s. Not thread-safe.
class ConnectBackoff {
 public:
  explicit ConnectBackoff(Rng& rng) : rng_(rng) {}
  absl::Duration Next();
  void Reset() { failures_ = 0; }

 private:
  Rng& rng_;
  int failures_ = 0;
};

// One session for one thread, made anew when it broke. Get(), Discard() and Wait() belong to that thread; Interrupt()
// may come from any.
class ReconnectingSession final : public SessionProvider {
 public:
  ReconnectingSession(const ConnectOptions& options, Rng& rng);

  absl::StatusOr<Session*> Get(absl::Duration patience) override;
  void Discard() override { session_.reset(); }
  bool Wait(absl::Duration duration) override;

  // From now on nothing waits: Get() makes at most one attempt.
  void Interrupt();

 private:
  const ConnectOptions options_;
  ConnectBackoff backoff_;
  std::unique_ptr<Session> session_;
  std::int64_t next_attempt_ = 0;
  absl::Status last_failure_;
  Mutex mutex_;
  CondVar wake_;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::pg
