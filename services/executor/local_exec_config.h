#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/executor/limits.h"
#include "services/executor/local_exec.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

Limits LimitsOf(const config::v1::TaskLimitsConfig& config);

// The back end as configured, with its allowlist read. A sandbox that cannot be had is no failure here: Check and
// SelfTest say so. A faulty or unsafe allowlist is one; a missing default one is an empty list. `runner` and `slow`
// outlive it; the runner is not started yet. Makes folders below data_dir, and empties `work` of what a crash left
// there.
absl::StatusOr<std::unique_ptr<LocalExec>> MakeLocalExec(const config::v1::ExecutorConfig& config, Runner& runner,
                                                         Executor& slow);

// Reads the allowlist again, as on SIGHUP. On a failure the former one stays.
absl::Status ReloadAllowlist(const config::v1::ExecutorConfig& config, LocalExec& backend);

}  // namespace switchyard::executor
