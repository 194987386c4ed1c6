// A migrated database of its own for a test, in the cluster that the test binary shares.
#pragma once

#include <memory>

#include "libs/base/random.h"
#include "libs/pg/pool.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/throwaway_postgres.h"
#include "services/task_queue/history_keeper.h"
#include "services/task_queue/postgres_task_store.h"

namespace switchyard::task_queue {

class PostgresTestDatabase final {
 public:
  // With partitions for the days about `clock`'s now.
  explicit PostgresTestDatabase(const Clock& clock);

  pg::Pool& pool() { return pool_; }
  HistoryKeeper& history() { return history_; }
  PostgresTaskStore& store() { return store_; }
  const pg::ConnectOptions& connect() const { return connect_; }

 private:
  const pg::ConnectOptions connect_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  pg::Pool pool_;
  HistoryKeeper history_;
  testing::FakeIdSource ids_;
  PostgresTaskStore store_;
};

}  // namespace switchyard::task_queue
