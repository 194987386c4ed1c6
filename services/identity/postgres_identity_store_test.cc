#include "services/identity/postgres_identity_store.h"

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/pg/migrations.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/identity/identity_store_contract.h"
#include "services/identity/sql/statements.h"

namespace switchyard::identity {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::SharedPostgres;

class PostgresFixture final : public IdentityStoreFixture {
 public:
  PostgresFixture() : connect_(Migrated()), pool_(connect_, {.max_sessions = 4}, *rng_), store_(pool_) {}
  IdentityStore& store() override { return store_; }
  pg::Pool& pool() { return pool_; }

 private:
  static pg::ConnectOptions Migrated() {
    const FakeClock clock;
    pg::ConnectOptions connect = SharedPostgres().NewDatabase();
    const absl::Status status = pg::Migrator(connect, "identity", sql::Migrations(), clock).Apply();
    EXPECT_TRUE(status.ok()) << status;
    return connect;
  }

  const pg::ConnectOptions connect_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  pg::Pool pool_;
  PostgresIdentityStore store_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, IdentityStoreContract,
                         ::testing::Values(IdentityStoreParam{"Postgres",
                                                              [] { return std::make_unique<PostgresFixture>(); }}));

namespace {

TEST(PostgresIdentityStoreTest, FindsNoBreachOfInvariantsInWhatItWrote) {
  PostgresFixture fixture;
  const absl::Time now = FakeClock().Now();
  NewToken token;
  token.token.id = TokenId(Uuid::LowestAt(now));
  token.token.principal = PrincipalId(token.token.id.uuid());
  token.token.name = "admin";
  token.token.scopes = {Scope::kAdmin, Scope::kAgent};
  token.token.create_time = now;
  token.token.expire_time = now + absl::Hours(1);
  token.token.created_by = "test";
  token.hash = HashOfToken("text");
  SY_ASSERT_OK(fixture.store().Insert(token, 10, now));
  for (const pg::Statement* check :
       {&sql::kDoctorDanglingRotations, &sql::kDoctorImpossibleTimes, &sql::kDoctorUnknownScopes}) {
    SY_ASSERT_OK_AND_ASSIGN(const pg::Result breaches, fixture.pool().Execute(*check));
    EXPECT_EQ(breaches.size(), 0) << check->name;
  }
}

TEST(PostgresIdentityStoreTest, SaysThatTheDatabaseIsAwayWithoutASchema) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  pg::ConnectOptions nowhere = SharedPostgres().NewDatabase();
  nowhere.host = "/nonexistent";
  pg::Pool pool(nowhere, {.max_sessions = 1}, *rng);
  PostgresIdentityStore store(pool);
  EXPECT_THAT(store.FindByHash(HashOfToken("x")), testing::IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::identity
