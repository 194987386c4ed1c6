// SQLite, as far as the journal needs it. The only place besides sqlite.cc that knows it is the journal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/pg/statement.h"

struct sqlite3;

namespace switchyard::executor {

struct Blob {
  std::string_view bytes;
};
using SqliteValue = std::variant<std::int64_t, std::string_view, Blob>;
using SqliteRow = std::vector<std::variant<std::int64_t, std::string>>;

// One connection. Failures: RESOURCE_EXHAUSTED, reason DISK_FULL, when the disk or the bound on the file is reached;
// otherwise UNAVAILABLE, reason JOURNAL_FAILED, with SQLite's words. Not thread-safe.
class Sqlite {
 public:
  // Makes the file, for its owner only, when there is none.
  static absl::StatusOr<std::unique_ptr<Sqlite>> Open(const std::string& path);
  ~Sqlite();
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  absl::Status Run(const pg::Statement& statement, std::initializer_list<SqliteValue> values = {});
  absl::StatusOr<std::vector<SqliteRow>> Rows(const pg::Statement& statement);
  // Several statements of a migration, then the schema's version, in one transaction.
  absl::Status Migrate(const pg::Migration& migration);
  // The file grows no further; for tests of a full disk.
  absl::Status LimitPages(int pages);
  bool in_transaction() const;

 private:
  explicit Sqlite(sqlite3* db) : db_(db) {}
  absl::Status Failure(std::string_view doing) const;
  absl::Status Execute(const std::string& text);

  sqlite3* db_;
};

}  // namespace switchyard::executor
