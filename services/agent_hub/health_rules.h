// The breaker and the penalty of an agent, as functions of what is kept.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "services/agent_hub/agent_record.h"
#include "services/agent_hub/hub_rules.h"

namespace switchyard::agent_hub {

// One more violation of the protocol: the wait doubles, unless the last one is long ago.
void Violate(const HubRules& rules, std::string_view violation, absl::Time now, Penalty& penalty);
// How long the agent still has to stay away.
absl::Duration PenaltyLeft(const Penalty& penalty, absl::Time now);

// A failure that the agent caused. True when it opens the breaker.
bool CountFailure(const HubRules& rules, std::string_view failure, absl::Time now, Breaker& breaker);
// What the agent did well. True when something changed; an open breaker stays open for its time.
bool CountSuccess(Breaker& breaker);
// Whether its time is not over yet. After that it stays open until a healthy heartbeat, and a failure opens it anew.
bool IsOpen(const Breaker& breaker, absl::Time now);
// After a healthy heartbeat: closes a breaker whose time is over; true when it did.
bool CloseIfOver(absl::Time now, Breaker& breaker);

}  // namespace switchyard::agent_hub
