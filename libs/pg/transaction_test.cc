#include "libs/pg/transaction.h"

#include <signal.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "libs/pg/reconnecting_session.h"
#include "libs/pg/sqlstate.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

constexpr Statement kInsertInside{"insert", "INSERT INTO t VALUES ($1)"};
constexpr Statement kCountInside{"count", "SELECT count(*) FROM t"};
constexpr Statement kStatus{"status", "SELECT pg_xact_status($1::text::xid8)"};

class TransactionTest : public ::testing::Test {
 protected:
  TransactionTest() : connect_(testing::SharedPostgres().NewDatabase()) {
    connect_.failpoints = &failpoints_;
    sessions_ = std::make_unique<ReconnectingSession>(connect_, *rng_);
    absl::StatusOr<Session*> session = sessions_->Get(absl::ZeroDuration());
    EXPECT_THAT(session, IsOk());
    EXPECT_THAT((*session)->RunScript("CREATE TABLE t (id bigint)"), IsOk());
  }
  absl::Status InsertOne(const TransactionOptions& options = {}) {
    return RunTransaction(*sessions_, options, [&](Session& session) {
      ++runs_;
      return session.Execute(kInsertInside, Params().Add(std::int64_t{1})).status();
    });
  }
  std::int64_t Count() {
    absl::StatusOr<Session*> session = sessions_->Get(absl::Seconds(10));
    absl::StatusOr<Result> result = session.ok() ? (*session)->Execute(kCountInside) : session.status();
    EXPECT_THAT(result, IsOk());
    return result.ok() ? (*result)[0].Int64(0) : -1;
  }

  Failpoints failpoints_;
  ConnectOptions connect_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(3);
  std::unique_ptr<ReconnectingSession> sessions_;
  int runs_ = 0;
};

TEST_F(TransactionTest, AnswersALandedCommitWhoseAnswerWasLostAsCommitted) {
  failpoints_.Set(Failpoint::kCommitAnswerLost, {.times = 1});
  EXPECT_THAT(InsertOne(), IsOk());
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(Count(), 1);
}

TEST_F(TransactionTest, RunsAgainOnceWhenTheConnectionWentBeforeTheCommit) {
  failpoints_.Set(Failpoint::kBeforeCommitDisconnect, {.times = 1});
  EXPECT_THAT(InsertOne(), IsOk());
  EXPECT_EQ(runs_, 2);
  EXPECT_EQ(Count(), 1);
}

