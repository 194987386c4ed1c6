#pragma once

#include <memory>
#include <string>
#include <utility>

#include "services/executor/journal.h"
#include "services/executor/sqlite.h"

namespace switchyard::executor {

struct JournalCounts {
  std::int64_t work = 0;
  std::int64_t reports = 0;
};

// A file in WAL mode. One process at a time writes it: the executor's lock on its folder sees to that.
class SqliteJournal final : public Journal {
 public:
  // Brings the schema up to date. FAILED_PRECONDITION, reason JOURNAL_TOO_NEW, for one of a newer program.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(const std::string& path);

  absl::StatusOr<JournalContent> Load() override;
  absl::Status Apply(const JournalChange& change) override;

  // For doctors. UNAVAILABLE, reason JOURNAL_FAILED, with what is damaged.
  absl::Status Check();
  absl::StatusOr<JournalCounts> Count();
  Sqlite& sqlite() { return *db_; }

 private:
  explicit SqliteJournal(std::unique_ptr<Sqlite> db) : db_(std::move(db)) {}
  absl::Status Write(const JournalChange& change);

  const std::unique_ptr<Sqlite> db_;
  std::int64_t reserved_ = 0;
};

}  // namespace switchyard::executor
