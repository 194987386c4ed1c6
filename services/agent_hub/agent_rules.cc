#include "services/agent_hub/agent_rules.h"

#include <algorithm>

namespace switchyard::agent_hub {

absl::Time ToMicros(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

bool HasLiveToken(const AgentRecord& agent, absl::Time now) {
  return !agent.revoked && agent.token_expire_time.has_value() && now < *agent.token_expire_time;
}

bool IsOpen(const Enrollment& enrollment, absl::Time now) {
  return !enrollment.redeem_time.has_value() && !enrollment.revoke_time.has_value() && now < enrollment.expire_time;
}

bool Counts(const Observation& observation, const Seen& seen) {
  return observation.session_epoch >= seen.session_epoch;
}

void Apply(const Observation& observation, Seen& seen) {
  seen.state = observation.state;
  seen.state_time = observation.state_time;
  seen.state_cause = observation.state_cause;
  seen.hub = observation.hub;
  seen.session_epoch = observation.session_epoch;
  seen.held_tasks = observation.held_tasks;
  seen.unavailable_reason = observation.unavailable_reason;
  if (observation.peer.has_value()) seen.peer = *observation.peer;
  if (observation.connect_time.has_value()) seen.last_connect_time = observation.connect_time;
  if (observation.heartbeat_time.has_value()) seen.last_heartbeat_time = observation.heartbeat_time;
  if (observation.capabilities.has_value()) seen.capabilities = *observation.capabilities;
  if (observation.said.has_value()) seen.said = *observation.said;
}

void Apply(const Health& health, AgentRecord& agent) {
  if (health.breaker.has_value()) agent.breaker = *health.breaker;
  if (health.penalty.has_value()) agent.penalty = *health.penalty;
  if (health.probe.has_value()) agent.probe = *health.probe;
}

bool MayRedeem(const Enrollment& enrollment, std::string_view redeem_hash, absl::Time now) {
  if (enrollment.revoke_time.has_value() || now >= enrollment.expire_time) return false;
  return !enrollment.redeem_time.has_value() || enrollment.redeem_hash == redeem_hash;
}

AgentRecord MakeAgent(const Enrollment& enrollment, absl::Time now) {
  AgentRecord agent;
  agent.id = enrollment.agent;
  agent.name = enrollment.name;
  agent.labels = enrollment.labels;
  agent.enroll_time = now;
  agent.seen.state_time = now;
  agent.seen.state_cause = "enrolled";
  return agent;
}

void BringBack(const Enrollment& enrollment, AgentRecord& agent) {
  agent.labels = enrollment.labels;
  agent.probe = {};
  agent.breaker = {};
  agent.penalty = {};
  agent.drain.reset();
  agent.revoked = false;
  agent.remove_time.reset();
  agent.token_expire_time.reset();
}

bool Matches(const AgentRecord& agent, const AgentQuery& query) {
  if (agent.remove_time.has_value() || agent.name <= query.after_name) return false;
  if (!query.states.empty() &&
      std::find(query.states.begin(), query.states.end(), agent.seen.state) == query.states.end()) {
    return false;
  }
  return std::all_of(query.capabilities.begin(), query.capabilities.end(), [&](const std::string& wanted) {
    return std::find(agent.seen.capabilities.begin(), agent.seen.capabilities.end(), wanted) !=
           agent.seen.capabilities.end();
  });
}

}  // namespace switchyard::agent_hub
