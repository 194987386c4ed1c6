// Tasks that leave the model endpoint that they were given.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/agent_hub/hub_state.h"

namespace switchyard::agent_hub {

void Hub::OnRouteAsked(Stream& stream, Agent& agent, RouteAsked asked) {
  const HeldEntry* const entry = agent.held.Find(asked.ref);
  if (entry == nullptr || entry->dropping || entry->state == HeldState::kDone) {
    return Send(agent, RouteGranted{.request = asked.request,
                                    .routing = "",
                                    .refusal = "NOT_OWNER",
                                    .message = "the task is not this agent's any more"});
  }
  // One question for a task at a time; so there are never more than tasks.
  if (std::find(stream.rerouting.begin(), stream.rerouting.end(), asked.ref) != stream.rerouting.end()) {
    return Punish(stream, "FLOOD", "another route was asked for before the last question was answered");
  }
  stream.rerouting.push_back(asked.ref);
  for (const std::string& capability : agent.capabilities) {
    if (capability.starts_with("credential:") || capability.starts_with("reach:")) asked.offered.push_back(capability);
  }
  asked.offered.push_back(absl::StrCat("agent:", agent.name));
  ports_.AskRoute(stream.id, agent.id, std::move(asked));
}

void Hub::Granted(StreamId id, const TaskRef& ref, RouteGranted granted, Body changed) {
  Agent* const agent = FindLive(id);
  if (agent == nullptr) return;
  std::erase(FindStream(id)->rerouting, ref);
  if (changed != nullptr) {
    lane_.Add(*agent->stream, agent->id, agent->epoch,
              {.ref = ref, .kind = ReportKind::kPhase, .text = granted.message, .body = std::move(changed)});
    PumpReports();
  }
  Send(*agent, std::move(granted));
  Settle();
}

}  // namespace switchyard::agent_hub
