#include "services/router/postgres_route_store.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/pg/migrations.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/router/route_store_contract.h"
#include "services/router/sql/statements.h"

namespace switchyard::router {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::SharedPostgres;

class PostgresFixture final : public RouteStoreFixture {
 public:
  PostgresFixture() : connect_(Migrated()) {
    for (int i = 0; i < 3; ++i) {
      pools_.push_back(std::make_unique<pg::Pool>(connect_, pg::PoolOptions{.max_sessions = 3}, *rng_));
      stores_.push_back(std::make_unique<PostgresRouteStore>(*pools_.back()));
    }
  }
  RouteStore& store(int replica) override { return *stores_[static_cast<std::size_t>(replica)]; }
  pg::Pool& pool() { return *pools_.front(); }

 private:
  static pg::ConnectOptions Migrated() {
    const FakeClock clock;
    pg::ConnectOptions connect = SharedPostgres().NewDatabase();
    const absl::Status status = pg::Migrator(connect, "router", sql::Migrations(), clock).Apply();
    EXPECT_TRUE(status.ok()) << status;
    return connect;
  }

  const pg::ConnectOptions connect_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  std::vector<std::unique_ptr<pg::Pool>> pools_;
  std::vector<std::unique_ptr<PostgresRouteStore>> stores_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, RouteStoreContract,
                         ::testing::Values(RouteStoreParam{"Postgres",
                                                           [] { return std::make_unique<PostgresFixture>(); }}));

namespace {

TEST(PostgresRouteStoreTest, FindsNoBreachOfInvariantsInWhatItWrote) {
  PostgresFixture fixture;
  RouteStore& store = fixture.store(0);
  const absl::Time now = FakeClock().Now();
  SY_ASSERT_OK(store.Maintain(now, absl::Hours(72), now - absl::Hours(24)));
  SY_ASSERT_OK(store.SetBudget({.name = "all", .limit_micros = 1'000}, FakeUuid(now, 1), 10, "test", now));
  std::vector<NewReservation> wanted;
  for (std::uint64_t n = 1; n <= 4; ++n) {
    NewReservation made;
    made.reservation = {.key = {TaskId(FakeUuid(now, n)), 1},
                        .decision = DecisionId(FakeUuid(now, 100 + n)),
                        .decision_time = now,
                        .endpoint_id = "e",
                        .model = "m",
                        .micros = 10,
                        .routing = "r",
                        .confirmed = true,
                        .expire_time = now + absl::Minutes(1)};
    made.project = "p";
    wanted.push_back(std::move(made));
  }
  SY_ASSERT_OK(store.Reserve(wanted, now));
  const std::vector<Ending> endings = {
      {.key = wanted[0].reservation.key, .kind = Ending::Kind::kSettled, .micros = 7, .usage = {}},
      {.key = wanted[1].reservation.key, .kind = Ending::Kind::kReleased, .usage = {}},
      {.key = wanted[2].reservation.key, .kind = Ending::Kind::kExpired, .usage = {}}};
  SY_ASSERT_OK(store.End(endings, now));
  for (const pg::Statement* check : {&sql::kDoctorHeldMoney, &sql::kDoctorHeldDecisions}) {
    SY_ASSERT_OK_AND_ASSIGN(const pg::Result breaches, fixture.pool().Execute(*check));
    EXPECT_EQ(breaches.size(), 0) << check->name;
  }
}

TEST(PostgresRouteStoreTest, SaysThatTheDatabaseIsAway) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  pg::ConnectOptions nowhere = SharedPostgres().NewDatabase();
  nowhere.host = "/nonexistent";
  pg::Pool pool(nowhere, {.max_sessions = 1}, *rng);
  PostgresRouteStore store(pool);
  EXPECT_THAT(store.ListBudgets(absl::UnixEpoch()), testing::IsError("DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::router
