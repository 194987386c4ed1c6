// Why the hub ends a stream or refuses a task; the reasons are part of the contract.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace switchyard::agent_hub {

absl::Status TooManyStreams(std::size_t bound);
absl::Status HubDraining(absl::Duration retry_after);
absl::Status AgentPenalized(std::string_view violation, absl::Duration left);
absl::Status AgentRemoved();
absl::Status VersionUnsupported(int min, int max);
absl::Status SessionSuperseded();
absl::Status SessionLost();
absl::Status HeartbeatMissing();
absl::Status LedgerUnavailable();
absl::Status DatabaseUnavailable();
absl::Status Violation(std::string_view reason, std::string_view message, absl::Duration retry_after);

absl::Status AgentNotHere();
absl::Status StaleSession();
absl::Status OverCapacity();

}  // namespace switchyard::agent_hub
