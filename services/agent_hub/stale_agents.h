#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent_hub/agent_store.h"

namespace switchyard::agent_hub {

// Agents whose hub died while they were away would be shown as it last saw them for ever: those of which no hub has
// written for `silence` become offline. `is_here` tells those that this hub looks after itself. Blocks; how many it
// were.
absl::StatusOr<int> MarkStaleAgents(AgentStore& store, absl::Time now, absl::Duration silence,
                                    const std::function<bool(const AgentId&)>& is_here);

}  // namespace switchyard::agent_hub
