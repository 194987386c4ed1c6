// One factory per failure about agents, enrolments and logs that a caller can see. The reasons are part of the
// contract.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

// `agent`: an id or a name, as the caller wrote it.
absl::Status AgentNotFound(std::string_view agent);
absl::Status AgentBusy(const AgentRecord& agent);
absl::Status AgentNameTaken(std::string_view name);
absl::Status TooManyAgents(std::size_t bound);
absl::Status NoHubAddress();
// Does not tell why.
absl::Status EnrollmentUnknown();
absl::Status EnrollmentNotFound(const EnrollmentId& id);
absl::Status EnrollmentRedeemed(const EnrollmentId& id);
absl::Status TooManyLogStreams(std::size_t bound);
absl::Status SlowLogReader();

}  // namespace switchyard::agent_hub
