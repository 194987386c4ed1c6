#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "services/executor/backend.h"
#include "services/executor/cgroup.h"
#include "services/executor/spawn.h"

namespace switchyard::executor {

struct RunSpec {
  // A command line that ends in the shim and its program: SandboxCommand or PlainCommand.
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string directory = "/";
  std::optional<UserIds> user;
  bool sandboxed = false;
  std::string stdin_data;
  // Complete; enforced here are time, memory, processes, disk, log and output.
  Limits limits;
  // What `limits.disk_bytes` is about; empty: nothing.
  std::string folder;
};

// As BackendSink, for one process tree. `evidence` lacks task, rule and sandbox.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnStarted() = 0;
  virtual void OnLog(LogChunk chunk) = 0;
  virtual void OnEnded(Evidence evidence) = 0;
};

using RunId = std::uint64_t;

// Starts and supervises process trees on one thread, which lives from Start to Stop and is their parent. A tree ends as
// a whole: at the end of its program, at its limits, on Cancel, when this process dies. Thread-safe.
class Runner {
 public:
  struct Options {
    std::size_t max_runs = 256;
    // How often memory, processes and disk are looked at.
    absl::Duration watch_interval = absl::Milliseconds(500);
    // Between SIGKILL and giving up on a tree that does not go, as one stuck in the kernel.
    absl::Duration give_up_after = absl::Seconds(10);
  };

  // `slow` measures folders.
  Runner(const Clock& clock, Executor& slow, Options options);
  // Stops first.
  ~Runner();

  // Before Start: tasks run in control groups of these.
  void UseCgroups(std::unique_ptr<Cgroups> cgroups);
  absl::Status Start();
  // Kills what runs, without grace; each observer hears EXECUTOR_STOPPED. Not from an observer.
  void Stop();

  // Observers are called from the supervising thread only, never from within Run or Cancel, and live until OnEnded.
  // RESOURCE_EXHAUSTED, reason TOO_MANY_RUNS; UNAVAILABLE, reason SHUTTING_DOWN.
  absl::StatusOr<RunId> Run(RunSpec spec, RunObserver& observer);
  // SIGTERM, then SIGKILL after the run's grace. Of no effect on what has ended.
  void Cancel(RunId id);
  // The same without a grace.
  void Kill(RunId id);

  std::size_t running() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

// Runs to the end on the caller's thread; for probes. The log is in the evidence. Not from an observer.
Evidence RunAndWait(Runner& runner, RunSpec spec);

}  // namespace switchyard::executor
