#include "absl/strings/str_cat.h"
#include "tools/yard/agent_view.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/paging.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;

void ShowAgents(Session& session, const ag::ListAgentsResponse& agents) {
  Answer answer;
  answer.table = AgentTable(agents.agents(), session.times());
  answer.whole = ToJson(agents);
  if (!answer.whole.contains("agents")) answer.whole["agents"] = Json::array();
  for (const ag::Agent& agent : agents.agents()) {
    answer.items.push_back(ToJson(agent));
    answer.names.push_back(agent.name());
  }
  session.Show(answer);
}

absl::Status ListAgentsOnce(Session& session) {
  ag::ListAgentsRequest request;
  request.set_page_size(500);
  for (const std::string& state : session.invocation().All("state")) {
    request.add_states(Parse<ag::AgentState>(state));
  }
  for (const std::string& capability : session.invocation().All("capability")) request.add_capabilities(capability);
  ag::ListAgentsResponse all;
  do {
    SY_ASSIGN_OR_RETURN(ag::ListAgentsResponse page, session.Call(&AgentAdminStub::ListAgents, request));
    all.mutable_agents()->MergeFrom(page.agents());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  ShowAgents(session, all);
  return absl::OkStatus();
}

// Does the same to every agent that was named, up to the first failure, and shows how they are then.
template <class Request, class Response>
absl::Status ToEach(Session& session,
                    grpc::Status (AgentAdminStub::*method)(grpc::ClientContext*, const Request&, Response*),
                    Request request) {
  ag::ListAgentsResponse changed;
  absl::Status failure;
  for (const std::string& agent : session.invocation().arguments) {
    request.set_agent(agent);
    auto answer = session.Call(method, request);
    if (!answer.ok()) {
      failure = answer.status();
      break;
    }
    *changed.add_agents() = std::move(*answer->mutable_agent());
  }
  if (!changed.agents().empty()) ShowAgents(session, changed);
  return failure;
}

template <class Request>
Request WithReason(const Session& session) {
  Request request;
  request.set_reason(session.invocation().Get("reason"));
  return request;
}

}  // namespace

absl::Status AgentList(Session& session) { return ListAgainAndAgain(session, ListAgentsOnce); }

absl::Status AgentShow(Session& session) {
  ag::GetAgentRequest request;
  request.set_agent(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(const ag::GetAgentResponse shown, session.Call(&AgentAdminStub::GetAgent, request));
  Answer answer;
  answer.whole = ToJson(shown);
  answer.names = {shown.agent().name()};
  answer.card = AgentCard(shown, session.times(), session.style());
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status AgentDrain(Session& session) {
  return ToEach(session, &AgentAdminStub::DrainAgent, WithReason<ag::DrainAgentRequest>(session));
}

absl::Status AgentResume(Session& session) {
  return ToEach(session, &AgentAdminStub::ResumeAgent, ag::ResumeAgentRequest());
}

absl::Status AgentQuarantine(Session& session) {
  return ToEach(session, &AgentAdminStub::QuarantineAgent, WithReason<ag::QuarantineAgentRequest>(session));
}

absl::Status AgentRemove(Session& session) {
  auto request = WithReason<ag::RemoveAgentRequest>(session);
  request.set_force(session.invocation().Has("force"));
  return ToEach(session, &AgentAdminStub::RemoveAgent, std::move(request));
}

absl::Status AgentResetBreaker(Session& session) {
  return ToEach(session, &AgentAdminStub::ResetAgentBreaker, ag::ResetAgentBreakerRequest());
}

absl::Status AgentRevoke(Session& session) {
  const absl::Status done =
      ToEach(session, &AgentAdminStub::RevokeAgentToken, WithReason<ag::RevokeAgentTokenRequest>(session));
  if (done.ok()) session.Remark("streams end within 30 seconds");
  return done;
}

}  // namespace switchyard::yard
