#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "services/executor/allowlist.h"
#include "services/executor/backend.h"
#include "services/executor/runner.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {

// A program to run in a folder that is there already.
struct ProgramRequest {
  std::string task_id;
  std::int64_t generation = 0;
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  // On the host; belongs to the task's user.
  std::string folder;
  // Relative to it.
  std::string directory;
  std::string stdin_data;
  bool network = false;
  // As Work::inside_only.
  bool inside_only = false;
  // Zero: the executor's own.
  absl::Duration time = absl::ZeroDuration();
};

// How a program was confined, for evidence.
struct Confinement {
  std::string rule;
  // "bubblewrap" or "none".
  std::string sandbox;
  bool network = false;
  uid_t uid = 0;
};

struct StartedProgram {
  RunId id = 0;
  Confinement confinement;
};

// Runs programs confined: those that the allowlist permits, or those that a rule of this executor's own configuration names.
// Every program that any back end runs for a task comes through here. Thread-safe.
class Programs {
 public:
  struct Options {
    // A failure is what all then answer, except for rules whose sandbox is optional.
    absl::StatusOr<SandboxHost> host;
    // Paths that no task may see: the executor's own data, its token.
    std::vector<std::string> hidden;
    Limits limits;
  };

  // `runner` outlives it and every run.
  Programs(Options options, Runner& runner);

  // Takes effect for later programs. INVALID_ARGUMENT, reason ALLOWLIST_UNSAFE, when a rule would show tasks what is hidden;
  // the former list then stays.
  absl::Status SetAllowlist(Allowlist allowlist);
  std::shared_ptr<const Allowlist> allowlist() const;
  // Whether the sandbox was found to work; until told, what `host` says.
  void SetSandbox(absl::Status status);

  // As Backend::Check and Backend::ReachesBeyond, for a program that tasks ask for.
  absl::Status Check(const ProgramRequest& request) const;
  bool ReachesBeyond(const ProgramRequest& request) const;

  // By the allowlist. `observer` as in Runner::Run; not called when this is not OK.
  absl::StatusOr<StartedProgram> Start(const ProgramRequest& request, RunObserver& observer);
  // By a rule of one's own configuration, which has been checked against what is hidden by CheckRule.
  absl::StatusOr<StartedProgram> StartByRule(const Rule& rule, const ProgramRequest& request, RunObserver& observer);
  // Whether a rule's program is there, and the rule shows nothing hidden.
  absl::Status CheckRule(const Rule& rule) const;

  void Cancel(RunId id) { runner_.Cancel(id); }
  void Kill(RunId id) { runner_.Kill(id); }

  const absl::StatusOr<SandboxHost>& host() const { return options_.host; }
  const Limits& limits() const { return options_.limits; }

 private:
  const Options options_;
  Runner& runner_;
  mutable Mutex mutex_;
  // Shared with what reads it while it is replaced.
  std::shared_ptr<const Allowlist> allowlist_ ABSL_GUARDED_BY(mutex_);
  absl::Status sandbox_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor
