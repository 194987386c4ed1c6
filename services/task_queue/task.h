// What the task queue knows about a task. Numbers of enumerators equal those of the contract, so that conversion is a
// cast; a test compares them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/task_queue/dependency.h"
#include "services/task_queue/task_id.h"

namespace switchyard::task_queue {

enum class Lane : std::int8_t { kUrgent = 1, kHigh = 2, kNormal = 3, kLow = 4 };
inline constexpr int kLaneCount = 4;

// Tasks are spread over a fixed number of shards, so that several schedulers can share them.
inline constexpr int kShardCount = 16;
int ShardOf(const TaskId& id);

enum class TaskState : std::int8_t {
  kQueued = 1,
  kAssigned = 2,
  kRunning = 3,
  kVerifying = 4,
  kSucceeded = 5,
  kPartial = 6,
  kDeadLetter = 7,
  kCancelled = 8,
  kExpired = 9,
  kDiscarded = 10,
};

enum class HoldReason : std::int8_t {
  kNone = 1,
  kDelayed = 2,
  kBackoff = 3,
  kDependency = 4,
  kPaused = 5,
  kApproval = 6,
  kNoRoute = 7,
  kNoAgent = 8,
};

enum class Phase : std::int8_t {
  kNone = 0,
  kWorkspace = 1,
  kLoading = 2,
  kGenerating = 3,
  kApplying = 4,
  kExecuting = 5,
  kVerifying = 6,
  kBlocked = 7,
};

enum class OnLost : std::int8_t { kRetry = 1, kDeadLetter = 2 };

// Where the row of a task lives; a change is a delete here and an insert there.
enum class Stage : std::int8_t { kReady = 0, kHeld = 1, kRunning = 2, kJudging = 3, kDead = 4, kDone = 5 };
inline constexpr int kStageCount = 6;
Stage StageOf(TaskState state, HoldReason hold);

struct Failure {
  std::string reason;
  std::string message;

  friend bool operator==(const Failure&, const Failure&) = default;
};

enum class AttemptOutcome : std::int8_t {
  kSucceeded = 1,
  kFailed = 2,
  kTimedOut = 3,
  kVerificationFailed = 4,
  kCancelled = 5,
  kLost = 6,
  kRejected = 7,
  kNotAccepted = 8,
  kReleased = 9,
};

// One assignment that is over.
struct Attempt {
  Generation generation{};
  std::string agent;
  AttemptOutcome outcome = AttemptOutcome::kFailed;
  bool charged = false;
  Failure failure;
  absl::Time assign_time;
  absl::Time accept_time = absl::InfiniteFuture();
  absl::Time finish_time;
  // What the closing report was answered, so that the same report again gets the same answer.
  TaskState answered = TaskState::kQueued;
  // Model and cost as reported; a serialised message of the contract, opaque here.
  std::string usage;

  friend bool operator==(const Attempt&, const Attempt&) = default;
};

enum class EventKind : std::int8_t {
  kSubmitted = 1,
  kReady = 2,
  kHeld = 3,
  kAssigned = 4,
  kAccepted = 5,
  kPhase = 6,
  kBlocked = 7,
  kAnswered = 8,
  kReturned = 9,
  kEvidence = 10,
  kCancelRequested = 11,
  kFinished = 12,
  kRevived = 13,
  kProgress = 14,
  kRouteChanged = 15,
};

struct TaskEvent {
  EventKind kind = EventKind::kSubmitted;
  absl::Time time;
  // After the event.
  TaskState state = TaskState::kQueued;
  HoldReason hold = HoldReason::kNone;
  absl::Time hold_until = absl::InfiniteFuture();
  Generation generation{};
  std::string agent;
  Phase phase = Phase::kNone;
  std::string cause;
  std::string message;
  // Counts up within the task from 1.
  int ordinal = 0;

