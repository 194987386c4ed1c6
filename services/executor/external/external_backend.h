#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "services/executor/backend.h"
#include "services/executor/external/agent_spec.h"
#include "services/executor/external/external_run.h"

namespace switchyard::executor::external {

// Runs command-line agents, each in the task's own workspace with an environment made for it. Its work counts only once
// it has named its model. Thread-safe.
class ExternalBackend final : public Backend {
 public:
  // Without agents as yet. Borrows what `deps` names. `slots`: how many run at once, each on a thread of its own.
  ExternalBackend(std::size_t slots, ExternalDeps deps);
  // Stops first.
  ~ExternalBackend() override;

  void StartThreads();
  // Ends what runs, each as EXECUTOR_STOPPED, and waits for it; takes no more. Before programs, checks and worktrees
  // stop.
  void Stop();

  // INVALID_ARGUMENT, reason AGENTS_UNSAFE, when one would show tasks what is hidden; the former ones then stay. Takes
  // effect for later work.
  absl::Status SetAgents(std::vector<AgentSpec> agents);
  // "external:NAME" of each whose program is there, "external-model:NAME" of those that take the model of a route.
  std::vector<std::string> Capabilities() const;

  struct Entry {
    std::string name;
    std::string program;
    // Whether it can be started, and its credential read.
    absl::Status status;
  };
  std::vector<Entry> Probe() const;

  std::string_view name() const override { return "external"; }
  bool Serves(WorkKind kind) const override { return kind == WorkKind::kExternal; }
  // Besides what Backend says: FAILED_PRECONDITION, reason AGENT_UNKNOWN, MODEL_NOT_TAKEN (the task was routed, and the
  // agent chooses its model itself); UNAVAILABLE, reason PROGRAM_MISSING; what the worktrees and the checks object to.
  absl::Status Check(const Work& work) const override;
  // With the network, with writable paths of the host, without a sandbox, or delivered.
  bool ReachesBeyond(const Work& work) const override;
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override;
  // Says which agents are there. One that is missing is no failure: other work can do without it.
  std::vector<ProbeResult> SelfTest() override;

  std::size_t running() const;

 private:
  class Handle;
  struct Plan {
    AgentSpec agent;
    models::Route route;
  };

  // Shared with checks under way while they are replaced.
  std::shared_ptr<const std::vector<AgentSpec>> agents() const;
  absl::StatusOr<Plan> MakePlan(const Work& work) const;
  bool Beyond(const AgentSpec& agent) const;
  checks::CheckRequest ChecksOf(const Work& work) const;

  const ExternalDeps deps_;
  BoundedExecutor threads_;
  mutable Mutex mutex_;
  std::shared_ptr<const std::vector<AgentSpec>> agents_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Shared with handles.
  std::vector<std::shared_ptr<ExternalRun>> runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::external
