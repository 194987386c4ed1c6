#include "libs/pg/connection.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/pg/sqlstate.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() : connect_(testing::SharedPostgres().NewDatabase()) {}
  void SetUp() override { session_ = Open(); }
  std::unique_ptr<Session> Open() {
    absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect_);
    EXPECT_THAT(session, IsOk());
    return session.ok() ? *std::move(session) : nullptr;
  }
  std::int64_t Number(const Statement& statement, const Params& params = Params()) {
    absl::StatusOr<Result> result = session_->Execute(statement, params);
    EXPECT_THAT(result, IsOk());
    return result.ok() && !result->empty() ? (*result)[0].Int64(0) : -1;
  }

  ConnectOptions connect_;
  std::unique_ptr<Session> session_;
};

constexpr Statement kOne{"one", "SELECT 1"};
constexpr Statement kSleep{"sleep", "SELECT pg_sleep(30)"};
constexpr Statement kDivide{"divide", "SELECT 1 / $1"};
constexpr Statement kKill{"kill", "SELECT pg_terminate_backend($1)"};
constexpr Statement kInsert{"insert", "INSERT INTO t VALUES ($1) RETURNING id"};
constexpr Statement kCount{"count", "SELECT count(*) FROM t"};

TEST_F(SessionTest, BringsEveryTypeThereAndBack) {
  const Uuid id = *Uuid::Parse("0189f7e5-1234-7abc-8def-0123456789ab");
  const absl::Time time = absl::FromUnixMicros(1'700'000'000'123'456);
  const std::string bytes("\0\xff\n", 3);
  constexpr Statement kEcho{"echo", "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::text, $10::smallint, $11"};
  Params params;
  params.Add(std::int64_t{-5}).Add(std::int32_t{7}).Add(true).Add(2.5).Add("grüße").Add(Bytes{bytes}).Add(id).Add(time);
  params.Add(std::optional<std::string>()).Add(std::int32_t{-3}).Add(absl::InfiniteFuture());
  SY_ASSERT_OK_AND_ASSIGN(const Result result, session_->Execute(kEcho, params));
  const Row row = result[0];
  EXPECT_EQ(row.Int64(0), -5);
  EXPECT_EQ(row.Int64(1), 7);
  EXPECT_TRUE(row.Bool(2));
  EXPECT_EQ(row.Double(3), 2.5);
  EXPECT_EQ(row.Text(4), "grüße");
  EXPECT_EQ(row.Bytes(5), bytes);
  EXPECT_EQ(row.GetUuid(6), id);
  EXPECT_EQ(row.Time(7), time);
  EXPECT_TRUE(row.IsNull(8));
  EXPECT_EQ(row.OptionalText(8), std::nullopt);
  EXPECT_EQ(row.Int64(9), -3);
  EXPECT_EQ(row.Time(10), absl::InfiniteFuture());
}

TEST_F(SessionTest, BringsArraysThereAndBack) {
  UuidArray ids;
  TextArray texts;
  BytesArray blobs;
  Int64Array longs;
  Int32Array ints;
  Int16Array shorts;
  BoolArray flags;
  DoubleArray numbers;
  TimeArray times;
  for (int i = 0; i < 2; ++i) {
    ids.Append(Uuid());
    texts.Append(i == 0 ? "a,\"b\\" : "");
    blobs.Append(std::string_view("\0", 1));
    longs.Append(std::int64_t{1} << 40);
    ints.Append(-i);
    shorts.Append(static_cast<std::int16_t>(i));
    flags.Append(i == 1);
    numbers.Append(0.5);
    times.Append(absl::UnixEpoch());
  }
  texts.AppendNull();
  constexpr Statement kUnnest{
      "unnest", "SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS t(a, b, c, d, e, f, g, h, i)"};
  Params params;
  params.Add(ids).Add(texts).Add(blobs).Add(longs).Add(ints).Add(shorts).Add(flags).Add(numbers).Add(times);
  SY_ASSERT_OK_AND_ASSIGN(const Result result, session_->Execute(kUnnest, params));
  ASSERT_EQ(result.size(), 3);
  EXPECT_EQ(result[0].Text(1), "a,\"b\\");
  EXPECT_EQ(result[1].Text(1), "");
  EXPECT_FALSE(result[1].IsNull(1));
  EXPECT_TRUE(result[2].IsNull(1));
  EXPECT_EQ(result[1].Int64(3), std::int64_t{1} << 40);
  EXPECT_EQ(result[1].Int64(4), -1);
  EXPECT_TRUE(result[1].Bool(6));
  EXPECT_EQ(result[1].Time(8), absl::UnixEpoch());

  constexpr Statement kWhole{"whole", "SELECT $1, $2, $3, '{}'::text[]"};
  SY_ASSERT_OK_AND_ASSIGN(const Result whole, session_->Execute(kWhole, Params().Add(texts).Add(longs).Add(ids)));
  EXPECT_THAT(whole[0].TextArray(0), ElementsAre("a,\"b\\", "", ""));
  EXPECT_THAT(whole[0].Int64Array(1), ElementsAre(std::int64_t{1} << 40, std::int64_t{1} << 40));
  EXPECT_EQ(whole[0].UuidArray(2).size(), 2u);
  EXPECT_THAT(whole[0].TextArray(3), ElementsAre());
}

TEST_F(SessionTest, SendsEmptyArraysAsEmpty) {
  const TextArray none;
  EXPECT_EQ(Number({"cardinality", "SELECT cardinality($1)"}, Params().Add(none)), 0);
}

TEST_F(SessionTest, PreparesAgainForOtherTypesOfTheSameStatement) {
  constexpr Statement kIsNull{"is_null", "SELECT ($1::bigint IS NULL)::int"};
  EXPECT_EQ(Number(kIsNull, Params().AddNull()), 1);
  EXPECT_EQ(Number(kIsNull, Params().Add(std::int64_t{1})), 0);
  EXPECT_EQ(Number(kIsNull, Params().Add(std::int32_t{1})), 0);
}

TEST_F(SessionTest, SetsUpEverySession) {
  const auto setting = [&](std::string_view name) {
    absl::StatusOr<Result> result = session_->Execute({"setting", "SELECT current_setting($1)"}, Params().Add(name));
    return result.ok() ? std::string((*result)[0].Text(0)) : result.status().ToString();
  };
  EXPECT_EQ(setting("default_transaction_isolation"), "read committed");
  EXPECT_EQ(setting("synchronous_commit"), "on");
  EXPECT_EQ(setting("TimeZone"), "UTC");
  EXPECT_EQ(setting("client_encoding"), "UTF8");
  EXPECT_EQ(setting("statement_timeout"), "10s");
  EXPECT_EQ(setting("lock_timeout"), "5s");
  EXPECT_EQ(setting("idle_in_transaction_session_timeout"), "30s");
}

TEST_F(SessionTest, GoesOnAfterAFailure) {
  const absl::Status failed = session_->Execute(kDivide, Params().Add(std::int32_t{0})).status();
  EXPECT_TRUE(absl::IsInvalidArgument(failed)) << failed;
  EXPECT_EQ(SqlStateOf(failed), "22012");
  EXPECT_EQ(Number(kDivide, Params().Add(std::int32_t{1})), 1);
}

TEST_F(SessionTest, StopsAtTheFirstFailureOfSeveralAndUndoesThem) {
  ASSERT_THAT(session_->RunScript("CREATE TABLE t (id bigint PRIMARY KEY)"), IsOk());
  const Params one = Params().Add(std::int64_t{1});
  const Params zero = Params().Add(std::int32_t{0});
  const Session::Call calls[] = {{&kInsert, &one}, {&kDivide, &zero}, {&kInsert, &one}};
  EXPECT_TRUE(absl::IsInvalidArgument(session_->ExecuteAll(calls).status()));
  EXPECT_EQ(Number(kCount), 0);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Result> results, session_->ExecuteAll(absl::MakeSpan(calls, 1)));
  EXPECT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].affected(), 1);
}

