#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "services/executor/external/external_backend.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor::external {

// The back end as configured; null when no file of agents is named or there. A faulty or unsafe file is a failure. What
// `deps` names outlives it.
absl::StatusOr<std::unique_ptr<ExternalBackend>> MakeExternalBackend(const config::v1::ExecutorConfig& config,
                                                                     ExternalDeps deps);

// Reads the file again, as on SIGHUP. On a failure the former agents stay.
absl::Status ReloadAgents(const config::v1::ExecutorConfig& config, ExternalBackend& backend);

}  // namespace switchyard::executor::external
