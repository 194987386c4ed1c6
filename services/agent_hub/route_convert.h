// What agents say of model endpoints, and what the router answers, as the contracts have it.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "services/agent_hub/hub_messages.h"
#include "switchyard/agent/v1/agent_hub.pb.h"
#include "switchyard/router/v1/router_service.pb.h"

namespace switchyard::agent_hub {

// Of an end of an assignment that had a route; nothing of any other report.
std::optional<router::v1::RouteOutcome> ToOutcome(const agent::v1::Report& report);
router::v1::GrantRouteRequest ToGrantRequest(const AgentId& agent, const RouteAsked& asked);
// For the agent, and for the ledger; the latter is null when nothing was granted.
std::pair<RouteGranted, Body> FromGrant(std::int64_t request,
                                        const absl::StatusOr<router::v1::GrantRouteResponse>& answer);

}  // namespace switchyard::agent_hub
