#include "services/agent_hub/stale_agents.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status_macros.h"

namespace switchyard::agent_hub {
namespace {

constexpr int kPage = 500;

absl::Time LastWord(const Seen& seen) {
  absl::Time last = seen.state_time;
  if (seen.last_connect_time.has_value()) last = std::max(last, *seen.last_connect_time);
  if (seen.last_heartbeat_time.has_value()) last = std::max(last, *seen.last_heartbeat_time);
  return last;
}

Observation ToOffline(const AgentRecord& agent, absl::Time now) {
  const std::string cause = "no hub has heard of it for long";
  Observation seen;
  seen.agent = agent.id;
  seen.session_epoch = agent.seen.session_epoch;
  seen.hub = agent.seen.hub;
  seen.state = AgentState::kOffline;
  seen.state_time = now;
  seen.state_cause = cause;
  seen.unavailable_reason = "NOT_CONNECTED: " + cause;
  seen.transitions = {
      {.time = now, .from = agent.seen.state, .to = AgentState::kOffline, .cause = cause, .hub = agent.seen.hub}};
  return seen;
}

}  // namespace

absl::StatusOr<int> MarkStaleAgents(AgentStore& store, absl::Time now, absl::Duration silence,
                                    const std::function<bool(const AgentId&)>& is_here) {
  AgentQuery query;
  query.limit = kPage;
  for (int state = static_cast<int>(AgentState::kConnecting); state <= static_cast<int>(AgentState::kQuarantined);
       ++state) {
    query.states.push_back(static_cast<AgentState>(state));
  }
  int marked = 0;
  while (true) {
    SY_ASSIGN_OR_RETURN(const std::vector<AgentRecord> page, store.List(query));
    std::vector<Observation> stale;
    for (const AgentRecord& agent : page) {
      if (now - LastWord(agent.seen) >= silence && !is_here(agent.id)) stale.push_back(ToOffline(agent, now));
    }
    if (!stale.empty()) SY_RETURN_IF_ERROR(store.Observe(stale));
    marked += static_cast<int>(stale.size());
    if (page.size() < static_cast<std::size_t>(kPage)) return marked;
    query.after_name = page.back().name;
  }
}

}  // namespace switchyard::agent_hub
