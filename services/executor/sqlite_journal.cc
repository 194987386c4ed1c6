#include "services/executor/sqlite_journal.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/sql/statements.h"

namespace switchyard::executor {
namespace {

// Numbers set aside at each start, so that none is used twice although not every report is journalled.
constexpr std::int64_t kReserve = 1'000'000;

// Bits of `work.flags` and of `report.flags`.
constexpr std::int64_t kBeyondWorkspace = 1;
constexpr std::int64_t kRetryWhenLost = 2;
constexpr std::int64_t kPermanent = 1;
constexpr std::int64_t kAgentFault = 2;

std::int64_t Number(const SqliteRow& row, std::size_t column) {
  const auto* number = std::get_if<std::int64_t>(&row[column]);
  return number == nullptr ? 0 : *number;
}

std::string Text(SqliteRow& row, std::size_t column) {
  auto* text = std::get_if<std::string>(&row[column]);
  return text == nullptr ? "" : std::move(*text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path) {
  SY_ASSIGN_OR_RETURN(std::unique_ptr<Sqlite> db, Sqlite::Open(path));
  SY_RETURN_IF_ERROR(db->Run(sql::kUseWal));
  SY_ASSIGN_OR_RETURN(const std::vector<SqliteRow> rows, db->Rows(sql::kSchemaVersion));
  const std::int64_t version = Number(rows.at(0), 0);
  if (version > sql::Migrations().back().version) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "JOURNAL_TOO_NEW",
                     absl::StrCat("the journal ", path, " is of a newer yard-agent (version ", version, ")"));
  }
  for (const pg::Migration& migration : sql::Migrations()) {
    if (migration.version > version) SY_RETURN_IF_ERROR(db->Migrate(migration));
  }
  return std::unique_ptr<SqliteJournal>(new SqliteJournal(std::move(db)));
}

absl::StatusOr<JournalContent> SqliteJournal::Load() {
  JournalContent content;
  SY_ASSIGN_OR_RETURN(std::vector<SqliteRow> work, db_->Rows(sql::kAllWork));
  for (SqliteRow& row : work) {
    const std::int64_t flags = Number(row, 2);
    content.work.push_back({.assignment = {.key = {.task_id = Text(row, 0), .generation = Number(row, 1)},
                                           .beyond_workspace = (flags & kBeyondWorkspace) != 0,
                                           .retry_when_lost = (flags & kRetryWhenLost) != 0,
                                           .payload = Text(row, 4)},
                            .started = Number(row, 3) != 0});
  }
  SY_ASSIGN_OR_RETURN(std::vector<SqliteRow> reports, db_->Rows(sql::kAllReports));
  for (SqliteRow& row : reports) {
    const std::int64_t flags = Number(row, 4);
    content.reports.push_back({.number = Number(row, 0),
                               .key = {.task_id = Text(row, 1), .generation = Number(row, 2)},
                               .kind = static_cast<ReportKind>(Number(row, 3)),
                               .reason = Text(row, 6),
                               .message = Text(row, 7),
                               .permanent = (flags & kPermanent) != 0,
                               .agent_fault = (flags & kAgentFault) != 0,
                               .phase = static_cast<int>(Number(row, 5)),
                               .result = Text(row, 8),
                               .route_report = Text(row, 9),
                               .retry_after = absl::Milliseconds(Number(row, 10))});
  }
  SY_ASSIGN_OR_RETURN(const std::vector<SqliteRow> next, db_->Rows(sql::kNextReportNumber));
  content.next_number = Number(next.at(0), 0);
  reserved_ = content.next_number + kReserve;
  SY_RETURN_IF_ERROR(db_->Run(sql::kRaiseReportNumber, {reserved_}));
  return content;
}

absl::Status SqliteJournal::Apply(const JournalChange& change) {
  // The loss of an acceptance costs nothing: the task is simply not held. The loss of an end costs the work.
  SY_RETURN_IF_ERROR(db_->Run(change.reports.empty() ? sql::kSurviveKill : sql::kSurvivePowerLoss));
  SY_RETURN_IF_ERROR(db_->Run(sql::kBeginChange));
  absl::Status status = Write(change);
  if (status.ok()) status = db_->Run(sql::kCommitChange);
  // SQLite may have rolled back by itself.
  if (!status.ok() && db_->in_transaction()) db_->Run(sql::kUndoChange).IgnoreError();
  return status;
}

absl::Status SqliteJournal::Write(const JournalChange& change) {
  for (const JournalledWork& work : change.work) {
    const Assignment& assignment = work.assignment;
    const std::int64_t flags =
        (assignment.beyond_workspace ? kBeyondWorkspace : 0) | (assignment.retry_when_lost ? kRetryWhenLost : 0);
    SY_RETURN_IF_ERROR(db_->Run(sql::kPutWork, {assignment.key.task_id, assignment.key.generation, flags,
                                                std::int64_t{work.started}, Blob{assignment.payload}}));
  }
  for (const Report& report : change.reports) {
    const std::int64_t flags = (report.permanent ? kPermanent : 0) | (report.agent_fault ? kAgentFault : 0);
    SY_RETURN_IF_ERROR(
        db_->Run(sql::kPutReport,
                 {report.number, report.key.task_id, report.key.generation, static_cast<std::int64_t>(report.kind),
                  flags, std::int64_t{report.phase}, report.reason, report.message, Blob{report.result},
                  Blob{report.route_report}, absl::ToInt64Milliseconds(report.retry_after)}));
    if (report.number >= reserved_) {
      reserved_ = report.number + kReserve;
      SY_RETURN_IF_ERROR(db_->Run(sql::kRaiseReportNumber, {reserved_}));
    }
  }
  for (const TaskKey& key : change.forget) {
    SY_RETURN_IF_ERROR(db_->Run(sql::kForgetWork, {key.task_id, key.generation}));
    SY_RETURN_IF_ERROR(db_->Run(sql::kForgetReports, {key.task_id, key.generation}));
  }
  for (const std::int64_t number : change.acknowledged) {
    SY_RETURN_IF_ERROR(db_->Run(sql::kAcknowledgeReport, {number}));
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::Check() {
  SY_ASSIGN_OR_RETURN(std::vector<SqliteRow> rows, db_->Rows(sql::kQuickCheck));
  const std::string first = rows.empty() ? "no answer" : Text(rows[0], 0);
  if (first == "ok") return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "JOURNAL_FAILED", absl::StrCat("the journal is damaged: ", first));
}

absl::StatusOr<JournalCounts> SqliteJournal::Count() {
  SY_ASSIGN_OR_RETURN(const std::vector<SqliteRow> rows, db_->Rows(sql::kCountRows));
  return JournalCounts{.work = Number(rows.at(0), 0), .reports = Number(rows.at(0), 1)};
}

}  // namespace switchyard::executor
