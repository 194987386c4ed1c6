// What both stores of agents must do alike, as functions of records.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "services/agent_hub/agent_record.h"
#include "services/agent_hub/agent_store.h"

namespace switchyard::agent_hub {

// To the microsecond, as the database keeps it.
absl::Time ToMicros(absl::Time time);

bool HasLiveToken(const AgentRecord& agent, absl::Time now);
bool IsOpen(const Enrollment& enrollment, absl::Time now);

// Whether the observation is of the agent's present session or a later one.
bool Counts(const Observation& observation, const Seen& seen);
void Apply(const Observation& observation, Seen& seen);
void Apply(const Health& health, AgentRecord& agent);

// Whether that request may redeem the enrolment, now or again.
bool MayRedeem(const Enrollment& enrollment, std::string_view redeem_hash, absl::Time now);
// The agent that a redeemed enrolment makes, or brings back: its history and its quarantine stay.
AgentRecord MakeAgent(const Enrollment& enrollment, absl::Time now);
void BringBack(const Enrollment& enrollment, AgentRecord& agent);

bool Matches(const AgentRecord& agent, const AgentQuery& query);

}  // namespace switchyard::agent_hub
