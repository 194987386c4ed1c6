#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
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

// INVALID_ARGUMENT, reason INVALID_WORK, unless folders may be named by it.
absl::Status CheckTaskId(std::string_view id);

// Runs programs confined: those that the allowlist permits, or those that a rule of this executor's own configuration
// names. Every program that any back end runs for a task comes through here. Thread-safe.
class Programs {
 public:
  struct Options {
    // A failure is what all then answer, except for rules whose sandbox is optional.
    absl::StatusOr<SandboxHost> host;
    // Paths that no task may see: the executor's own data, its token.
    std::vector<std::string> hidden;
    // From PrepareWorkFolder: where tasks' own folders are made.
    std::string work_folder;
    Limits limits;
  };

  // `runner` outlives it and every run.
  Programs(Options options, Runner& runner);

  // Takes effect for later programs. INVALID_ARGUMENT, reason ALLOWLIST_UNSAFE, when a rule would show tasks what is
  // hidden; the former list then stays.
  absl::Status SetAllowlist(Allowlist allowlist);
  std::shared_ptr<const Allowlist> allowlist() const;
  // Whether the sandbox was found to work; until told, what `host` says.
  void SetSandbox(absl::Status status);

  // OK where programs are confined.
  absl::Status sandbox() const;

  // Runs a program that does nothing just as a task would be; later programs go by the result. Blocks, at most 10 s.
  ProbeResult TestSandbox();

  // An empty folder that belongs to the task's user, with `inner` (relative, may be empty) made inside; RemoveTree ends
  // it. A status of CheckTaskId; UNAVAILABLE, reason SANDBOX_UNAVAILABLE; INTERNAL, reason WORKSPACE_FAILED.
  absl::StatusOr<std::string> MakeFolder(const std::string& task_id, std::int64_t generation, const std::string& inner);

  // As Backend::Check and Backend::ReachesBeyond, for a program that tasks ask for. Neither looks at `folder`.
  absl::Status Check(const ProgramRequest& request) const;
  bool ReachesBeyond(const ProgramRequest& request) const;

  // By the allowlist. `observer` as in Runner::Run, but the evidence lacks nothing; not called when this is not OK.
  absl::StatusOr<StartedProgram> Start(const ProgramRequest& request, RunObserver& observer);
  // By a rule of one's own configuration, which CheckRule has found good: its patterns are not looked at, and every
  // variable of the request is set.
  absl::StatusOr<StartedProgram> StartByRule(const Rule& rule, const ProgramRequest& request, RunObserver& observer);
  // Whether a rule's program is there and no shell, and the rule shows nothing hidden. UNAVAILABLE, reason
  // PROGRAM_MISSING; PERMISSION_DENIED, reason NOT_ALLOWED; INVALID_ARGUMENT, reason ALLOWLIST_UNSAFE.
  absl::Status CheckRule(const Rule& rule) const;

  void Cancel(RunId id) { runner_.Cancel(id); }
  void Kill(RunId id) { runner_.Kill(id); }

  const absl::StatusOr<SandboxHost>& host() const { return options_.host; }
  const Limits& limits() const { return options_.limits; }

 private:
  struct Decision {
    // Keeps `rule` while the list is replaced.
    std::shared_ptr<const Allowlist> list;
    const Rule* rule = nullptr;
    bool sandboxed = true;

    bool beyond() const { return !sandboxed || !rule->writable.empty(); }
  };

  absl::StatusOr<Decision> Decide(const ProgramRequest& request) const;
  // With what the sandbox's state says of a rule.
  absl::Status Confine(const ProgramRequest& request, Decision& decision) const;
  // Whether it would show tasks what is hidden.
  absl::Status CheckHidden(const Rule& rule) const;
  absl::StatusOr<StartedProgram> Launch(const Decision& decision, const ProgramRequest& request, RunObserver& observer);

  const Options options_;
  Runner& runner_;
  // Makes names of folders unique.
  std::atomic<std::uint64_t> serial_{0};
  mutable Mutex mutex_;
  // Shared with what reads it while it is replaced.
  std::shared_ptr<const Allowlist> allowlist_ ABSL_GUARDED_BY(mutex_);
  absl::Status sandbox_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor
