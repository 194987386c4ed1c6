#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/executor/checks/check_run.h"
#include "services/executor/limits.h"
#include "services/executor/programs.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

Limits LimitsOf(const config::v1::TaskLimitsConfig& config);
checks::Checker::Limits CheckLimitsOf(const config::v1::TaskLimitsConfig& config);

// Programs as configured, with the allowlist read, for every back end. A sandbox that cannot be had is no failure here:
// Programs::Check and LocalExec::SelfTest say so. A faulty or unsafe allowlist is one; a missing default one is an
// empty list. `runner` outlives it and is not started yet. Makes folders below data_dir, and empties `work` of what a
// crash left there.
absl::StatusOr<std::unique_ptr<Programs>> MakePrograms(const config::v1::ExecutorConfig& config, Runner& runner);

// Reads the allowlist again, as on SIGHUP. On a failure the former one stays.
absl::Status ReloadAllowlist(const config::v1::ExecutorConfig& config, Programs& programs);

}  // namespace switchyard::executor