TEST_F(TransactionTest, GivesUpWhenTheConnectionGoesAgain) {
  failpoints_.Set(Failpoint::kBeforeCommitDisconnect, {.times = 2});
  EXPECT_THAT(InsertOne(), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_EQ(runs_, 2);
  EXPECT_EQ(Count(), 0);
}

TEST_F(TransactionTest, RunsAgainAfterASerializationFailure) {
  const absl::Status status = RunTransaction(*sessions_, {}, [&](Session& session) -> absl::Status {
    const absl::Status inserted = session.Execute(kInsertInside, Params().Add(std::int64_t{1})).status();
    return ++runs_ < 3 ? FromSqlState("40001", "try again") : inserted;
  });
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(runs_, 3);
  EXPECT_EQ(Count(), 1);
}

TEST_F(TransactionTest, RunsAgainOnlySoOften) {
  const absl::Status status = RunTransaction(*sessions_, {.reruns = 2}, [&](Session&) {
    ++runs_;
    return FromSqlState("40P01", "deadlock");
  });
  EXPECT_THAT(status, IsError("RETRY_TRANSACTION"));
  EXPECT_EQ(runs_, 3);
}

TEST_F(TransactionTest, RollsBackWhenTheBodyFails) {
  const absl::Status status = RunTransaction(*sessions_, {}, [&](Session& session) {
    EXPECT_THAT(session.Execute(kInsertInside, Params().Add(std::int64_t{1})), IsOk());
    return absl::NotFoundError("changed my mind");
  });
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(Count(), 0);
}

TEST_F(TransactionTest, RunsAgainOnAFreshSessionWhenAPlanWentStale) {
  constexpr Statement kAll{"all", "SELECT * FROM t"};
  const auto all = [&](Session& session) { return session.Execute(kAll).status(); };
  ASSERT_THAT(RunTransaction(*sessions_, {}, all), IsOk());
  ASSERT_THAT((*sessions_->Get(absl::ZeroDuration()))->RunScript("ALTER TABLE t ADD COLUMN more text"), IsOk());
  EXPECT_THAT(RunTransaction(*sessions_, {}, all), IsOk());
}

// Hands out ready-made sessions: what a transaction meets after its server was replaced by another.
class TwoServers final : public SessionProvider {
 public:
  TwoServers(std::unique_ptr<Session> first, std::unique_ptr<Session> second)
      : current_(std::move(first)), next_(std::move(second)) {}
  absl::StatusOr<Session*> Get(absl::Duration) override { return current_.get(); }
  void Discard() override { current_ = std::move(next_); }
  bool Wait(absl::Duration) override { return true; }

 private:
  std::unique_ptr<Session> current_, next_;
};

TEST_F(TransactionTest, DoesNotTrustATransactionIdAcrossARestart) {
  SY_ASSERT_OK_AND_ASSIGN(const auto other, testing::ThrowawayPostgres::Create({}));
  ConnectOptions elsewhere = other->NewDatabase();
  elsewhere.failpoints = &failpoints_;
  SY_ASSERT_OK_AND_ASSIGN(auto first, Session::Connect(connect_));
  SY_ASSERT_OK_AND_ASSIGN(auto second, Session::Connect(elsewhere));
  SY_ASSERT_OK_AND_ASSIGN(auto helper, Session::Connect(elsewhere));
  // The other server gives out the same id, and commits it.
  ASSERT_THAT(first->Begin(), IsOk());
  ASSERT_THAT(first->Execute(kInsertInside, Params().Add(std::int64_t{1})), IsOk());
  const std::uint64_t id = first->transaction_id()->value + 1;
  ASSERT_THAT(first->Rollback(), IsOk());
  for (std::uint64_t reached = 0; reached < id;) {
    SY_ASSERT_OK_AND_ASSIGN(const Result result, helper->Execute({"next", "SELECT pg_current_xact_id()"}));
    reached = static_cast<std::uint64_t>(result[0].Int64(0));
  }
  SY_ASSERT_OK_AND_ASSIGN(const Result found, helper->Execute(kStatus, Params().Add(std::to_string(id))));
  ASSERT_EQ(found[0].Text(0), "committed");

  failpoints_.Set(Failpoint::kCommitAnswerLost, {.times = 1});
  TwoServers sessions(std::move(first), std::move(second));
  const absl::Status status = RunTransaction(sessions, {}, [&](Session& session) {
    return session.Execute(kInsertInside, Params().Add(std::int64_t{1})).status();
  });
  EXPECT_THAT(status, IsError("COMMIT_UNKNOWN"));
}

TEST(IncarnationTest, ChangesWithARestartAndWithCrashRecovery) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  const ConnectOptions connect = postgres->NewDatabase();
  const auto incarnation = [&] {
    for (;;) {
      absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect);
      if (session.ok()) return (*session)->incarnation();
    }
  };
  const std::string first = incarnation();
  EXPECT_EQ(incarnation(), first);
  ASSERT_THAT(postgres->Restart(), IsOk());
  const std::string second = incarnation();
  EXPECT_NE(second, first);
  // A crashed backend makes the postmaster set up shared memory anew, without restarting itself.
  SY_ASSERT_OK_AND_ASSIGN(const auto victim, Session::Connect(connect));
  ASSERT_EQ(kill(victim->backend_pid(), SIGKILL), 0);
  EXPECT_FALSE(victim->Execute(kCountInside).ok());
  // Until the postmaster has noticed, it lets new sessions in.
  std::string third = incarnation();
  for (int tries = 0; third == second && tries < 1'000; ++tries) third = incarnation();
  EXPECT_NE(third, second);
}

}  // namespace
}  // namespace switchyard::pg
