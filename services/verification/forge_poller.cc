#include "services/verification/forge_poller.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/forge/answer.h"

namespace switchyard::verification {
namespace {

using forge::CommitStatus;
using forge::PullRequestState;

constexpr std::string_view kBranchPrefix = "agent/";
// Without a word from the forge.
constexpr absl::Duration kLeaveAlone = absl::Minutes(1);
// Whatever it asks for.
constexpr absl::Duration kLongestWait = absl::Hours(1);
constexpr char kLeftAlone[] = "left_alone";

// Two ways of comparing may count lines a little differently.
bool DistinctlyMore(std::int64_t seen, std::int64_t reported) { return seen > reported + reported / 4 + 10; }

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

}  // namespace

// Of one question. The answer may come when nobody waits any more.
struct ForgePoller::Waiter {
  Mutex mutex;
  CondVar changed;
  bool over ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

std::string_view ObstacleName(MergeObstacle obstacle) {
  switch (obstacle) {
    case MergeObstacle::kNothing:
      return "nothing";
    case MergeObstacle::kNotAllowed:
      return "not_allowed";
    case MergeObstacle::kNotAsked:
      return "not_asked";
    case MergeObstacle::kNotEligible:
      return "not_eligible";
    case MergeObstacle::kDraft:
      return "draft";
    case MergeObstacle::kConflicts:
      return "conflicts";
    case MergeObstacle::kMergeabilityUnknown:
      return "mergeability_unknown";
    case MergeObstacle::kHeadMoved:
      return "head_moved";
    case MergeObstacle::kBaseChanged:
      return "base_changed";
    case MergeObstacle::kBaseBehind:
      return "base_behind";
    case MergeObstacle::kStatusFailed:
      return "status_failed";
    case MergeObstacle::kStatusPending:
      return "status_pending";
    case MergeObstacle::kBaseFailed:
      return "base_failed";
    case MergeObstacle::kOtherChanges:
      return "other_changes";
  }
  return "nothing";
}

MergeObstacle ObstacleIn(const WatchedPullRequest& watched, const forge::PullRequest& now, bool allowed) {
  if (!allowed) return MergeObstacle::kNotAllowed;
  if (!watched.auto_merge) return MergeObstacle::kNotAsked;
  if (!watched.eligible) return MergeObstacle::kNotEligible;
  if (now.draft) return MergeObstacle::kDraft;
  if (now.head_commit != watched.head_commit) return MergeObstacle::kHeadMoved;
  if (now.base_branch != watched.base_branch) return MergeObstacle::kBaseChanged;
  if (!now.mergeable.has_value()) return MergeObstacle::kMergeabilityUnknown;
  return *now.mergeable ? MergeObstacle::kNothing : MergeObstacle::kConflicts;
}

bool IsWithinReport(const WatchedPullRequest& watched, const std::vector<forge::ChangedFile>& files) {
  const std::set<std::string> reported(watched.paths.begin(), watched.paths.end());
  std::int64_t changed = 0;
  std::int64_t deleted = 0;
  std::int64_t added_lines = 0;
  std::int64_t removed_lines = 0;
  for (const forge::ChangedFile& file : files) {
    if (reported.count(file.path) == 0) return false;
    if (!file.former_path.empty() && file.former_path != file.path) {
      if (reported.count(file.former_path) == 0) return false;
      // To the rules, a file that moves away is one that is deleted.
      ++deleted;
    }
    deleted += file.deleted ? 1 : 0;
    changed += file.added || file.deleted ? 0 : 1;
    added_lines += file.additions;
    removed_lines += file.deletions;
  }
  return changed <= watched.files_changed && deleted <= watched.files_deleted &&
         !DistinctlyMore(added_lines, watched.lines_added) && !DistinctlyMore(removed_lines, watched.lines_removed);
}

ForgePoller::ForgePoller(PullRequestStore& store, Find find, ForgePollerOptions options, const Clock& clock,
                         telemetry::Metrics* metrics)
    : store_(store),
      find_(std::move(find)),
      options_(options),
      clock_(clock),
      polls_(metrics == nullptr ? nullptr
                                : &metrics->Counters("switchyard_verification_forge_polls_total",
                                                     "Pull requests looked at, by what came of it.", {"outcome"})) {}

void ForgePoller::Stop() {
  std::shared_ptr<Waiter> waiter;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    waiter = waiter_;
  }
  if (waiter == nullptr) return;
  MutexLock lock(waiter->mutex);
  waiter->stopped = true;
  waiter->changed.NotifyAll();
}

bool ForgePoller::stopped() const {
  MutexLock lock(mutex_);
  return stopped_;
}

template <class T>
absl::StatusOr<T> ForgePoller::Await(const std::function<void(forge::Done<T>)>& ask) {
  // Shared with the answer.
  struct Slot : Waiter {
    absl::StatusOr<T> answer = absl::UnknownError("");
  };
  const auto slot = std::make_shared<Slot>();
  {
    MutexLock lock(mutex_);
    if (stopped_) return absl::CancelledError("stopped");
    waiter_ = slot;
  }
  ask([slot](absl::StatusOr<T> answer) {
    MutexLock lock(slot->mutex);
    if (slot->over) return;
    slot->answer = std::move(answer);
    slot->over = true;
    slot->changed.NotifyAll();
  });
  absl::StatusOr<T> answer = MakeError(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", "no answer in time");
  {
    MutexLock lock(slot->mutex);
    bool in_time = true;
    while (!slot->over && !slot->stopped && in_time) in_time = slot->changed.WaitFor(slot->mutex, options_.patience);
    if (slot->over) {
      answer = std::move(slot->answer);
    } else if (slot->stopped) {
      answer = absl::CancelledError("stopped");
    }
    slot->over = true;
  }
  MutexLock lock(mutex_);
  waiter_.reset();
  return answer;
}

absl::Status ForgePoller::Tick() {
  const std::string start = last_;
  std::string after = start;
  // From the first on, since the end was reached.
  bool again = start.empty(), left_out = false;
  while (!stopped()) {
    SY_ASSIGN_OR_RETURN(const std::vector<WatchedPullRequest> watched, store_.ListWatched(after, options_.page));
    bool round = false;
    for (const WatchedPullRequest& one : watched) {
      round = again && !start.empty() && one.task_id > start;
      if (round) break;
      if (stopped()) return absl::OkStatus();
      const absl::StatusOr<std::string> outcome = Look(one);
      const bool left_alone = outcome.ok() && *outcome == kLeftAlone;
      if (!left_alone) last_ = one.task_id;
      left_out = left_out || left_alone;
      if (!outcome.ok()) return outcome.status();
      if (polls_ != nullptr) polls_->With({*outcome}).Add();
    }
    const bool end = watched.size() < options_.page;
    if (round || (end && again)) {
      if (!left_out) last_.clear();
      break;
    }
    again = again || end;
    after = end ? "" : watched.back().task_id;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ForgePoller::Look(const WatchedPullRequest& watched) {
  const absl::StatusOr<forge::Place> place = find_(watched.repository);
  if (!place.ok()) return LowerCase(ReasonOf(place.status()));
  const auto left_alone = not_before_.find(place->forge);
  if (left_alone != not_before_.end() && clock_.Now() < left_alone->second) return std::string(kLeftAlone);
  return LookAt(watched, *place);
}

absl::StatusOr<std::string> ForgePoller::LookAt(const WatchedPullRequest& watched, const forge::Place& place) {
  // Only the store's own failures end the round.
  const auto failed = [&](const absl::Status& status) {
    const bool missed = ReasonOf(status) == "FORGE_UNAVAILABLE";
    int& misses = misses_[place.forge];
    misses = missed ? misses + 1 : 0;
    if (forge::ConcernsForge(status) || misses >= kMostMisses) {
      const absl::Duration asked = std::min(DetailsOf(status).retry_after, kLongestWait);
      not_before_[place.forge] = clock_.Now() + (asked > absl::ZeroDuration() ? asked : kLeaveAlone);
      misses = 0;
    }
    LogWarning("a forge was asked about a pull request in vain", {{"task", watched.task_id}, {"status", status}});
    const std::string reason = LowerCase(ReasonOf(status));
    return reason.empty() ? std::string("stopped") : reason;
  };
  const auto note = [&] { return absl::StrCat(place.repository.ToString(), "#", watched.number); };
  const absl::StatusOr<forge::PullRequest> now = Await<forge::PullRequest>([&](forge::Done<forge::PullRequest> done) {
    place.forge->GetPullRequest(place.repository, watched.number, std::move(done));
  });
  if (!now.ok()) return failed(now.status());
  misses_[place.forge] = 0;
  if (now->from_fork || now->head_branch != absl::StrCat(ToAbsl(kBranchPrefix), watched.task_id)) {
    LogWarning("a report names a pull request that is not its task's",
               {{"task", watched.task_id}, {"number", static_cast<long>(watched.number)}});
    return std::string("foreign");
  }
  if (now->state != PullRequestState::kOpen) {
    const bool merged = now->state == PullRequestState::kMerged;
    SY_RETURN_IF_ERROR(
        store_.RecordOutcome(watched, merged ? PullRequestOutcome::kMerged : PullRequestOutcome::kRejected, note()));
    return std::string(merged ? "merged" : "rejected");
  }
  const absl::StatusOr<MergeObstacle> obstacle = Obstacle(watched, *now, place);
  if (!obstacle.ok()) return failed(obstacle.status());
  if (*obstacle == MergeObstacle::kNotAllowed || *obstacle == MergeObstacle::kNotAsked) return std::string("open");
  if (*obstacle != MergeObstacle::kNothing) {
    LogInfo("a pull request is not merged", {{"task", watched.task_id}, {"obstacle", ObstacleName(*obstacle)}});
    return std::string(ObstacleName(*obstacle));
  }
  SY_ASSIGN_OR_RETURN(const bool permitted, store_.MayStillMerge(watched));
  if (!permitted) {
    LogInfo("a pull request is not merged", {{"task", watched.task_id}, {"obstacle", "no_longer_permitted"}});
    return std::string("no_longer_permitted");
  }
  const absl::StatusOr<bool> merged = Await<bool>([&](const forge::Done<bool>& done) {
    place.forge->MergePullRequest(place.repository, watched.number, watched.head_commit,
                                  [done](const absl::Status& status) {
                                    if (!status.ok()) return done(status);
                                    done(true);
                                  });
  });
  // Without an answer it may be merged all the same: the next round sees it.
  if (!merged.ok()) return failed(merged.status());
  LogInfo("merged a pull request", {{"task", watched.task_id}, {"commit", watched.head_commit}});
  SY_RETURN_IF_ERROR(store_.RecordOutcome(watched, PullRequestOutcome::kMerged, absl::StrCat(note(), " by the rules")));
  return std::string("merged");
}

absl::StatusOr<MergeObstacle> ForgePoller::Obstacle(const WatchedPullRequest& watched, const forge::PullRequest& now,
                                                    const forge::Place& place) {
  const MergeObstacle plain = ObstacleIn(watched, now, options_.allow_auto_merge);
  if (plain != MergeObstacle::kNothing) return plain;
  forge::Forge& forge = *place.forge;
  SY_ASSIGN_OR_RETURN(const forge::Comparison comparison,
                      Await<forge::Comparison>([&](forge::Done<forge::Comparison> done) {
                        forge.CompareBranches(place.repository, now.base_branch, watched.head_commit, std::move(done));
                      }));
  if (comparison.behind > watched.max_base_behind) return MergeObstacle::kBaseBehind;
  const auto status_of = [&](const std::string& revision) {
    return Await<CommitStatus>(
        [&](forge::Done<CommitStatus> done) { forge.GetCombinedStatus(place.repository, revision, std::move(done)); });
  };
  SY_ASSIGN_OR_RETURN(const CommitStatus status, status_of(watched.head_commit));
  if (status == CommitStatus::kFailure) return MergeObstacle::kStatusFailed;
  if (status == CommitStatus::kPending) return MergeObstacle::kStatusPending;
  SY_ASSIGN_OR_RETURN(const CommitStatus base, status_of(now.base_branch));
  if (base == CommitStatus::kFailure) return MergeObstacle::kBaseFailed;
  using Files = std::vector<forge::ChangedFile>;
  SY_ASSIGN_OR_RETURN(const Files files, Await<Files>([&](forge::Done<Files> done) {
                        forge.ListFiles(place.repository, watched.number, std::move(done));
                      }));
  return IsWithinReport(watched, files) ? MergeObstacle::kNothing : MergeObstacle::kOtherChanges;
}

}  // namespace switchyard::verification