  friend bool operator==(const TaskEvent&, const TaskEvent&) = default;
};

// What the submitter asked for instead of the installation's defaults; absent values are zero, empty or infinite.
struct TaskPolicy {
  int max_attempts = 0;
  std::vector<absl::Duration> backoff;
  OnLost on_lost = OnLost::kRetry;
  bool needs_verdict = false;
  absl::Duration accept;
  absl::Duration run;
  absl::Duration stuck;
  absl::Duration verification;
  absl::Time complete_by = absl::InfiniteFuture();
  // From submission until the first start.
  absl::Duration time_to_live = absl::InfiniteDuration();
  // A model works on it, so that silence is normal for longer.
  bool uses_model = false;
  DependencyRule dependency_rule = DependencyRule::kAll;
  OnDependencyFailure on_dependency_failure = OnDependencyFailure::kFail;

  friend bool operator==(const TaskPolicy&, const TaskPolicy&) = default;
};

// A task apart from its specification: the row that moves from stage to stage with its whole history.
struct TaskRecord {
  TaskId id;
  Lane lane = Lane::kNormal;
  std::string project;
  std::string principal;
  absl::Time create_time;
  TaskPolicy policy;
  // What schedulers need to know of the specification; a serialised message of the contract, opaque here.
  std::string matching;
  // Empty once nothing is waited for any more; never of a task that was offered.
  std::vector<Awaited> awaits;

  TaskState state = TaskState::kQueued;
  HoldReason hold = HoldReason::kNone;
  absl::Time hold_until = absl::InfiniteFuture();
  Generation generation{};
  // Grows with every write of the row; with `generation` it is what compare-and-set compares.
  std::int64_t revision = 0;
  int attempts = 0;
  int losses = 0;
  int releases = 0;
  Phase phase = Phase::kNone;
  std::string agent;
  absl::Time assign_time = absl::InfiniteFuture();
  absl::Time accept_time = absl::InfiniteFuture();
  absl::Time finish_time = absl::InfiniteFuture();
  // The last sign of progress, or when the verdict began to be awaited.
  absl::Time sign_time = absl::InfiniteFuture();
  bool cancel_requested = false;
  absl::Time cancel_time = absl::InfiniteFuture();
  std::string cancel_reason;
  std::string question;
  std::string answer;
  // The scheduler's decision for the current assignment, opaque here.
  std::string routing;
  // Serialised messages of the contract, opaque here.
  std::string result;
  std::string usage;
  // The model that last worked on it, for counts of dead letters.
  std::string model;
  Failure failure;
  std::vector<Attempt> history;
  // Agents that rejected or lost it; at most kAvoidBound, oldest dropped.
  std::vector<std::string> avoid_agents;
  // Agents that will never take it; fewer than kRefusalBound while it is live, and none twice.
  std::vector<std::string> refusing_agents;
  std::vector<TaskEvent> timeline;
  // Events dropped from the middle of the timeline.
  int omitted_events = 0;

  Stage stage() const { return StageOf(state, hold); }
  int shard() const { return ShardOf(id); }
  // Was assigned before: goes behind fresh work of its lane.
  bool retried() const { return generation != Generation{}; }
  int rank() const { return static_cast<int>(lane) * 2 + (retried() ? 1 : 0); }

  friend bool operator==(const TaskRecord&, const TaskRecord&) = default;
};

inline constexpr int kAvoidBound = 16;
inline constexpr int kRefusalBound = 16;
// Closed attempts that are kept, the newest; older reports that come again are stale.
inline constexpr int kHistoryBound = 64;
inline constexpr int kTimelineHead = 50;
inline constexpr int kTimelineTail = 200;
// Ranks run from 2 (urgent, fresh) to 9 (low, retried).
inline constexpr int kFirstRank = 2;
inline constexpr int kLastRank = 9;

bool IsFinal(TaskState state);
Standing StandingOf(TaskState state);
bool IsTransitionLegal(TaskState from, TaskState to);

}  // namespace switchyard::task_queue
