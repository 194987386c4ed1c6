#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "services/executor/backend.h"
#include "services/executor/loop/build_run.h"

namespace switchyard::executor::loop {

// Has models change files until the checks pass: prompts that have a repository, checks, or a format for changes.
// Thread-safe.
class BuildLoop final : public Backend {
 public:
  // Most pieces of work at once; each blocks a thread while it runs.
  static constexpr std::size_t kMostThreads = 64;

  BuildLoop(LoopSettings settings, LoopDeps deps, std::size_t slots);
  // Stops first.
  ~BuildLoop() override;

  // Threads begin here; before, nothing that is started runs.
  void StartThreads();
  // Ends what runs as EXECUTOR_STOPPED and waits for it. Takes no more. Before what it borrows stops.
  void Stop();
  // What runs gives its signs of life.
  void Tick();

  std::string_view name() const override { return "build_loop"; }
  bool Serves(WorkKind kind) const override { return kind == WorkKind::kPrompt; }
  bool Takes(const Work& work) const override { return ChangesFiles(work); }
  // As of ModelsBackend, of Worktrees and of Checker; FAILED_PRECONDITION, reason FORGE_NOT_CONFIGURED.
  absl::Status Check(const Work& work) const override;
  bool ReachesBeyond(const Work& work) const override;
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override;
  // Whether git is there and works.
  std::vector<ProbeResult> SelfTest() override;

  std::size_t running() const;

 private:
  const LoopSettings settings_;
  const LoopDeps deps_;
  BoundedExecutor threads_;
  std::unique_ptr<PeriodicTask> ticker_;
  mutable Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Shared with handles and with the thread that runs it.
  std::vector<std::shared_ptr<BuildRun>> runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::loop
