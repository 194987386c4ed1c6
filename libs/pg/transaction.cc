#include "libs/pg/transaction.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/pg/sql/statements.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

using State = CommitOutcome::State;

constexpr absl::Duration kAskAgain = absl::Milliseconds(20);
constexpr absl::Duration kRerunPause = absl::Milliseconds(2);

class Run {
 public:
  Run(SessionProvider& sessions, const TransactionOptions& options)
      : sessions_(sessions),
        options_(options),
        deadline_(DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(options.timeout)) {}

  absl::Status Do(absl::FunctionRef<absl::Status(Session&)> body) {
    absl::Duration patience = absl::ZeroDuration();
    for (int reruns = 0, losses = 0;;) {
      absl::StatusOr<Session*> session = sessions_.Get(patience);
      if (!session.ok()) return session.status();
      absl::Status status = Attempt(**session, body);
      if (status.ok() || ReasonOf(status) == kCommitUnknown) return status;
      const bool lost = lost_;
      const bool rerun = IsRetryTransaction(status);
      if (Left() <= absl::ZeroDuration()) return status;
      if (rerun ? ++reruns > options_.reruns : !lost || ++losses > 1) return status;
      patience = std::min(Left(), options_.reconnect_wait);
      // Another session holds what this one wants; a loss waits in Get().
      if (rerun && !sessions_.Wait(reruns * kRerunPause)) return status;
    }
  }

 private:
  absl::Duration Left() const { return absl::Nanoseconds(deadline_ - DisciplinedClock::SteadyNanos()); }

  // Sets lost_ when the session went away and certainly nothing was committed.
  absl::Status Attempt(Session& session, absl::FunctionRef<absl::Status(Session&)> body) {
    lost_ = false;
    session.GiveUpAt(deadline_);
    absl::Status status = session.Begin();
    if (status.ok()) status = body(session);
    if (status.ok()) {
      CommitOutcome outcome = session.Commit();
      if (outcome.state == State::kUnknown) return Resolve(session, outcome.status);
      status = std::move(outcome.status);
    } else {
      session.Rollback().IgnoreError();
    }
    if (session.broken()) {
      lost_ = true;
      sessions_.Discard();
    } else {
      session.NeverGiveUp();
    }
    return status;
  }

  absl::Status Resolve(Session& lost, const absl::Status& why) {
    const std::optional<TransactionId> id = lost.transaction_id();
    const std::string incarnation = lost.incarnation();
    sessions_.Discard();
    const State state = id.has_value() ? Ask(*id, incarnation) : State::kUnknown;
    LogWarning("the answer of a commit was lost", {{"transaction", id.has_value() ? id->value : 0},
                                                   {"found", state == State::kCommitted    ? "committed"
                                                             : state == State::kRolledBack ? "rolled back"
                                                                                           : "unknown"}});
    if (state == State::kCommitted) return absl::OkStatus();
    if (state == State::kUnknown) {
      return MakeError(absl::StatusCode::kUnavailable, kCommitUnknown, "the answer of the commit was lost");
    }
    lost_ = true;
    return why;
  }

  State Ask(TransactionId id, const std::string& incarnation) {
    Params params;
    params.Add(absl::StrCat(id.value));
    for (;;) {
      const absl::Duration left = Left();
      if (left <= absl::ZeroDuration()) return State::kUnknown;
      absl::StatusOr<Session*> session = sessions_.Get(left);
      if (!session.ok()) return State::kUnknown;
      const bool same_server = (*session)->incarnation() == incarnation;
      absl::StatusOr<Result> answer = (*session)->Execute(sql::kTransactionStatus, params, {.timeout = left});
      if (!answer.ok()) {
        // The id lies in the future: it was never flushed, so neither was its commit.
        if (SqlStateOf(answer.status()) == "22023") return State::kRolledBack;
        if (!(*session)->broken()) return State::kUnknown;
        sessions_.Discard();
        continue;
      }
      const std::string_view status = answer->empty() ? std::string_view() : (*answer)[0].Text(0);
      if (status == "committed") return same_server ? State::kCommitted : State::kUnknown;
      if (status == "aborted") return State::kRolledBack;
      if (status != "in progress") return State::kUnknown;
      // Another transaction has the id by now.
      if (!same_server) return State::kRolledBack;
      if (!sessions_.Wait(kAskAgain)) return State::kUnknown;
    }
  }

  SessionProvider& sessions_;
  const TransactionOptions& options_;
  const std::int64_t deadline_;
  bool lost_ = false;
};

}  // namespace

absl::Status RunTransaction(SessionProvider& sessions, const TransactionOptions& options,
                            absl::FunctionRef<absl::Status(Session&)> body) {
  return Run(sessions, options).Do(body);
}

}  // namespace switchyard::pg
