#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/strings.h"
#include "libs/pg/connect_options.h"
#include "libs/pg/failpoints.h"
#include "libs/pg/params.h"
#include "libs/pg/result.h"
#include "libs/pg/statement.h"

struct pg_conn;

namespace switchyard::pg {

struct TransactionId {
  std::uint64_t value = 0;
  friend bool operator==(const TransactionId&, const TransactionId&) = default;
};

struct CommitOutcome {
  enum class State {
    kCommitted,
    // For certain: nothing of the transaction remains.
    kRolledBack,
    // COMMIT was sent and no answer came; `pg_xact_status` of the transaction's id may tell.
    kUnknown,
  };
  State state = State::kCommitted;
  // OK when committed.
  absl::Status status;
};

struct ExecuteOptions {
  // For this execution, at the server; zero means the session's own. Rounded up to 50 ms, so that calls share a
  // setting.
  absl::Duration timeout = absl::ZeroDuration();
};

struct Notification {
  std::string channel;
  std::string payload;
};

// One session with the database, over libpq in pipeline mode: what is queued (BEGIN, preparation, statements) goes out
// in one round trip. Statements are prepared when first used. Not thread-safe. Every wait ends: by the server's
// statement_timeout, or `io_grace` later by giving the session up.
//
// A session that lost its connection is broken for good: every call answers DATABASE_UNAVAILABLE; make another.
class Session {
 public:
  struct Call {
    const Statement* statement;
    const Params* params;
  };

  // UNAVAILABLE when the server cannot be reached within `connect_timeout`. Blocks.
  static absl::StatusOr<std::unique_ptr<Session>> Connect(const ConnectOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // A failure inside a transaction leaves only Rollback() to do. Failures carry SQLSTATE and reason (sqlstate.h).
  absl::StatusOr<Result> Execute(const Statement& statement, const Params& params = Params(),
                                 const ExecuteOptions& options = {});
  // Several in one round trip, in order; outside a transaction they are one by themselves. The first failure is
  // answered, and the later ones have not run.
  absl::StatusOr<std::vector<Result>> ExecuteAll(absl::Span<const Call> calls, const ExecuteOptions& options = {});
  // Any number of statements, unprepared: for DDL. Not for values.
  absl::Status RunScript(std::string_view sql);

  // Sends nothing yet: BEGIN, and for `kWrite` the query of the transaction's id, ride with the first statement.
  enum class Intent { kRead, kWrite };
  absl::Status Begin(Intent intent = Intent::kWrite);
  CommitOutcome Commit();
  absl::Status Rollback();
  bool in_transaction() const { return transaction_ != Transaction::kNone; }
  // Of the transaction begun last with kWrite, once its first statement was answered.
  std::optional<TransactionId> transaction_id() const { return transaction_id_; }

  // Gives the session up when the server has not answered by then; for transactions bounded as a whole.
  void GiveUpAt(std::int64_t steady_nanos) { give_up_at_ = steady_nanos; }
  void NeverGiveUp() { give_up_at_ = 0; }

  bool broken() const { return broken_; }
  // Looks at the socket of an idle session, without a round trip: false when the server has closed it.
  bool LooksAlive();
  int backend_pid() const;
  // The same for two sessions means: the server did not restart nor recover between their starts, so transaction ids
  // were not given out twice.
  const std::string& incarnation() const { return incarnation_; }

  // Waits for notifications of channels listened to, until some came, `within` passed, or `wake_fd` became readable.
  absl::StatusOr<std::vector<Notification>> WaitForNotifications(absl::Duration within, int wake_fd);

 private:
  enum class Transaction { kNone, kPending, kOpen };
  enum class Step { kSetUp, kPrepare, kTransactionId, kCall };
  struct Prepared {
    std::vector<std::uint32_t> types;
    std::string name;
    bool ready = false;
  };

  Session(pg_conn* connection, const ConnectOptions& options);
  absl::Status LearnServer();
  absl::Status Usable() const;
  // Queues preparation, if still needed, and execution.
  void Enqueue(const Statement& statement, const Params& params, Step step);
  // Sends what is queued and takes in the answers, one per step; the first failure is returned.
  absl::Status Exchange(absl::Duration timeout, std::vector<Result>* results, std::string* tag = nullptr);
  absl::Status ReadAnswers(std::int64_t deadline, bool pipeline, absl::FunctionRef<void(pg_result*)> take);
  // False when the deadline passed first.
  bool WaitForSocket(bool to_write, std::int64_t deadline);
  absl::Status Lose(std::string_view why);
  absl::Status ToStatus(const pg_result* result);
  void Disconnect();
  std::int64_t Deadline(absl::Duration timeout) const;

  pg_conn* const connection_;
  const absl::Duration statement_timeout_;
  const absl::Duration io_grace_;
  Failpoints& failpoints_;
  std::string incarnation_;
  bool broken_ = false;
  // A prepared statement no longer fits the tables.
  bool stale_ = false;
  std::int64_t give_up_at_ = 0;
  Transaction transaction_ = Transaction::kNone;
  Intent intent_ = Intent::kWrite;
  std::optional<TransactionId> transaction_id_;
  // What the server's statement_timeout is; negative when a rollback may have changed it.
  std::int64_t server_timeout_ms_;
  StringMap<std::vector<Prepared>> prepared_;
  int next_name_ = 0;
  std::vector<Step> steps_;
  // Scratch of Enqueue.
  std::vector<const char*> values_;
  std::vector<int> lengths_, formats_;
  std::vector<std::uint32_t> types_;
};

}  // namespace switchyard::pg
