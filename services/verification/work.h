// What is judged: the steps that a task asked for, and what an executor says came of them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::verification {

using TaskId = Id<struct TaskIdTag>;

// The work of one assignment: at most one verdict each.
struct WorkKey {
  TaskId task;
  std::int64_t generation = 0;

  friend bool operator==(const WorkKey&, const WorkKey&) = default;
  friend auto operator<=>(const WorkKey&, const WorkKey&) = default;
};

// The numbers of these are the contracts'.
enum class Verdict { kNone = 0, kSucceeded = 1, kPartial = 2, kFailed = 3 };
enum class Complexity { kUnknown = 0, kTrivial = 1, kStandard = 2, kComplex = 3 };
enum class Tier { kAny = 0, kSmall = 1, kMedium = 2, kLarge = 3 };
enum class StepStatus { kUnknown = 0, kPassed = 1, kFailed = 2, kError = 3, kTimedOut = 4, kSkipped = 5 };

struct AskedStep {
  std::string name;
  // As the contract's field is called: "file_exists".
  std::string check;
  bool optional = false;
};

struct ReportedStep {
  // Index of the asked one.
  int step = 0;
  std::string name;
  std::string check;
  StepStatus status = StepStatus::kUnknown;
  // Something stands in its evidence besides white space.
  bool has_evidence = false;
  absl::Duration duration = absl::ZeroDuration();
  std::optional<int> exit_code;
};

// One turn of the loop.
struct Turn {
  std::string model;
  // "VERIFY": its checks were made.
  std::string failed_at;
  int steps_failed = 0;
  // Its state is the result.
  bool kept = false;
};

struct PullRequest {
  int base_behind = 0;
};

// What the work did to its repository.
struct Change {
  std::string repository;
  std::string base_branch;
  std::string base_commit;
  std::string head_commit;
  bool pushed = false;
  int files_added = 0;
  int files_changed = 0;
  int files_deleted = 0;
  int lines_added = 0;
  int lines_removed = 0;
  // As many as the report may hold.
  std::vector<std::string> paths;
  std::optional<PullRequest> pull_request;
};

struct Report {
  int schema_version = 1;
  std::vector<ReportedStep> steps;
  std::vector<Turn> turns;
  std::string loop_end;
  std::optional<Change> change;
};

struct Work {
  std::vector<AskedStep> asked;
  // Absent: none came, or it could not be read.
  std::optional<Report> report;
  bool report_unreadable = false;
  std::string project;
  Complexity complexity = Complexity::kUnknown;
  // Of the author; kAny without a model.
  Tier tier = Tier::kAny;
  // The task itself asks for turns of work and checks, by a prompt or an external agent; whatever is reported.
  bool loops = false;
  // Where the task wants its work done; empty: it does not say.
  std::string repository;
  std::string base_branch;
  // A model worked on it, or should have.
  bool uses_model = false;
  // All that took part, as reported.
  std::vector<std::string> models;
  // What it was assigned, as far as that is known: excluded as judges too.
  std::vector<std::string> assigned_models;
};

}  // namespace switchyard::verification
