// What an executor is asked to do.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/executor/checks/step.h"

namespace switchyard::executor {

// Zero means the executor's own default everywhere; the executor's bounds hold in any case.
struct Limits {
  absl::Duration time = absl::ZeroDuration();
  absl::Duration kill_grace = absl::ZeroDuration();
  std::uint64_t memory_bytes = 0;
  std::uint32_t processes = 0;
  // Of the working directory, and of the largest file.
  std::uint64_t disk_bytes = 0;
  // Output that is passed on as log chunks; beyond it, its head and tail.
  std::uint64_t log_bytes = 0;
  // Output after which the work is ended.
  std::uint64_t output_bytes = 0;
};

enum class WorkKind { kCommand, kPrompt, kExternal };

// How a model is to write changes.
enum class EditFormat { kAny, kNone, kSearchReplace, kWholeFile };

// What a model is to work on.
struct PromptWork {
  std::string instruction;
  // Added to the persona of the role.
  std::string system;
  std::vector<std::string> success_criteria;
  // Text and names that are data, each with what it is, the most needed first.
  std::vector<std::pair<std::string, std::string>> data;
  // Of input and output together; 0: no limit.
  std::int64_t max_tokens = 0;
  bool local_only = false;
  EditFormat edit_format = EditFormat::kAny;
};

// Of kExternal.
struct ExternalWork {
  // As the executor's configuration names it.
  std::string agent;
  std::string instruction;
};

// The repository that work is about, and what becomes of its changes.
struct RepositoryWork {
  // A clone URL or a name known to the executor; empty: none, the work has an empty folder of its own.
  std::string repository;
  // Empty: the repository's default.
  std::string base_branch;
  // Paths that matter.
  std::vector<std::string> files;
  bool push = false;
  bool pull_request = false;
  bool draft = false;
  bool auto_merge = false;
  // For people: of the pull request.
  std::string title;
  std::string description;
};

// One assignment.
struct Work {
  std::string task_id;
  std::int64_t generation = 0;
  WorkKind kind = WorkKind::kCommand;
  // Of kPrompt.
  PromptWork prompt;
  ExternalWork external;
  RepositoryWork repository;
  // In this order; they are part of the work, made in its folder before that goes.
  std::vector<checks::Step> checks;
  // Of all checks together; zero: the executor's own.
  absl::Duration checks_time = absl::ZeroDuration();
  // How often a model may try within this attempt; 0: 3. And what it may cost, in millionths; 0: no limit.
  int max_iterations = 0;
  std::int64_t max_cost_micros = 0;
  // What the task that this one continues left behind.
  std::string state_summary;
  // A serialised switchyard.router.v1.Routing; empty: no model.
  std::string routing;
  // The name of the agent that this executor is; empty: no hub has told it yet, and what it holds was checked before.
  std::string agent;
  // The program first.
  std::vector<std::string> argv;
  // Added to the clean environment, as far as the rule that allows the program permits these names.
  std::map<std::string, std::string> environment;
  // Relative to the working directory of the task; empty is that itself.
  std::string working_directory;
  std::string stdin_data;
  // The work asks for the network; only a rule that grants it allows this.
  bool network = false;
  // It was not confirmed and is not stopped when the lease ends: whatever would reach beyond its folder is refused.
  bool inside_only = false;
  // Only `time` is given by tasks.
  Limits limits;
};

// Whether a model's answer is not the end of it: files are changed by it, or something is checked. In one place, since
// exactly one back end takes such work, and another all other work with a model.
inline bool ChangesFiles(const Work& work) {
  return work.kind == WorkKind::kPrompt &&
         (!work.repository.repository.empty() || !work.checks.empty() ||
          work.prompt.edit_format == EditFormat::kSearchReplace || work.prompt.edit_format == EditFormat::kWholeFile);
}

}  // namespace switchyard::executor
