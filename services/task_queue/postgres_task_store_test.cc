#include "services/task_queue/postgres_task_store.h"

#include <memory>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/postgres_test_database.h"
#include "services/task_queue/task_store_contract.h"

namespace switchyard::task_queue {

class PostgresFixture final : public TaskStoreFixture {
 public:
  TaskStore& store() override { return database_.store(); }
  absl::Time start() const override { return clock_.Now(); }

 private:
  testing::FakeClock clock_;
  PostgresTestDatabase database_{clock_};
};

INSTANTIATE_TEST_SUITE_P(Store, TaskStoreContract,
                         ::testing::Values(TaskStoreParam{"Postgres",
                                                          [] { return std::make_unique<PostgresFixture>(); }}),
                         NameOfParam);

}  // namespace switchyard::task_queue
