#include "libs/pg/migrations.h"

#include <exception>
#include <pqxx/pqxx>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/pg/connection_string.h"
#include "libs/pg/sql/statements.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

std::string Fill(const Statement& statement, const Values& values) {
  return absl::StrReplaceAll(ToAbsl(statement.sql), values);
}

// The border where libpqxx's exceptions end.
absl::Status Guarded(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const pqxx::broken_connection& error) {
    return DatabaseUnavailable(ToStd(absl::StripAsciiWhitespace(error.what())));
  } catch (const pqxx::sql_error& error) {
    return FromSqlState(error.sqlstate(), ToStd(absl::StripAsciiWhitespace(error.what())));
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

absl::Status Precondition(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

// One connection's view of one schema.
class Ledger {
 public:
  Ledger(pqxx::connection& connection, std::string_view schema) : connection_(connection) {
    pqxx::nontransaction names(connection_);
    const std::string quoted = names.quote_name(std::string(schema));
    schema_ = {{"{schema}", quoted}, {"{table}", names.quote(absl::StrCat(quoted, ".schema_migration"))}};
  }

  // For as long as the connection lives.
  void LockOut(absl::Duration wait) {
    pqxx::nontransaction work(connection_);
    work.exec(Fill(sql::kSetMigrationLockTimeout,
                   {{"{milliseconds}", work.quote(absl::StrCat(absl::ToInt64Milliseconds(wait)))}}));
    work.exec(std::string(sql::kLockMigrations.sql));
    work.exec(Fill(sql::kCreateSchema, schema_));
    work.exec(Fill(sql::kCreateMigrationTable, schema_));
  }

  absl::StatusOr<std::vector<Migration>> Pending(const std::vector<Migration>& known) {
    pqxx::nontransaction work(connection_);
    if (!work.exec(Fill(sql::kHasMigrationTable, schema_))[0][0].as<bool>()) return known;
    std::size_t next = 0;
    for (const auto& row : work.exec(Fill(sql::kAppliedMigrations, schema_))) {
      const int version = row[0].as<int>();
      const std::string label = absl::StrCat(version, " (", row[1].c_str(), ")");
      if (next >= known.size() || known[next].version != version) {
        return Precondition(kSchemaTooNew, absl::StrCat("the database has migration ", label,
                                                        ", which this program does not know: it is the older one"));
      }
      if (known[next].checksum != row[2].c_str()) {
        return Precondition(kMigrationEdited,
                            absl::StrCat("migration ", label, " was edited after it was applied to this database"));
      }
      ++next;
    }
    return std::vector<Migration>(known.begin() + static_cast<std::ptrdiff_t>(next), known.end());
  }

  void Apply(const Migration& migration, absl::Time now) {
    pqxx::work work(connection_);
    work.exec(Fill(sql::kSetSearchPath, schema_));
    work.exec(std::string(migration.sql));
    Values values = schema_;
    values.emplace_back("{version}", absl::StrCat(migration.version));
    values.emplace_back("{name}", work.quote(std::string(migration.name)));
    values.emplace_back("{checksum}", work.quote(std::string(migration.checksum)));
    values.emplace_back("{apply_micros}", absl::StrCat(absl::ToUnixMicros(now)));
    work.exec(Fill(sql::kRecordMigration, values));
    work.commit();
  }

 private:
  pqxx::connection& connection_;
  Values schema_;
};

}  // namespace

Migrator::Migrator(const ConnectOptions& connect, std::string_view schema, const std::vector<Migration>& migrations,
                   const Clock& clock, const Options& options)
    : connect_(connect), schema_(schema), migrations_(migrations), clock_(clock), options_(options) {}

absl::StatusOr<std::vector<Migration>> Migrator::Pending() const {
  std::vector<Migration> pending;
  SY_ASSIGN_OR_RETURN(const std::string target, ConnectionString(connect_));
  SY_RETURN_IF_ERROR(Guarded([&]() -> absl::Status {
    pqxx::connection connection(target);
    SY_ASSIGN_OR_RETURN(pending, Ledger(connection, schema_).Pending(migrations_));
    return absl::OkStatus();
  }));
  return pending;
}

absl::Status Migrator::Apply(const Progress& progress) const {
  SY_ASSIGN_OR_RETURN(const std::string target, ConnectionString(connect_));
  return Guarded([&]() -> absl::Status {
    pqxx::connection connection(target);
    Ledger ledger(connection, schema_);
    ledger.LockOut(options_.lock_wait);
    SY_ASSIGN_OR_RETURN(const std::vector<Migration> pending, ledger.Pending(migrations_));
    for (const Migration& migration : pending) {
      const std::int64_t begun = DisciplinedClock::SteadyNanos();
      const absl::Status applied = Guarded([&] {
        ledger.Apply(migration, clock_.Now());
        return absl::OkStatus();
      });
      if (absl::IsUnavailable(applied)) return applied;
      if (!applied.ok()) {
        return Precondition(kMigrationFailed,
                            absl::StrCat("migration ", migration.version, " (", ToAbsl(migration.name), ") of schema ",
                                         schema_, ": ", applied.message()));
      }
      const absl::Duration took = absl::Nanoseconds(DisciplinedClock::SteadyNanos() - begun);
      LogInfo("applied a migration",
              {{"schema", schema_}, {"version", migration.version}, {"name", migration.name}, {"took", took}});
      if (progress != nullptr) progress(migration, took);
    }
    return absl::OkStatus();
  });
}

absl::Status Migrator::CheckCurrent() const {
  SY_ASSIGN_OR_RETURN(const std::vector<Migration> pending, Pending());
  if (pending.empty()) return absl::OkStatus();
  return Precondition(kSchemaBehind,
                      absl::StrCat("schema ", schema_, " lacks ", pending.size(), " migrations, the first of them ",
                                   pending.front().version, " (", ToAbsl(pending.front().name), ")"));
}

}  // namespace switchyard::pg
