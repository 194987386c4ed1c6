// Finds out what became of pull requests, and merges what the rules and the configuration let be merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/forge/forge.h"
#include "libs/forge/forge_directory.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::verification {

// A pull request of a task whose verdict stands, as its report has it: evidence, which the forge is asked about.
struct WatchedPullRequest {
  std::string task_id;
  std::int64_t generation = 0;
  // Change.repository: where it was cloned from.
  std::string repository;
  std::int64_t number = 0;
  // What was verified.
  std::string head_commit;
  std::string base_branch;
  // What the rules were applied to.
  std::vector<std::string> paths;
  std::int64_t files_changed = 0;
  std::int64_t files_deleted = 0;
  std::int64_t lines_added = 0;
  std::int64_t lines_removed = 0;
  // The task asks to be merged.
  bool auto_merge = false;
  // The verdict is that the work is done, and its rules say that it may be merged.
  bool eligible = false;
  // Of those rules.
  std::int64_t max_base_behind = 0;
};

enum class PullRequestOutcome { kMerged, kRejected };

// What the poller needs of what keeps verifications. Called on the poller's thread alone, and may block, at most some
// seconds.
class PullRequestStore {
 public:
  virtual ~PullRequestStore() = default;
  // Those of concluded verifications that have no outcome of a forge yet and are no older than is worth asking about;
  // in a fixed order, from behind `after` (a task id; empty: from the first), at most `limit`. Of a task, the newest
  // generation.
  virtual absl::StatusOr<std::vector<WatchedPullRequest>> ListWatched(const std::string& after, std::size_t limit) = 0;
  // Whether the rules of now still permit the merge, whatever they said when the verdict fell: asked right before it.
  virtual absl::StatusOr<bool> MayStillMerge(const WatchedPullRequest& watched) = 0;
  // Source "forge". Once it is OK, the pull request is watched no more. Again is harmless.
  virtual absl::Status RecordOutcome(const WatchedPullRequest& watched, PullRequestOutcome outcome,
                                     const std::string& note) = 0;
};

struct ForgePollerOptions {
  bool allow_auto_merge = false;
  std::size_t page = 100;
  // Of the answer to one question, beyond what the forge's own time-outs bound.
  absl::Duration patience = absl::Minutes(2);
};

// Why an open pull request is not merged; kNothing: it may be.
enum class MergeObstacle {
  kNothing,
  kNotAllowed,
  kNotAsked,
  kNotEligible,
  kDraft,
  kConflicts,
  kMergeabilityUnknown,
  // Its head is another commit than the one that was verified.
  kHeadMoved,
  // It goes into another branch than the one that was verified.
  kBaseChanged,
  kBaseBehind,
  // Reports on the commit or on the base branch: failed, or not all in.
  kStatusFailed,
  kStatusPending,
  kBaseFailed,
  // The forge sees changes that the report has not.
  kOtherChanges,
};
// "head_moved"; for logs and metrics.
std::string_view ObstacleName(MergeObstacle obstacle);

// What can be said without asking for more, in the order above.
MergeObstacle ObstacleIn(const WatchedPullRequest& watched, const forge::PullRequest& now, bool allowed);
// Whether the forge sees no more than what was reported: no other paths, no more changed or deleted files, not
// distinctly more lines.
bool IsWithinReport(const WatchedPullRequest& watched, const std::vector<forge::ChangedFile>& files);

// One round asks about every watched pull request, one at a time, as forges wish it; a round that could not ask about
// all is followed by one that begins behind the last that was asked. A pull request that is not from
// the branch agent/<task-id> of the repository itself is left alone, whatever its report says. Not thread-safe, but for
// Stop.
class ForgePoller {
 public:
  // Where a repository is; ForgeDirectory::Find.
  using Find = std::function<absl::StatusOr<forge::Place>(std::string_view clone_url)>;

  // Borrows `store`, `clock`, and `metrics` when given: counter switchyard_verification_forge_polls_total by outcome.
  ForgePoller(PullRequestStore& store, Find find, ForgePollerOptions options, const Clock& clock,
              telemetry::Metrics* metrics = nullptr);

  // Blocks; for a thread of its own, never a transport's. What fails is asked again in the next round. A forge that
  // limits, refuses the token, cannot be reached, or fails kMostMisses times in a row is left alone for as long as it
  // said, at most an hour, or a minute. The first failure of the store ends the round.
  absl::Status Tick();
  static constexpr int kMostMisses = 3;
  // Ends the round under way soon, and makes later ones do nothing. Thread-safe.
  void Stop();

 private:
  struct Waiter;

  // Asks by `ask`, which hands the answer to what it is given, and waits for it.
  template <class T>
  absl::StatusOr<T> Await(const std::function<void(forge::Done<T>)>& ask);
  // "merged", "rejected", "open", an obstacle, or what failed: for the counter.
  absl::StatusOr<std::string> Look(const WatchedPullRequest& watched);
  absl::StatusOr<std::string> LookAt(const WatchedPullRequest& watched, const forge::Place& place);
  absl::StatusOr<MergeObstacle> Obstacle(const WatchedPullRequest& watched, const forge::PullRequest& now,
                                         const forge::Place& place);
  bool stopped() const;

  PullRequestStore& store_;
  const Find find_;
  const ForgePollerOptions options_;
  const Clock& clock_;
  // By outcome; may be null.
  telemetry::Family<telemetry::Counter>* polls_ = nullptr;
  // Forges that are not to be asked before.
  std::map<const forge::Forge*, absl::Time> not_before_;
  // Questions in a row that they did not answer.
  std::map<const forge::Forge*, int> misses_;
  // The last one that was asked about, by a round that left others out.
  std::string last_;
  mutable Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // The question under way; shared with its answer, which may come when nobody waits any more.
  std::shared_ptr<Waiter> waiter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::verification
