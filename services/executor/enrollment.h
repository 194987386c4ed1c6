#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "switchyard/agent/v1/agent_admin.pb.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

// Tells people how far it is.
using Say = std::function<void(std::string_view)>;

// Exchanges the one-time token for this executor's own and keeps it with the way to the hub; an earlier enrolment
// stays until the hub has answered. May be repeated after any failure: the hub knows the try again by a request id that
// is kept until then. ENROLLMENT_UNKNOWN, ENROLLMENT_EXPIRED, or why no hub answered.
absl::Status Redeem(const config::v1::ExecutorConfig& config, const agent::v1::EnrollmentBundle& bundle,
                    const Say& say);

// Runs the executor until the hub's probe task has come back, and says how it went. Answers the agent's name.
absl::StatusOr<std::string> RunUntilProbed(const config::v1::ExecutorConfig& config, absl::Duration timeout,
                                           const Say& say);

}  // namespace switchyard::executor
