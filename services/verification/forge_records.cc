#include "services/verification/forge_records.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/text/utf8.h"
#include "services/verification/proto_time.h"
#include "services/verification/verification_convert.h"

namespace switchyard::verification {
namespace {

constexpr std::size_t kMostNote = 1'024;

WatchedPullRequest ToWatched(const Record& record) {
  WatchedPullRequest watched{.task_id = record.key.task.ToString(), .generation = record.key.generation};
  v1::CheckReport report;
  v1::Verification body;
  task_queue::v1::TaskSpec spec;
  if (!report.ParseFromString(record.report) || !body.ParseFromString(record.body) ||
      !spec.ParseFromString(record.spec)) {
    return watched;
  }
  const v1::Change& change = report.change();
  watched.repository = change.repository();
  watched.number = change.pull_request().number();
  watched.head_commit = change.head_commit();
  watched.base_branch = change.base_branch();
  watched.paths = {change.paths().begin(), change.paths().end()};
  watched.files_changed = change.files_changed();
  watched.files_deleted = change.files_deleted();
  watched.lines_added = change.lines_added();
  watched.lines_removed = change.lines_removed();
  watched.auto_merge = spec.delivery().auto_merge();
  watched.eligible = record.verdict == Verdict::kSucceeded && body.merge().eligible();
  watched.max_base_behind = FromStored(record.policy).merge.max_base_behind;
  return watched;
}

}  // namespace

absl::StatusOr<std::vector<WatchedPullRequest>> ForgeRecords::ListWatched(const std::string& after, std::size_t limit) {
  const TaskId from = TaskId::Parse(after).value_or(TaskId());
  SY_ASSIGN_OR_RETURN(const std::vector<Record> records,
                      store_.ListWatched(from, clock_.Now() - kWorthAsking, static_cast<int>(limit)));
  std::vector<WatchedPullRequest> watched;
  for (const Record& record : records) watched.push_back(ToWatched(record));
  return watched;
}

absl::Status ForgeRecords::RecordOutcome(const WatchedPullRequest& watched, PullRequestOutcome outcome,
                                         const std::string& note) {
  SY_ASSIGN_OR_RETURN(const TaskId task, TaskId::Parse(watched.task_id));
  return store_.AddMark(task,
                        {.kind = outcome == PullRequestOutcome::kMerged ? OutcomeKind::kMerged : OutcomeKind::kRejected,
                         .source = std::string(kForgeSource),
                         .note = std::string(text::TruncateUtf8(note, kMostNote)),
                         .time = Whole(clock_.Now())});
}

}  // namespace switchyard::verification