TEST_F(SessionTest, EndsAStatementAtItsTimeout) {
  EXPECT_THAT(session_->Execute(kSleep, Params(), {.timeout = absl::Milliseconds(50)}), IsError("STATEMENT_TIMEOUT"));
  EXPECT_EQ(Number({"timeout", "SELECT extract(epoch FROM current_setting('statement_timeout')::interval)::int"}), 10)
      << "the next execution has the session's own again";
}

TEST_F(SessionTest, ReportsATakenKey) {
  ASSERT_THAT(session_->RunScript("CREATE TABLE t (id bigint PRIMARY KEY)"), IsOk());
  EXPECT_THAT(session_->Execute(kInsert, Params().Add(std::int64_t{1})), IsOk());
  const absl::Status taken = session_->Execute(kInsert, Params().Add(std::int64_t{1})).status();
  EXPECT_TRUE(absl::IsAlreadyExists(taken));
  EXPECT_THAT(taken, IsError("CONSTRAINT_VIOLATED"));
}

TEST_F(SessionTest, KnowsItsTransactionIdBeforeTheCommit) {
  ASSERT_THAT(session_->RunScript("CREATE TABLE t (id bigint PRIMARY KEY)"), IsOk());
  ASSERT_THAT(session_->Begin(), IsOk());
  EXPECT_EQ(session_->transaction_id(), std::nullopt);
  ASSERT_THAT(session_->Execute(kInsert, Params().Add(std::int64_t{1})), IsOk());
  ASSERT_TRUE(session_->transaction_id().has_value());
  const std::int64_t inside = Number({"xid", "SELECT pg_current_xact_id()::text::bigint"});
  EXPECT_EQ(session_->transaction_id()->value, static_cast<std::uint64_t>(inside));
  const CommitOutcome outcome = session_->Commit();
  EXPECT_EQ(outcome.state, CommitOutcome::State::kCommitted) << outcome.status;
  EXPECT_EQ(Number(kCount), 1);
}

