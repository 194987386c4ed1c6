#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/verification/calibration.h"
#include "services/verification/judge.h"
#include "services/verification/work.h"

namespace switchyard::verification {

// The numbers are the contract's.
enum class RecordState { kJudging = 1, kDecided = 2, kConcluded = 3, kSuperseded = 4 };

// A report and what was made of it.
struct Record {
  WorkKey key;
  RecordState state = RecordState::kDecided;
  // Of kJudging: none.
  Verdict verdict = Verdict::kNone;
  std::string reason;
  bool permanent = false;
  absl::Time create_time;
  // Absent in kJudging; of what was superseded there, the time of its making.
  std::optional<absl::Time> decide_time;
  std::string project;
  // The author's, as reported.
  std::string model;
  Tier tier = Tier::kAny;
  std::int64_t cost_micros = 0;
  bool cost_unknown = false;
  JudgeState judge_state = JudgeState::kNotAsked;
  std::string judge_model;
  double judge_confidence = 0;
  bool same_family = false;
  // Nil: none is submitted.
  TaskId judge_task;
  // When the wait for a judge ends.
  absl::Time judge_due = absl::InfiniteFuture();
  // It brought a pull request of which nobody at its forge said yet what became of it.
  bool watched = false;
  // switchyard.verification.v1.Verification, without its report and its outcomes.
  std::string body;
  // switchyard.verification.v1.Policy that it is decided by.
  std::string policy;
  // switchyard.task_queue.v1.TaskSpec, as far as the rules look at it.
  std::string spec;
  // switchyard.verification.v1.CheckReport, as it came. Only where it is said.
  std::string report;

  friend bool operator==(const Record&, const Record&) = default;
};

struct KeptRecord {
  // As it stands now; without its report.
  Record record;
  // This call made it so.
  bool fresh = false;
};

struct Finish {
  WorkKey key;
  // kConcluded or kSuperseded.
  RecordState state = RecordState::kConcluded;
};

struct Mark {
  OutcomeKind kind = OutcomeKind::kGood;
  std::string source;
  std::string note;
  absl::Time time;

  friend bool operator==(const Mark&, const Mark&) = default;
};

// From a report to its decision.
inline constexpr absl::Duration kLongestDecision = absl::Hours(24 * 7);

// The source of marks that a forge's pull request gives. Such a mark ends the watch of its task.
inline constexpr std::string_view kForgeSource = "forge";

// What marks say together: of each source the newest counts, and one bad one is enough.
Quality QualityOf(const std::vector<Mark>& newest_first);

struct FoundRecord {
  Record record;
  // Newest first.
  std::vector<Mark> marks;
};

struct RecordQuery {
  // Older than that, by (create_time, key).
  absl::Time before_time = absl::InfiniteFuture();
  WorkKey before;
  std::optional<TaskId> task;
  // Empty or nothing: any.
  std::string project;
  std::string model;
  std::optional<RecordState> state;
  std::optional<Verdict> verdict;
  int limit = 50;
};

struct StoredPolicy {
  std::string project;
  Tier tier = Tier::kAny;
  std::int64_t version = 0;
  absl::Time update_time;
  // switchyard.verification.v1.Policy.
  std::string body;

  friend bool operator==(const StoredPolicy&, const StoredPolicy&) = default;
};

struct Backlog {
  std::int64_t judging = 0;
  std::int64_t decided = 0;
};

// What is kept of reports, verdicts and policies. Every call is atomic, blocks, and may fail with UNAVAILABLE, in which
// case it is unknown whether a change was made. Thread-safe; any number of processes share one.
//
// Of a key the first record stays: what comes later is answered by it. A verdict that stands never changes.
class VerificationStore {
 public:
  virtual ~VerificationStore() = default;

  // In order; no key comes twice. What is decided was so when it was made. What a judge is to see can be claimed at
  // once, the others once `look_after` has passed.
  virtual absl::StatusOr<std::vector<KeptRecord>> Add(absl::Span<const Record> records, absl::Time look_after) = 0;
  // From kJudging to kDecided, with all that a judge's answer changes; the report stays. Of a key that is not there:
  // not answered.
  virtual absl::StatusOr<std::vector<KeptRecord>> Decide(absl::Span<const Record> records, absl::Time look_after) = 0;
  // Of a record in kJudging that has none.
  virtual absl::Status SetJudgeTask(const WorkKey& key, const TaskId& judge) = 0;
  // What is not finished yet; the others are left as they are.
  virtual absl::Status End(absl::Span<const Finish> finishes) = 0;
  // Those in kJudging or kDecided whose time to be looked at has come, oldest first; to this caller alone for an eighth
  // of their age, at least `least` and at most `most`.
  virtual absl::StatusOr<std::vector<Record>> Claim(absl::Time now, absl::Duration least, absl::Duration most,
                                                    int limit) = 0;
  virtual absl::StatusOr<Backlog> CountUnfinished() = 0;

  // With its report. Generation 0: the newest. VERIFICATION_NOT_FOUND.
  virtual absl::StatusOr<FoundRecord> Find(const TaskId& task, std::int64_t generation) = 0;
  // Newest first, without reports.
  virtual absl::StatusOr<std::vector<FoundRecord>> List(const RecordQuery& query) = 0;

  // Adds it, or replaces the one of its project and tier; the version is the store's. TOO_MANY_POLICIES.
  virtual absl::StatusOr<StoredPolicy> SetPolicy(const StoredPolicy& policy, std::size_t most, std::string_view by) = 0;
  // POLICY_NOT_FOUND.
  virtual absl::Status RemovePolicy(std::string_view project, Tier tier) = 0;
  // By project and tier.
  virtual absl::StatusOr<std::vector<StoredPolicy>> ListPolicies() = 0;

  // Of what is concluded and watched, made since then, the newest generation of each task; by task, from behind
  // `after`, with reports.
  virtual absl::StatusOr<std::vector<Record>> ListWatched(const TaskId& after, absl::Time since, int limit) = 0;
  // In place of the one of the same kind and source. VERIFICATION_NOT_FOUND.
  virtual absl::Status AddMark(const TaskId& task, const Mark& mark) = 0;
  // Of what was decided since then, and made at most kLongestDecision before. Of each source the newest mark counts,
  // and for the newest generation of a task only.
  virtual absl::StatusOr<std::vector<CalibrationGroup>> Calibrate(std::string_view project, absl::Time since) = 0;

  // Drops at most `limit` finished records that are older, with the marks of tasks of which nothing newer is left; how
  // many.
  virtual absl::StatusOr<int> Forget(absl::Time before, int limit) = 0;
};

}  // namespace switchyard::verification
