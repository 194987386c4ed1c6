#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "services/executor/loop/build_loop.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor::loop {

// The back end as configured; INVALID_ARGUMENT when its syntax checks cannot be read as such. What `deps` names
// outlives it.
absl::StatusOr<std::unique_ptr<BuildLoop>> MakeBuildLoop(const config::v1::ExecutorConfig& config, LoopDeps deps);

}  // namespace switchyard::executor::loop