TEST_F(SessionTest, RollbackUndoes) {
  ASSERT_THAT(session_->RunScript("CREATE TABLE t (id bigint PRIMARY KEY)"), IsOk());
  ASSERT_THAT(session_->Begin(), IsOk());
  ASSERT_THAT(session_->Execute(kInsert, Params().Add(std::int64_t{1})), IsOk());
  ASSERT_THAT(session_->Rollback(), IsOk());
  EXPECT_EQ(Number(kCount), 0);
}

TEST_F(SessionTest, CommitOfAFailedTransactionSaysSo) {
  ASSERT_THAT(session_->Begin(), IsOk());
  EXPECT_FALSE(session_->Execute(kDivide, Params().Add(std::int32_t{0})).ok());
  const CommitOutcome outcome = session_->Commit();
  EXPECT_EQ(outcome.state, CommitOutcome::State::kRolledBack);
  EXPECT_FALSE(outcome.status.ok());
}

TEST_F(SessionTest, IsBrokenForGoodOnceTheServerEndedIt) {
  const std::unique_ptr<Session> other = Open();
  ASSERT_THAT(other->Execute(kKill, Params().Add(std::int32_t{session_->backend_pid()})), IsOk());
  EXPECT_THAT(session_->Execute(kSleep), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_TRUE(session_->broken());
  EXPECT_FALSE(session_->LooksAlive());
  EXPECT_THAT(session_->Execute(kOne), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(session_->RunScript("SELECT 1"), IsError("DATABASE_UNAVAILABLE"));
}

TEST_F(SessionTest, RefusesAStalePlanAsSomethingToRunAgain) {
  constexpr Statement kAll{"all", "SELECT * FROM t"};
  ASSERT_THAT(session_->RunScript("CREATE TABLE t (id bigint)"), IsOk());
  ASSERT_THAT(session_->Execute(kAll), IsOk());
  ASSERT_THAT(session_->RunScript("ALTER TABLE t ADD COLUMN more text"), IsOk());
  EXPECT_THAT(session_->Execute(kAll), IsError("RETRY_TRANSACTION"));
  EXPECT_TRUE(session_->broken());
}

TEST_F(SessionTest, MovesMegabytesWithoutStalling) {
  BytesArray blobs;
  const std::string blob(1 << 20, 'x');
  for (int i = 0; i < 24; ++i) blobs.Append(blob);
  SY_ASSERT_OK_AND_ASSIGN(const Result result,
                          session_->Execute({"echo_bytes", "SELECT unnest($1)"}, Params().Add(blobs)));
  EXPECT_EQ(result.size(), 24);
  EXPECT_EQ(result[23].Bytes(0).size(), blob.size());
}

TEST_F(SessionTest, CannotConnectWhereNobodyListens) {
  ConnectOptions nowhere = connect_;
  nowhere.host = "/tmp/no-such-folder";
  nowhere.password = "sesame";
  const absl::Status status = Session::Connect(nowhere).status();
  EXPECT_THAT(status, IsError("DATABASE_UNAVAILABLE"));
  EXPECT_EQ(status.ToString().find("sesame"), std::string::npos);
  EXPECT_EQ(nowhere.Describe().find("sesame"), std::string::npos);
}

TEST(PausedServerTest, SessionGivesUpOnAServerThatHangs) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, testing::ThrowawayPostgres::Create({}));
  ConnectOptions connect = postgres->NewDatabase();
  connect.statement_timeout = absl::Milliseconds(100);
  connect.io_grace = absl::Milliseconds(100);
  connect.connect_timeout = absl::Milliseconds(200);
  SY_ASSERT_OK_AND_ASSIGN(const auto session, Session::Connect(connect));
  postgres->Pause();
  EXPECT_THAT(session->Execute(kOne), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(Session::Connect(connect), IsError("DATABASE_UNAVAILABLE"));
  postgres->Resume();
  EXPECT_THAT(session->Execute(kOne), IsError("DATABASE_UNAVAILABLE"));
  connect.connect_timeout = absl::Seconds(20);
  connect.statement_timeout = absl::Seconds(20);
  EXPECT_THAT(Session::Connect(connect), IsOk());
}

}  // namespace
}  // namespace switchyard::pg
