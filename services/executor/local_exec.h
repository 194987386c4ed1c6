#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "services/executor/backend.h"
#include "services/executor/checks/check_run.h"
#include "services/executor/programs.h"

namespace switchyard::executor {

// Runs allowed programs, without a shell and without a model, each in an empty folder of its own that is gone
// afterwards. When the program succeeded, the checks of its task are made in that folder first. Thread-safe.
class LocalExec final : public Backend {
 public:
  // All outlive it and every run. `slow` removes folders.
  LocalExec(Programs& programs, checks::Checker& checker, Executor& slow);

  std::string_view name() const override { return "local_exec"; }
  absl::Status Check(const Work& work) const override;
  // Where its rule, or that of a check, shows writable paths, or without a sandbox.
  bool ReachesBeyond(const Work& work) const override;
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override;
  std::vector<ProbeResult> SelfTest() override;

 private:
  class Active;

  Programs& programs_;
  checks::Checker& checker_;
  Executor& slow_;
};

}  // namespace switchyard::executor
