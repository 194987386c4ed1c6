#include "services/task_queue/postgres_test_database.h"

#include <cstdlib>

#include "libs/base/log.h"
#include "libs/pg/migrations.h"
#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {
namespace {

void Must(const absl::Status& status) {
  if (status.ok()) return;
  LogError("a test database cannot be made", {{"status", status}});
  std::abort();
}

// Migrated once; each test copies it.
std::string Template() {
  static const std::string& database = *[] {
    const pg::ConnectOptions connect = testing::SharedPostgres().NewDatabase();
    const testing::FakeClock clock;
    Must(pg::Migrator(connect, "task_queue", Migrations(), clock).Apply());
    return new std::string(connect.database);
  }();
  return database;
}

}  // namespace

PostgresTestDatabase::PostgresTestDatabase(const Clock& clock)
    : connect_(testing::SharedPostgres().NewDatabase(Template())),
      pool_(connect_, {}, *rng_),
      history_(pool_, clock, {}),
      ids_(clock),
      store_(pool_, clock, ids_) {
  Must(history_.MakePartitions());
}

}  // namespace switchyard::task_queue
