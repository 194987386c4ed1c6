#include "services/agent_hub/postgres_agent_store.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/pg/migrations.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/agent_hub/agent_store_contract.h"
#include "services/agent_hub/postgres_log_store.h"
#include "services/agent_hub/sql/statements.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::SharedPostgres;

// Migrated once; each test copies it.
std::string Template() {
  static const std::string& database = *[] {
    const pg::ConnectOptions connect = SharedPostgres().NewDatabase();
    const FakeClock clock;
    const absl::Status status = pg::Migrator(connect, "agent_hub", sql::Migrations(), clock).Apply();
    EXPECT_TRUE(status.ok()) << status;
    return new std::string(connect.database);
  }();
  return database;
}

class PostgresFixture final : public AgentStoreFixture {
 public:
  AgentStore& agents() override { return agents_; }
  LogStore& logs() override { return logs_; }
  pg::Pool& pool() { return pool_; }

 private:
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  pg::Pool pool_{SharedPostgres().NewDatabase(Template()), {.max_sessions = 4}, *rng_};
  PostgresAgentStore agents_{pool_};
  PostgresLogStore logs_{pool_, kContractLimits};
};

const AgentStoreParam kParam{"Postgres", [] { return std::make_unique<PostgresFixture>(); }};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, AgentStoreContract, ::testing::Values(kParam));
INSTANTIATE_TEST_SUITE_P(Postgres, LogStoreContract, ::testing::Values(kParam));

namespace {

TEST(PostgresAgentStoreTest, FindsNoBreachOfInvariantsInWhatItWrote) {
  PostgresFixture fixture;
  const absl::Time now = FakeClock().Now();
  Enrollment enrollment;
  enrollment.id = EnrollmentId(testing::FakeUuid(now, 1));
  enrollment.agent = AgentId(testing::FakeUuid(now, 2));
  enrollment.name = "alpha";
  enrollment.token_hash = std::string(32, 'h');
  enrollment.create_time = now;
  enrollment.expire_time = now + absl::Hours(1);
  SY_ASSERT_OK(fixture.agents().Enroll(enrollment, 10).status());
  SY_ASSERT_OK(fixture.agents().Redeem(enrollment.token_hash, "x", "host", now).status());
  for (const pg::Statement* check : {&sql::kDoctorRevokedTokens, &sql::kDoctorTransitions}) {
    SY_ASSERT_OK_AND_ASSIGN(const pg::Result breaches, fixture.pool().Execute(*check));
    EXPECT_EQ(breaches.size(), 0) << check->name;
  }
  SY_ASSERT_OK_AND_ASSIGN(const pg::Result missing, fixture.pool().Execute(sql::kDoctorLogPartitions));
  EXPECT_EQ(missing.size(), 1) << "nobody made partitions";
}

TEST(PostgresAgentStoreTest, NothingCanBeAppendedBeforeThereIsAPartition) {
  PostgresFixture fixture;
  const absl::Time now = FakeClock().Now();
  LogChunk chunk;
  chunk.task = TaskId(testing::FakeUuid(now, 1));
  chunk.sequence = 1;
  chunk.time = now;
  EXPECT_FALSE(fixture.logs().Append({chunk}, now).ok());
  SY_ASSERT_OK(fixture.logs().Maintain(now, absl::Hours(24), now - absl::Hours(24)));
  SY_EXPECT_OK(fixture.logs().Append({chunk}, now));
}

TEST(PostgresAgentStoreTest, SaysThatTheDatabaseIsAway) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  pg::ConnectOptions nowhere = SharedPostgres().NewDatabase();
  nowhere.host = "/nonexistent";
  pg::Pool pool(nowhere, {.max_sessions = 1}, *rng);
  PostgresAgentStore store(pool);
  EXPECT_THAT(store.FindByName("x"), testing::IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::agent_hub
