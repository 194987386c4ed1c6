#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/pg/connect_options.h"
#include "libs/pg/statement.h"

namespace switchyard::pg {

inline constexpr std::string_view kSchemaTooNew = "SCHEMA_TOO_NEW";
inline constexpr std::string_view kSchemaBehind = "SCHEMA_BEHIND";
inline constexpr std::string_view kMigrationEdited = "MIGRATION_EDITED";
inline constexpr std::string_view kMigrationFailed = "MIGRATION_FAILED";

// Brings one schema forward, step by step, each in a transaction of its own, recorded in <schema>.schema_migration.
// Migrators exclude each other by one advisory lock for the database, so any number of processes and services may
// start at once: they wait, and find the work done. Blocks; a connection of its own for every call.
class Migrator final {
 public:
  struct Options {
    // How long to wait for another migrator.
    absl::Duration lock_wait = absl::Minutes(5);
  };
  // Called after each migration was committed.
  using Progress = std::function<void(const Migration& migration, absl::Duration took)>;

  // Borrows `migrations`, ordered by version, and `clock`.
  Migrator(const ConnectOptions& connect, std::string_view schema, const std::vector<Migration>& migrations,
           const Clock& clock, const Options& options);
  Migrator(const ConnectOptions& connect, std::string_view schema, const std::vector<Migration>& migrations,
           const Clock& clock)
      : Migrator(connect, schema, migrations, clock, Options()) {}

  // All three answer FAILED_PRECONDITION when a migration was edited after it was applied (MIGRATION_EDITED), or when
  // the database has one that this program does not know (SCHEMA_TOO_NEW): then the program is the older one.

  // What Apply would do; changes nothing.
  absl::StatusOr<std::vector<Migration>> Pending() const;
  // A failure names the migration (MIGRATION_FAILED); those before it stay applied.
  absl::Status Apply(const Progress& progress = nullptr) const;
  // FAILED_PRECONDITION, reason SCHEMA_BEHIND, when Apply has something to do.
  absl::Status CheckCurrent() const;

 private:
  const ConnectOptions connect_;
  const std::string schema_;
  const std::vector<Migration>& migrations_;
  const Clock& clock_;
  const Options options_;
};

}  // namespace switchyard::pg
