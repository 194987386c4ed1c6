#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/pg/connection.h"

namespace switchyard::pg {

// Hands out one session at a time and replaces a broken one.
class SessionProvider {
 public:
  virtual ~SessionProvider() = default;
  // The current session, or a new one; tries again for `patience` while the database is away. Borrowed until Discard().
  virtual absl::StatusOr<Session*> Get(absl::Duration patience) = 0;
  // Drops the current session.
  virtual void Discard() = 0;
  // False when `duration` was cut short because the owner stops.
  virtual bool Wait(absl::Duration duration) = 0;
};

struct TransactionOptions {
  // For the whole, reruns included.
  absl::Duration timeout = absl::Seconds(10);
  // How often it runs again after 40001 and 40P01.
  int reruns = 5;
  // How long a transaction that lost its session waits for the database to come back.
  absl::Duration reconnect_wait = absl::Seconds(3);
};

// Runs `body` inside BEGIN and COMMIT. `body` may run several times and must not have effects outside of the database;
// when it fails, everything is rolled back and its failure answered.
//
// - 40001 and 40P01: it runs again, a bounded number of times.
// - The session is lost before COMMIT was sent, so nothing happened: it runs again once, on a new session.
// - The answer to COMMIT is lost: a new session asks pg_xact_status. Committed is answered as success; rolled back
//   counts as lost before COMMIT; what stays unknown is UNAVAILABLE, reason COMMIT_UNKNOWN. After a restart of the
//   server "committed" proves nothing, since ids that were never flushed are given out again: unknown.
absl::Status RunTransaction(SessionProvider& sessions, const TransactionOptions& options,
                            absl::FunctionRef<absl::Status(Session&)> body);

}  // namespace switchyard::pg
