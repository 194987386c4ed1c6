#include "libs/pg/migrations.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pg/connection.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

const std::vector<Migration>& Two() {
  static const auto& migrations = *new std::vector<Migration>{
      {1, "first", "aa", "CREATE TABLE a (id int); INSERT INTO a VALUES (1);"},
      {2, "second", "bb", "ALTER TABLE a ADD COLUMN more text;\nCREATE TABLE b (id int);"},
  };
  return migrations;
}

class MigrationsTest : public ::testing::Test {
 protected:
  Migrator Make(const std::vector<Migration>& migrations, std::string_view schema = "queue") {
    return Migrator(connect_, schema, migrations, clock_);
  }
  std::int64_t Number(std::string_view sql) {
    absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(connect_);
    EXPECT_THAT(session, IsOk());
    absl::StatusOr<Result> result = (*session)->Execute({"number", sql});
    EXPECT_THAT(result, IsOk());
    return result.ok() ? (*result)[0].Int64(0) : -1;
  }

  ConnectOptions connect_ = testing::SharedPostgres().NewDatabase();
  testing::FakeClock clock_;
};

TEST_F(MigrationsTest, AppliesInOrderOnce) {
  const Migrator migrator = Make(Two());
  EXPECT_EQ(migrator.Pending()->size(), 2u);
  EXPECT_THAT(migrator.CheckCurrent(), IsError("SCHEMA_BEHIND"));
  std::vector<int> applied;
  const auto note = [&](const Migration& migration, absl::Duration) { applied.push_back(migration.version); };
  ASSERT_THAT(migrator.Apply(note), IsOk());
  EXPECT_THAT(applied, ::testing::ElementsAre(1, 2));
  EXPECT_THAT(migrator.CheckCurrent(), IsOk());
  ASSERT_THAT(migrator.Apply(note), IsOk());
  EXPECT_EQ(applied.size(), 2u);
  EXPECT_EQ(Number("SELECT count(*) FROM queue.a"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM queue.schema_migration WHERE name IN ('first', 'second')"), 2);
}

TEST_F(MigrationsTest, RecordsTheInjectedTime) {
  ASSERT_THAT(Make(Two()).Apply(), IsOk());
  EXPECT_EQ(Number("SELECT extract(epoch FROM max(apply_time))::bigint FROM queue.schema_migration"),
            absl::ToUnixSeconds(clock_.Now()));
}

TEST_F(MigrationsTest, RefusesAnEditedMigration) {
  ASSERT_THAT(Make(Two()).Apply(), IsOk());
  std::vector<Migration> edited = Two();
  edited[0].checksum = "cc";
  EXPECT_THAT(Make(edited).Apply(), IsError("MIGRATION_EDITED"));
  EXPECT_THAT(Make(edited).CheckCurrent(), IsError("MIGRATION_EDITED"));
}

TEST_F(MigrationsTest, RefusesADatabaseThatIsAhead) {
  ASSERT_THAT(Make(Two()).Apply(), IsOk());
  const std::vector<Migration> older(Two().begin(), Two().begin() + 1);
  EXPECT_THAT(Make(older).Apply(), IsError("SCHEMA_TOO_NEW"));
  EXPECT_THAT(Make(older).CheckCurrent(), IsError("SCHEMA_TOO_NEW"));
}

TEST_F(MigrationsTest, KeepsWhatCameBeforeAFailure) {
  std::vector<Migration> bad = Two();
  bad[1].sql = "CREATE TABLE c (id int); SELECT 1 / 0;";
  const absl::Status status = Make(bad).Apply();
  EXPECT_THAT(status, IsError("MIGRATION_FAILED"));
  EXPECT_NE(status.message().find("2 (second)"), absl::string_view::npos) << status;
  EXPECT_EQ(Number("SELECT count(*) FROM queue.schema_migration"), 1);
  EXPECT_EQ(Number("SELECT (to_regclass('queue.c') IS NULL)::int"), 1);
  EXPECT_THAT(Make(Two()).Apply(), IsOk());
}

TEST_F(MigrationsTest, ConcurrentMigratorsAllSucceed) {
  std::vector<std::thread> threads;
  std::atomic<int> applied{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const Migrator migrator = Make(Two(), i % 2 == 0 ? "queue" : "identity");
      EXPECT_THAT(migrator.Apply([&](const Migration&, absl::Duration) { ++applied; }), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(applied, 4);
}

TEST_F(MigrationsTest, QuotesTheNameOfTheSchema) {
  ASSERT_THAT(Make(Two(), "odd \"name'").Apply(), IsOk());
  EXPECT_THAT(Make(Two(), "odd \"name'").CheckCurrent(), IsOk());
}

TEST_F(MigrationsTest, SaysThatTheDatabaseIsAway) {
  connect_.host = "/tmp/no-such-folder";
  EXPECT_THAT(Make(Two()).Apply(), IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::pg
