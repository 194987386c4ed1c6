#include "libs/pg/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/pg/sql/statements.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

constexpr int kBinary = 1;
constexpr std::int64_t kTimeoutStepMs = 50;
// libpq answers null between the answers of a pipeline; more of them in a row would mean that it waits for nothing.
constexpr int kMostNulls = 16;

std::int64_t RoundUpMs(absl::Duration timeout) {
  const std::int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(kTimeoutStepMs)));
  return std::max(ms, kTimeoutStepMs);
}

const Params& NoParams() {
  static const Params& none = *new Params();
  return none;
}

}  // namespace

absl::Status Session::Usable() const {
  return broken_ ? DatabaseUnavailable("the session has lost its connection") : absl::OkStatus();
}

std::int64_t Session::Deadline(absl::Duration timeout) const {
  const absl::Duration whole = (timeout > absl::ZeroDuration() ? timeout : statement_timeout_) + io_grace_;
  const std::int64_t deadline = DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(whole);
  return give_up_at_ == 0 ? deadline : std::min(deadline, give_up_at_);
}

absl::StatusOr<Result> Session::Execute(const Statement& statement, const Params& params,
                                        const ExecuteOptions& options) {
  const Call call{&statement, &params};
  SY_ASSIGN_OR_RETURN(std::vector<Result> results, ExecuteAll(absl::MakeConstSpan(&call, 1), options));
  return std::move(results.front());
}

absl::StatusOr<std::vector<Result>> Session::ExecuteAll(absl::Span<const Call> calls, const ExecuteOptions& options) {
  SY_RETURN_IF_ERROR(Usable());
  for (const Call& call : calls) SY_RETURN_IF_ERROR(call.params->status());
  if (failpoints_.Hit(Failpoint::kExecuteDelay)) {
    poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(failpoints_.delay(Failpoint::kExecuteDelay))));
  }
  steps_.clear();
  if (transaction_ == Transaction::kPending) {
    Enqueue(sql::kBegin, NoParams(), Step::kSetUp);
    if (intent_ == Intent::kWrite) Enqueue(sql::kCurrentTransaction, NoParams(), Step::kTransactionId);
    transaction_ = Transaction::kOpen;
  }
  const std::int64_t wanted_ms = options.timeout > absl::ZeroDuration() ? RoundUpMs(options.timeout)
                                                                        : absl::ToInt64Milliseconds(statement_timeout_);
  if (wanted_ms != server_timeout_ms_) {
    Params timeout;
    timeout.Add(absl::StrCat(wanted_ms));
    Enqueue(sql::kSetStatementTimeout, timeout, Step::kSetUp);
    server_timeout_ms_ = wanted_ms;
  }
  for (const Call& call : calls) Enqueue(*call.statement, *call.params, Step::kCall);
  std::vector<Result> results;
  results.reserve(calls.size());
  if (absl::Status status = Exchange(options.timeout, &results); !status.ok()) {
    server_timeout_ms_ = -1;
    return status;
  }
  return results;
}

void Session::Enqueue(const Statement& statement, const Params& params, Step step) {
  if (broken_) return;
  types_.clear();
  values_.clear();
  lengths_.clear();
  for (const Params::Slot& slot : params.slots_) {
    types_.push_back(slot.oid);
    const char* value = slot.borrowed != nullptr ? slot.borrowed : params.copied_.data() + slot.offset;
    values_.push_back(slot.null ? nullptr : value);
    lengths_.push_back(static_cast<int>(slot.length));
  }
  const int count = static_cast<int>(types_.size());
  formats_.assign(types_.size(), kBinary);

  auto variants = prepared_.find(statement.sql);
  if (variants == prepared_.end()) variants = prepared_.try_emplace(std::string(statement.sql)).first;
  auto prepared = std::find_if(variants->second.begin(), variants->second.end(),
                               [&](const Prepared& each) { return each.types == types_; });
  bool sent = true;
  if (prepared == variants->second.end()) {
    variants->second.push_back({.types = types_, .name = absl::StrCat(ToAbsl(statement.name), "_", ++next_name_)});
    prepared = std::prev(variants->second.end());
    // The statement's text is followed by a NUL in the map's key.
    sent = PQsendPrepare(connection_, prepared->name.c_str(), variants->first.c_str(), count, types_.data()) == 1;
    steps_.push_back(Step::kPrepare);
  }
  sent = sent && PQsendQueryPrepared(connection_, prepared->name.c_str(), count, values_.data(), lengths_.data(),
                                     formats_.data(), kBinary) == 1;
  steps_.push_back(step);
  if (!sent) Lose(PQerrorMessage(connection_)).IgnoreError();
}

