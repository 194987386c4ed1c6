#include "services/verification/postgres_verification_store.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/pg/migrations.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/verification/sql/statements.h"
#include "services/verification/verification_store_contract.h"

namespace switchyard::verification {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::SharedPostgres;

class PostgresFixture final : public VerificationStoreFixture {
 public:
  PostgresFixture() : connect_(Migrated()) {
    for (int i = 0; i < 3; ++i) {
      pools_.push_back(std::make_unique<pg::Pool>(connect_, pg::PoolOptions{.max_sessions = 3}, *rng_));
      stores_.push_back(std::make_unique<PostgresVerificationStore>(*pools_.back()));
    }
  }
  VerificationStore& store(int replica) override { return *stores_[static_cast<std::size_t>(replica)]; }
  pg::Pool& pool() { return *pools_.front(); }

 private:
  static pg::ConnectOptions Migrated() {
    const FakeClock clock;
    pg::ConnectOptions connect = SharedPostgres().NewDatabase();
    const absl::Status status = pg::Migrator(connect, "verification", sql::Migrations(), clock).Apply();
    EXPECT_TRUE(status.ok()) << status;
    return connect;
  }

  const pg::ConnectOptions connect_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  std::vector<std::unique_ptr<pg::Pool>> pools_;
  std::vector<std::unique_ptr<PostgresVerificationStore>> stores_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, VerificationStoreContract,
                         ::testing::Values(VerificationStoreParam{"Postgres",
                                                                  [] { return std::make_unique<PostgresFixture>(); }}));

namespace {

TEST(PostgresVerificationStoreTest, FindsBreachesOfInvariants) {
  PostgresFixture fixture;
  const absl::Time then = FakeClock(absl::FromUnixSeconds(1'600'000'000)).Now();
  std::vector<Record> records(2);
  records[0].key = {TaskId(FakeUuid(then, 1)), 1};
  records[0].verdict = Verdict::kFailed;
  records[0].create_time = then;
  records[0].decide_time = then;
  records[1].key = {TaskId(FakeUuid(then, 2)), 1};
  records[1].state = RecordState::kJudging;
  records[1].create_time = records[1].judge_due = then;
  SY_ASSERT_OK(fixture.store(0).Add(records, then).status());
  for (const auto& [check, breaches] :
       {std::pair(&sql::kDoctorUntold, 1), std::pair(&sql::kDoctorJudging, 1), std::pair(&sql::kDoctorMarks, 0)}) {
    SY_ASSERT_OK_AND_ASSIGN(const pg::Result found, fixture.pool().Execute(*check));
    EXPECT_EQ(found.size(), breaches) << check->name;
  }
}

TEST(PostgresVerificationStoreTest, HasAnIndexForEachOrderThatIsAskedFor) {
  PostgresFixture fixture;
  const pg::Statement indexes = {
      .name = "indexes",
      .sql =
          "SELECT indexdef FROM pg_indexes WHERE schemaname = 'verification' AND indexdef LIKE "
          "'%(model, create_time, task_id, generation)'"};
  SY_ASSERT_OK_AND_ASSIGN(const pg::Result found, fixture.pool().Execute(indexes));
  EXPECT_EQ(found.size(), 1);
}

TEST(PostgresVerificationStoreTest, SaysThatTheDatabaseIsAway) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  pg::ConnectOptions nowhere = SharedPostgres().NewDatabase();
  nowhere.host = "/nonexistent";
  pg::Pool pool(nowhere, {.max_sessions = 1}, *rng);
  PostgresVerificationStore store(pool);
  EXPECT_THAT(store.ListPolicies(), testing::IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::verification
