#include "tools/yard/agent_names.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;

constexpr absl::Duration kNamesPatience = absl::Seconds(2);
constexpr int kPage = 500;
constexpr int kMaxPages = 20;

}  // namespace

std::string AgentNames::Of(const std::string& agent_id) {
  if (agent_id.empty()) return "";
  if (const auto found = names_.find(agent_id); found != names_.end()) return found->second;
  std::string name = agent_id;
  if (!away_) {
    ag::GetAgentRequest request;
    request.set_agent(agent_id);
    const auto answer = session_.Call(&AgentAdminStub::GetAgent, request, Repeat::kNever, kNamesPatience);
    away_ = !answer.ok() && !absl::IsNotFound(answer.status());
    if (answer.ok() && !answer->agent().name().empty()) name = answer->agent().name();
  }
  return names_.emplace(agent_id, name).first->second;
}

void AgentNames::Load() {
  ag::ListAgentsRequest request;
  request.set_page_size(kPage);
  for (int page = 0; page < kMaxPages && !away_; ++page) {
    const auto answer = session_.Call(&AgentAdminStub::ListAgents, request, Repeat::kNever, kNamesPatience);
    away_ = !answer.ok();
    if (away_) return;
    for (const ag::Agent& agent : answer->agents()) {
      if (!agent.name().empty()) names_[agent.agent_id()] = agent.name();
    }
    if (answer->next_page_token().empty()) return;
    request.set_page_token(answer->next_page_token());
  }
}

}  // namespace switchyard::yard
