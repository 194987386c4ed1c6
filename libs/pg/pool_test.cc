#include "libs/pg/pool.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "libs/pg/database_clock.h"
#include "libs/pg/sqlstate.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::SharedPostgres;
using ::switchyard::testing::ThrowawayPostgres;

constexpr Statement kSelectOne{"one", "SELECT 1"};
constexpr Statement kInsertPooled{"insert", "INSERT INTO t VALUES (1)"};
constexpr Statement kCountPooled{"count", "SELECT count(*) FROM t"};

class PoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<Rng> rng_ = MakeSeededRng(7);
};

TEST_F(PoolTest, KeepsSessionsAndCountsThem) {
  Pool pool(SharedPostgres().NewDatabase(), {.max_sessions = 2}, *rng_);
  EXPECT_FALSE(pool.Healthy());
  int backend = 0;
  {
    SY_ASSERT_OK_AND_ASSIGN(const Pool::Lease lease, pool.Acquire());
    backend = lease->backend_pid();
    EXPECT_EQ(pool.in_use(), 1);
    EXPECT_TRUE(pool.Healthy());
  }
  EXPECT_EQ(pool.in_use(), 0);
  EXPECT_EQ(pool.idle(), 1);
  SY_ASSERT_OK_AND_ASSIGN(const Pool::Lease again, pool.Acquire());
  EXPECT_EQ(again->backend_pid(), backend);
}

TEST_F(PoolTest, RefusesWhenNoSessionBecomesFreeInTime) {
  Pool pool(SharedPostgres().NewDatabase(), {.max_sessions = 1}, *rng_);
  SY_ASSERT_OK_AND_ASSIGN(const Pool::Lease held, pool.Acquire());
  EXPECT_THAT(pool.Acquire(absl::Milliseconds(1)), IsError("POOL_EXHAUSTED"));
}

TEST_F(PoolTest, HandsAReturnedSessionToWhoWaits) {
  Pool pool(SharedPostgres().NewDatabase(), {.max_sessions = 1}, *rng_);
  auto held = std::make_unique<Pool::Lease>(*pool.Acquire());
  std::future<bool> waiter = std::async(std::launch::async, [&] { return pool.Acquire(absl::Seconds(30)).ok(); });
  while (pool.waiting() == 0) std::this_thread::yield();
  held.reset();
  EXPECT_TRUE(waiter.get());
}

TEST_F(PoolTest, NeverExceedsItsBound) {
  Pool pool(SharedPostgres().NewDatabase(), {.max_sessions = 3}, *rng_);
  std::vector<std::thread> threads;
  std::atomic<int> held{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        absl::StatusOr<Pool::Lease> lease = pool.Acquire(absl::Seconds(30));
        ASSERT_THAT(lease, IsOk());
        EXPECT_LE(++held, 3);
        EXPECT_THAT((*lease)->Execute(kSelectOne), IsOk());
        --held;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.in_use(), 0);
  EXPECT_LE(pool.idle(), 3);
}

TEST_F(PoolTest, RollsBackWhatALeaseLeftOpen) {
  Pool pool(SharedPostgres().NewDatabase(), {.max_sessions = 1}, *rng_);
  {
    SY_ASSERT_OK_AND_ASSIGN(const Pool::Lease lease, pool.Acquire());
    ASSERT_THAT(lease->RunScript("CREATE TABLE t (id int)"), IsOk());
    ASSERT_THAT(lease->Begin(), IsOk());
    ASSERT_THAT(lease->Execute(kInsertPooled), IsOk());
  }
  SY_ASSERT_OK_AND_ASSIGN(const Result count, pool.Execute(kCountPooled));
  EXPECT_EQ(count[0].Int64(0), 0);
}

TEST_F(PoolTest, RefusesWhenClosed) {
  Pool pool(SharedPostgres().NewDatabase(), {}, *rng_);
  EXPECT_THAT(pool.Probe(absl::Seconds(10)), IsOk());
  pool.Close();
  EXPECT_EQ(pool.idle(), 0);
  EXPECT_THAT(pool.Acquire(), IsError("DATABASE_UNAVAILABLE"));
}

TEST_F(PoolTest, SurvivesARestartOfTheServer) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, ThrowawayPostgres::Create({}));
  Pool pool(postgres->NewDatabase(), {.max_sessions = 2}, *rng_);
  ASSERT_THAT(pool.Execute(kSelectOne), IsOk());
  postgres->StopImmediately();
  EXPECT_THAT(pool.Execute(kSelectOne), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_FALSE(pool.Healthy());
  EXPECT_THAT(pool.Execute(kSelectOne), IsError("DATABASE_UNAVAILABLE")) << "refused at once, between attempts";
  ASSERT_THAT(postgres->Start(), IsOk());
  // The pause between attempts has to pass.
  while (!pool.Probe(absl::Seconds(10)).ok()) std::this_thread::yield();
  EXPECT_TRUE(pool.Healthy());
  EXPECT_THAT(pool.Execute(kSelectOne), IsOk());
}

TEST_F(PoolTest, ReplacesAnIdleSessionThatTheServerClosed) {
  SY_ASSERT_OK_AND_ASSIGN(const auto postgres, ThrowawayPostgres::Create({}));
  Pool pool(postgres->NewDatabase(), {.max_sessions = 1}, *rng_);
  ASSERT_THAT(pool.Execute(kSelectOne), IsOk());
  ASSERT_THAT(postgres->Restart(), IsOk());
  EXPECT_THAT(pool.Execute(kSelectOne), IsOk());
}

TEST_F(PoolTest, DatabaseClockFollowsTheDatabase) {
  Pool pool(SharedPostgres().NewDatabase(), {}, *rng_);
  DisciplinedClock clock;
  DatabaseClock database_clock(pool, clock);
  ASSERT_THAT(database_clock.Tick(), IsOk());
  SY_ASSERT_OK_AND_ASSIGN(const Result now, pool.Execute({"now", "SELECT clock_timestamp()"}));
  EXPECT_LT(absl::AbsDuration(clock.Now() - now[0].Time(0)), absl::Seconds(2));
}

}  // namespace
}  // namespace switchyard::pg
