#include "services/executor/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::executor {
namespace {

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, Finalizer>;

absl::Status ToStatus(int code, std::string_view doing, std::string_view what) {
  const int primary = code & 0xff;
  if (primary == SQLITE_FULL || code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMSIZE) {
    return MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                     absl::StrCat("the disk of the journal is full (", ToAbsl(doing), ": ", ToAbsl(what), ")"));
  }
  return MakeError(absl::StatusCode::kUnavailable, "JOURNAL_FAILED",
                   absl::StrCat("the journal cannot be used (", ToAbsl(doing), ": ", ToAbsl(what), ")"));
}

void Bind(sqlite3_stmt* statement, int index, const SqliteValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    sqlite3_bind_text64(statement, index, text->data() == nullptr ? "" : text->data(), text->size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  } else {
    const std::string_view bytes = std::get<Blob>(value).bytes;
    sqlite3_bind_blob64(statement, index, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sqlite>> Sqlite::Open(const std::string& path) {
  // SQLite would make it readable for others.
  if (const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); fd >= 0) close(fd);
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Sqlite> opened(new Sqlite(db));
  if (code != SQLITE_OK) {
    return ToStatus(code, absl::StrCat("open ", path), db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  }
  sqlite3_extended_result_codes(db, 1);
  // Another process may look at it, such as a doctor.
  sqlite3_busy_timeout(db, 2'000);
  return opened;
}

Sqlite::~Sqlite() { sqlite3_close(db_); }

absl::Status Sqlite::Failure(std::string_view doing) const {
  return ToStatus(sqlite3_extended_errcode(db_), doing, sqlite3_errmsg(db_));
}

absl::Status Sqlite::Run(const pg::Statement& statement, std::initializer_list<SqliteValue> values) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_, statement.sql.data(), static_cast<int>(statement.sql.size()), &raw, nullptr) !=
      SQLITE_OK) {
    return Failure(statement.name);
  }
  const Prepared prepared(raw);
  int index = 0;
  for (const SqliteValue& value : values) Bind(raw, ++index, value);
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(raw);
  if (code != SQLITE_DONE) return Failure(statement.name);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SqliteRow>> Sqlite::Rows(const pg::Statement& statement) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_, statement.sql.data(), static_cast<int>(statement.sql.size()), &raw, nullptr) !=
      SQLITE_OK) {
    return Failure(statement.name);
  }
  const Prepared prepared(raw);
  std::vector<SqliteRow> rows;
  while (true) {
    const int code = sqlite3_step(raw);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return Failure(statement.name);
    SqliteRow& row = rows.emplace_back();
    for (int column = 0; column < sqlite3_column_count(raw); ++column) {
      if (sqlite3_column_type(raw, column) == SQLITE_INTEGER) {
        row.emplace_back(std::int64_t{sqlite3_column_int64(raw, column)});
        continue;
      }
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(raw, column));
      const int size = sqlite3_column_bytes(raw, column);
      row.emplace_back(bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size)));
    }
  }
}

absl::Status Sqlite::Execute(const std::string& text) {
  if (sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Failure("migrate");
  return absl::OkStatus();
}

absl::Status Sqlite::Migrate(const pg::Migration& migration) {
  const absl::Status done = Execute(
      absl::StrCat("BEGIN IMMEDIATE;", ToAbsl(migration.sql), ";PRAGMA user_version = ", migration.version, ";COMMIT"));
  if (!done.ok() && in_transaction()) Execute("ROLLBACK").IgnoreError();
  return done;
}

absl::Status Sqlite::LimitPages(int pages) { return Execute(absl::StrCat("PRAGMA max_page_count = ", pages)); }

bool Sqlite::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

}  // namespace switchyard::executor
