// What runs work. Every back end takes the same Work and answers through the same sink, so that the channel knows none.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/confirmation.h"
#include "services/executor/work.h"

namespace switchyard::executor {

enum class Outcome {
  // Exit status 0.
  kSucceeded,
  // Another exit status, or ended by a signal of its own.
  kFailed,
  kTimedOut,
  kCancelled,
  // Ended because it used too much; `reason` says of what.
  kLimitExceeded,
  // Not done, and nobody's fault that counts: it goes back, to be given out again.
  kGivenBack,
  // It never ran, and the fault is this executor's: the sandbox, the disk, the process table.
  kNotStarted,
};

// One limit, and what enforced it: "rlimit", "cgroup", "watchdog" (looked at twice a second), "tmpfs", "reader", or
// "none".
struct HeldLimit {
  std::string name;
  std::uint64_t value = 0;
  std::string held_by;
};

// What the executor saw; a verdict is made from it elsewhere.
struct Evidence {
  std::string task_id;
  std::int64_t generation = 0;
  Outcome outcome = Outcome::kNotStarted;
  // UPPER_SNAKE_CASE; empty when it succeeded: EXIT_STATUS, SIGNAL, RUN_TIMEOUT, CANCELLED, MEMORY_LIMIT,
  // PROCESS_LIMIT, DISK_LIMIT, OUTPUT_LIMIT, SANDBOX_UNAVAILABLE, SPAWN_FAILED, EXEC_FAILED, EXECUTOR_STOPPED.
  std::string reason;
  // For people; at most 4 KiB.
  std::string message;
  // 128 + signal when a signal ended it; -1 when it never ran.
  int exit_code = -1;
  // 0 when none.
  int signal = 0;
  // The fault is this executor's and counts for its breaker; the work itself may do elsewhere.
  bool executor_fault = false;
  // The same would fail again.
  bool permanent = false;
  // Of kGivenBack: not to be given out again before.
  absl::Duration retry_after = absl::ZeroDuration();
  absl::Time started;
  absl::Time ended;
  absl::Duration user_time;
  absl::Duration system_time;
  // Of the largest single process.
  std::uint64_t max_rss_bytes = 0;
  // Of all processes together, as far as the watchdog saw; 0 when it ended before the first look.
  std::uint64_t peak_memory_bytes = 0;
  std::uint32_t peak_processes = 0;
  std::uint64_t disk_bytes = 0;
  // Standard output and standard error as they came, redacted, well-formed UTF-8; at most 64 KiB of head and tail.
  std::string output;
  // As the program wrote it.
  std::uint64_t output_bytes = 0;
  // Written by the program and not passed on as log.
  std::uint64_t dropped_bytes = 0;
  // The rule that allowed it.
  std::string rule;
  // "bubblewrap" or "none".
  std::string sandbox;
  bool network = false;
  uid_t uid = 0;
  std::vector<HeldLimit> limits;
  // The remaining ones are of work with a model. At most 1,000 bytes; empty: made from the outcome.
  std::string summary;
  // Small facts, for programs.
  std::map<std::string, std::string> outputs;
  // A serialised switchyard.task_queue.v1.Usage, and a serialised switchyard.router.v1.RouteReport of at most 16 KiB.
  std::string usage;
  std::string route_report;
  // A JSON object that stands instead of what is said of a program.
  std::string facts;
  // A serialised switchyard.verification.v1.CheckReport; empty: the task asked for no checks. Failed checks leave the
  // outcome kSucceeded: what they mean is decided elsewhere.
  std::string checks;
  // For a task that continues this one; at most 16 KiB.
  std::string state_summary;
};

enum class LogStream { kOutput, kError };

// At most 16 KiB of redacted, well-formed UTF-8. The order of chunks of both streams is the order of arrival.
struct LogChunk {
  // From 0, without a gap.
  std::uint64_t sequence = 0;
  LogStream stream = LogStream::kOutput;
  absl::Time time;
  std::string text;
  // Bytes of output left out just before this chunk.
  std::uint64_t dropped_before = 0;
};

enum class WorkPhase { kWorkspace, kLoading, kGenerating, kApplying, kExecuting, kVerifying };

// One check was made. For display.
struct StepNews {
  int step = 0;
  bool passed = false;
  // At most 1 KiB.
  std::string message;
};

// Asks for another endpoint than the one that the work was routed to.
struct RouteQuestion {
  // UPPER_SNAKE_CASE: why.
  std::string reason;
  // A serialised switchyard.model_registry.v1.Observation of the endpoint left, at most 4 KiB.
  std::string observation;
};

struct RouteAnswer {
  // A serialised switchyard.router.v1.Routing; empty when refused.
  std::string routing;
  // UPPER_SNAKE_CASE when refused; NOT_OFFERED: this hub grants none.
  std::string refusal;
  std::string message;
};

// Called from one thread at a time, which belongs to the back end: a call must not block. Nothing comes after
// OnFinished, which comes exactly once for every Start that was OK. Lives until then.
class BackendSink {
 public:
  virtual ~BackendSink() = default;
  virtual void OnPhase(WorkPhase phase) = 0;
  virtual void OnLog(LogChunk chunk) = 0;
  // A sign of life for work that says nothing else; at most 1 KiB, for people.
  virtual void OnProgress(std::string) {}
  // Answered by BackendRun::OnRouteAnswer, sooner or later, or never when no hub is there. One at a time.
  virtual void OnRouteQuestion(RouteQuestion) {}
  virtual void OnStep(StepNews) {}
  // Asked before each push and pull request. Answered by BackendRun::OnConfirmation, sooner or later, or never when no
  // hub is there: whoever asks has a patience of its own. One at a time.
  virtual void OnConfirmationWanted() {}
  virtual void OnFinished(Evidence evidence) = 0;
};

// Work that was started. Destroying it neither stops nor waits.
class BackendRun {
 public:
  virtual ~BackendRun() = default;
  // Asks for the end: SIGTERM, then SIGKILL after the grace. Comes back at once; the evidence says CANCELLED unless the
  // work ended first. Thread-safe; again or late is harmless.
  virtual void Cancel() = 0;
  // The same without a grace, also after Cancel.
  virtual void Kill() { Cancel(); }
  // Late or unasked is harmless.
  virtual void OnRouteAnswer(RouteAnswer) {}
  virtual void OnConfirmation(Confirmation) {}
};

// One test of what this executor needs to do its work.
struct ProbeResult {
  // "local_exec", "sandbox", "cgroups", "models".
  std::string name;
  bool ok = false;
  // What is wrong and how to mend it; or what was found.
  std::string detail;
};

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  // "local_exec", "models".
  virtual std::string_view name() const = 0;
  // Whether work of this kind may be its own, and whether this work is; of no other is it asked.
  virtual bool Serves(WorkKind kind) const { return kind == WorkKind::kCommand; }
  virtual bool Takes(const Work& work) const { return Serves(work.kind); }
  // OK when Start would take this work now. Otherwise what Start would return: PERMISSION_DENIED, reason NOT_ALLOWED;
  // INVALID_ARGUMENT, reason INVALID_WORK; UNAVAILABLE, reason SANDBOX_UNAVAILABLE or SHUTTING_DOWN. Of work with a
  // model: FAILED_PRECONDITION, reason UNROUTED, ROUTING_UNKNOWN, WRONG_AGENT, NOT_LOCAL, CREDENTIAL_NOT_ALLOWED,
  // SECRET_UNREADABLE.
  virtual absl::Status Check(const Work& work) const = 0;
  // Whether work that Check takes could change more than its own folder, as far as the back end grants it, whatever the
  // task says.
  virtual bool ReachesBeyond(const Work&) const { return false; }
  // Comes back at once. When it is not OK, `sink` is never called.
  virtual absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) = 0;
  // Tries the back end for real, as a task would use it. Blocks, at most 10 s.
  virtual std::vector<ProbeResult> SelfTest() = 0;
};

}  // namespace switchyard::executor