absl::Status Session::Exchange(absl::Duration timeout, std::vector<Result>* results, std::string* tag) {
  // Preparations of this exchange that did not succeed are forgotten; those of earlier ones are settled.
  bool prepare_failed = false;
  const auto settle = absl::MakeCleanup([&] {
    if (std::find(steps_.begin(), steps_.end(), Step::kPrepare) == steps_.end()) return;
    for (auto& [sql, variants] : prepared_) {
      if (prepare_failed) std::erase_if(variants, [](const Prepared& each) { return !each.ready; });
      for (Prepared& each : variants) each.ready = true;
    }
  });
  SY_RETURN_IF_ERROR(Usable());
  if (PQpipelineSync(connection_) != 1) return Lose(PQerrorMessage(connection_));
  absl::Status failure;
  std::size_t index = 0;
  SY_RETURN_IF_ERROR(ReadAnswers(Deadline(timeout), true, [&](pg_result* taken) {
    Result result(taken);
    const Step step = index < steps_.size() ? steps_[index] : Step::kCall;
    ++index;
    const ExecStatusType status = PQresultStatus(taken);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      if (step == Step::kTransactionId) transaction_id_ = TransactionId{static_cast<std::uint64_t>(result[0].Int64(0))};
      if (step != Step::kCall) return;
      if (tag != nullptr) *tag = PQcmdStatus(taken);
      if (results != nullptr) results->push_back(std::move(result));
      return;
    }
    // What follows the first failure is only its echo.
    if (failure.ok() && status != PGRES_PIPELINE_ABORTED) failure = ToStatus(taken);
    prepare_failed = true;
  }));
  if (stale_) Disconnect();
  return failure;
}

absl::Status Session::ReadAnswers(std::int64_t deadline, bool pipeline, absl::FunctionRef<void(pg_result*)> take) {
  int nulls = 0;
  bool to_write = true;
  std::string last_words;
  for (;;) {
    if (to_write) {
      const int unsent = PQflush(connection_);
      if (unsent < 0) return Lose(PQerrorMessage(connection_));
      to_write = unsent == 1;
    }
    while (PQisBusy(connection_) == 0) {
      pg_result* result = PQgetResult(connection_);
      if (PQstatus(connection_) == CONNECTION_BAD) {
        if (result != nullptr) {
          const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
          if (message != nullptr) last_words = message;
          PQclear(result);
        }
        return Lose(last_words.empty() ? PQerrorMessage(connection_) : last_words);
      }
      if (result == nullptr) {
        if (!pipeline) return absl::OkStatus();
        if (++nulls > kMostNulls) return Lose("the connection fell out of step");
        continue;
      }
      nulls = 0;
      if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        return absl::OkStatus();
      }
      if (const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) last_words = message;
      take(result);
    }
    if (!WaitForSocket(to_write, deadline)) return Lose("the database did not answer in time");
    if (PQconsumeInput(connection_) == 0 && PQstatus(connection_) == CONNECTION_BAD) {
      return Lose(last_words.empty() ? PQerrorMessage(connection_) : last_words);
    }
  }
}

bool Session::WaitForSocket(bool to_write, std::int64_t deadline) {
  for (;;) {
    const std::int64_t left = deadline - DisciplinedClock::SteadyNanos();
    if (left <= 0) return false;
    pollfd socket{.fd = PQsocket(connection_), .events = static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN)};
    const std::int64_t ms = std::min<std::int64_t>(left / 1'000'000 + 1, std::numeric_limits<int>::max());
    if (poll(&socket, 1, static_cast<int>(ms)) > 0) return true;
  }
}

absl::Status Session::Lose(std::string_view why) {
  absl::Status status =
      DatabaseUnavailable(absl::StrCat("lost the database: ", absl::StripAsciiWhitespace(ToAbsl(why))));
  Disconnect();
  return status;
}

void Session::Disconnect() {
  broken_ = true;
  // At once, so that the server drops locks and transaction without waiting for the session's destructor.
  if (const int socket = PQsocket(connection_); socket >= 0) shutdown(socket, SHUT_RDWR);
}

absl::Status Session::ToStatus(const pg_result* result) {
  const auto field = [&](int code) -> std::string_view {
    const char* text = PQresultErrorField(result, code);
    return text == nullptr ? std::string_view() : std::string_view(text);
  };
  const std::string_view sqlstate = field(PG_DIAG_SQLSTATE);
  // A migration changed what the plan reads, or the statement is gone: a fresh session prepares it anew.
  if ((sqlstate == "0A000" && field(PG_DIAG_SOURCE_FUNCTION) == "RevalidateCachedQuery") || sqlstate == "26000") {
    stale_ = true;
    return MakeError(
        absl::StatusCode::kAborted, field(PG_DIAG_MESSAGE_PRIMARY),
        ErrorDetails{.reason = std::string(kRetryTransaction), .metadata = {{"sqlstate", std::string(sqlstate)}}});
  }
  if (sqlstate.empty()) return DatabaseUnavailable("the database answered without a code");
  return FromSqlState(sqlstate, field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_CONSTRAINT_NAME));
}

