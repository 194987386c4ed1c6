#include "services/model_registry/postgres_registry_store.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/pg/migrations.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/model_registry/registry_store_contract.h"
#include "services/model_registry/sql/statements.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::SharedPostgres;

class PostgresFixture final : public RegistryStoreFixture {
 public:
  PostgresFixture() : connect_(Migrated()), pool_(connect_, {.max_sessions = 4}, *rng_), store_(pool_) {}
  RegistryStore& store() override { return store_; }
  pg::Pool& pool() { return pool_; }

 private:
  static pg::ConnectOptions Migrated() {
    const FakeClock clock;
    pg::ConnectOptions connect = SharedPostgres().NewDatabase();
    const absl::Status status = pg::Migrator(connect, "model_registry", sql::Migrations(), clock).Apply();
    EXPECT_TRUE(status.ok()) << status;
    return connect;
  }

  const pg::ConnectOptions connect_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  pg::Pool pool_;
  PostgresRegistryStore store_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, RegistryStoreContract,
                         ::testing::Values(RegistryStoreParam{"Postgres",
                                                              [] { return std::make_unique<PostgresFixture>(); }}));

namespace {

TEST(PostgresRegistryStoreTest, FindsNoBreachOfInvariantsInWhatItWrote) {
  PostgresFixture fixture;
  const absl::Time now = FakeClock().Now();
  SY_ASSERT_OK(fixture.store().SetDisabled({EndpointId(), "m"}, true, "test", now));
  const std::vector<EndpointId> ids = {IdOfFileEndpoint("a")};
  SY_ASSERT_OK(fixture.store().Reserve(ids, now, [&](const std::vector<Reservation>&) {
    return std::vector<Reservation>{{.key = {ids[0], TaskId(Uuid::LowestAt(now)), 1},
                                     .model = "m",
                                     .create_time = now,
                                     .expire_time = now + absl::Minutes(1)}};
  }));
  for (const pg::Statement* check : {&sql::kDoctorImpossibleReservations, &sql::kDoctorDisabledModels}) {
    SY_ASSERT_OK_AND_ASSIGN(const pg::Result breaches, fixture.pool().Execute(*check));
    EXPECT_EQ(breaches.size(), 0) << check->name;
  }
}

TEST(PostgresRegistryStoreTest, SaysThatTheDatabaseIsAway) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  pg::ConnectOptions nowhere = SharedPostgres().NewDatabase();
  nowhere.host = "/nonexistent";
  pg::Pool pool(nowhere, {.max_sessions = 1}, *rng);
  PostgresRegistryStore store(pool);
  EXPECT_THAT(store.Load(), testing::IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::model_registry
