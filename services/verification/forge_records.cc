#include "services/verification/forge_records.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/text/utf8.h"
#include "services/verification/merge_rules.h"
#include "services/verification/proto_time.h"
#include "services/verification/verification_convert.h"

namespace switchyard::verification {
namespace {

constexpr std::size_t kMostNote = 1'024;

// By the rules of the verdict and by those of today.
WatchedPullRequest ToWatched(const Record& record, const std::vector<Policy>& policies) {
  WatchedPullRequest watched{.task_id = record.key.task.ToString(), .generation = record.key.generation};
  v1::CheckReport report;
  v1::Verification body;
  task_queue::v1::TaskSpec spec;
  if (!report.ParseFromString(record.report) || !body.ParseFromString(record.body) ||
      !spec.ParseFromString(record.spec)) {
    return watched;
  }
  const v1::Change& change = report.change();
  // The forge is asked where the task said; whoever reported another place finds nothing of the task there.
  const std::string& asked = spec.context().repository();
  watched.repository = RepositoryKey(asked).empty() ? change.repository() : asked;
  watched.number = change.pull_request().number();
  watched.head_commit = change.head_commit();
  watched.base_branch = change.base_branch();
  watched.paths = {change.paths().begin(), change.paths().end()};
  watched.files_changed = change.files_changed();
  watched.files_deleted = change.files_deleted();
  watched.lines_added = change.lines_added();
  watched.lines_removed = change.lines_removed();
  watched.auto_merge = spec.delivery().auto_merge();
  const Work work = ToWork(record);
  const Policy& today = ChoosePolicy(policies, work.project, work.tier);
  watched.eligible = record.verdict == Verdict::kSucceeded && body.merge().eligible() &&
                     MayMerge(work, today, Assess(work, today)).eligible;
  watched.max_base_behind = std::min(FromStored(record.policy).merge.max_base_behind, today.merge.max_base_behind);
  return watched;
}

}  // namespace

absl::StatusOr<std::vector<WatchedPullRequest>> ForgeRecords::ListWatched(const std::string& after, std::size_t limit) {
  const TaskId from = TaskId::Parse(after).value_or(TaskId());
  SY_ASSIGN_OR_RETURN(const std::vector<Record> records,
                      store_.ListWatched(from, clock_.Now() - kWorthAsking, static_cast<int>(limit)));
  SY_ASSIGN_OR_RETURN(const std::vector<StoredPolicy> policies, store_.ListPolicies());
  const std::vector<Policy> today = FromStored(policies);
  std::vector<WatchedPullRequest> watched;
  for (const Record& record : records) watched.push_back(ToWatched(record, today));
  return watched;
}

absl::StatusOr<bool> ForgeRecords::MayStillMerge(const WatchedPullRequest& watched) {
  SY_ASSIGN_OR_RETURN(const TaskId task, TaskId::Parse(watched.task_id));
  SY_ASSIGN_OR_RETURN(const FoundRecord found, store_.Find(task, 0));
  SY_ASSIGN_OR_RETURN(const std::vector<StoredPolicy> policies, store_.ListPolicies());
  if (found.record.key.generation != watched.generation || found.record.state != RecordState::kConcluded) return false;
  if (QualityOf(found.marks) == Quality::kBad) return false;
  const WatchedPullRequest now = ToWatched(found.record, FromStored(policies));
  return now.eligible && now.auto_merge && now.head_commit == watched.head_commit &&
         now.max_base_behind >= watched.max_base_behind;
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