absl::Status Session::RunScript(std::string_view sql) {
  SY_RETURN_IF_ERROR(Usable());
  if (PQexitPipelineMode(connection_) != 1) return Lose(PQerrorMessage(connection_));
  if (PQsendQuery(connection_, std::string(sql).c_str()) != 1) return Lose(PQerrorMessage(connection_));
  absl::Status failure;
  SY_RETURN_IF_ERROR(ReadAnswers(Deadline(absl::ZeroDuration()), false, [&](pg_result* taken) {
    const Result result(taken);
    const ExecStatusType status = PQresultStatus(taken);
    if (failure.ok() && status == PGRES_FATAL_ERROR) failure = ToStatus(taken);
  }));
  if (PQenterPipelineMode(connection_) != 1) return Lose(PQerrorMessage(connection_));
  return failure;
}

absl::Status Session::Begin(Intent intent) {
  SY_RETURN_IF_ERROR(Usable());
  if (in_transaction()) return absl::FailedPreconditionError("the session is in a transaction already");
  transaction_ = Transaction::kPending;
  intent_ = intent;
  transaction_id_.reset();
  return absl::OkStatus();
}

CommitOutcome Session::Commit() {
  using State = CommitOutcome::State;
  const Transaction former = std::exchange(transaction_, Transaction::kNone);
  if (broken_) return {State::kRolledBack, Usable()};
  // Nothing was executed.
  if (former != Transaction::kOpen) return {State::kCommitted, absl::OkStatus()};
  if (failpoints_.Hit(Failpoint::kBeforeCommitDisconnect)) return {State::kRolledBack, Lose("failpoint before commit")};
  steps_.clear();
  Enqueue(sql::kCommit, NoParams(), Step::kCall);
  std::string tag;
  absl::Status status = Exchange(absl::ZeroDuration(), nullptr, &tag);
  if (!broken_ && failpoints_.Hit(Failpoint::kCommitAnswerLost)) status = Lose("failpoint after commit");
  if (broken_) return {State::kUnknown, std::move(status)};
  if (!status.ok()) return {State::kRolledBack, std::move(status)};
  if (tag != "COMMIT") {
    return {State::kRolledBack, FromSqlState("25P02", "the transaction had failed before its commit")};
  }
  return {State::kCommitted, absl::OkStatus()};
}

absl::Status Session::Rollback() {
  const Transaction former = std::exchange(transaction_, Transaction::kNone);
  SY_RETURN_IF_ERROR(Usable());
  if (former != Transaction::kOpen) return absl::OkStatus();
  steps_.clear();
  Enqueue(sql::kRollback, NoParams(), Step::kCall);
  server_timeout_ms_ = -1;
  return Exchange(absl::ZeroDuration(), nullptr);
}

bool Session::LooksAlive() {
  // The last words of a server and its end of stream may need a read each.
  for (int reads = 0; reads < 3 && !broken_; ++reads) {
    pollfd socket{.fd = PQsocket(connection_), .events = POLLIN};
    if (poll(&socket, 1, 0) == 0) return true;
    if (PQconsumeInput(connection_) == 0 || PQstatus(connection_) == CONNECTION_BAD) Disconnect();
  }
  return !broken_;
}

int Session::backend_pid() const { return PQbackendPID(connection_); }

absl::StatusOr<std::vector<Notification>> Session::WaitForNotifications(absl::Duration within, int wake_fd) {
  SY_RETURN_IF_ERROR(Usable());
  std::vector<Notification> notifications;
  const auto take = [&] {
    while (PGnotify* notify = PQnotifies(connection_)) {
      notifications.push_back({notify->relname, notify->extra});
      PQfreemem(notify);
    }
    return !notifications.empty();
  };
  if (take()) return notifications;
  pollfd sockets[2] = {{.fd = PQsocket(connection_), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
  const std::int64_t ms = std::min<std::int64_t>(absl::ToInt64Milliseconds(within), std::numeric_limits<int>::max());
  if (poll(sockets, 2, static_cast<int>(ms)) > 0 && sockets[0].revents != 0) {
    if (PQconsumeInput(connection_) == 0) return Lose(PQerrorMessage(connection_));
    take();
  }
  return notifications;
}

}  // namespace switchyard::pg
