#include "tools/yard/commands/commands.h"

#include <utility>

namespace switchyard::yard {

CommandFunction FindFunction(std::string_view path) {
  static constexpr std::pair<std::string_view, CommandFunction> kFunctions[] = {
      {"run", Run},
      {"ps", Ps},
      {"task submit", TaskSubmit},
      {"task list", TaskList},
      {"task show", TaskShow},
      {"task why", TaskWhy},
      {"task events", TaskEvents},
      {"task cancel", TaskCancel},
      {"task retry", TaskRetry},
      {"task wait", TaskWait},
      {"task answer", TaskAnswer},
      {"logs", Logs},
      {"agent list", AgentList},
      {"agent show", AgentShow},
      {"agent drain", AgentDrain},
      {"agent resume", AgentResume},
      {"agent quarantine", AgentQuarantine},
      {"agent remove", AgentRemove},
      {"agent reset-breaker", AgentResetBreaker},
      {"agent enroll", AgentEnroll},
      {"agent rotate", AgentRotate},
      {"agent revoke", AgentRevoke},
      {"endpoint list", EndpointList},
      {"endpoint show", EndpointShow},
      {"endpoint add", EndpointAdd},
      {"endpoint update", EndpointUpdate},
      {"endpoint remove", EndpointRemove},
      {"endpoint disable", EndpointDisable},
      {"endpoint enable", EndpointEnable},
      {"endpoint probe", EndpointProbe},
      {"model list", ModelList},
      {"model show", ModelShow},
      {"model disable", ModelDisable},
      {"model enable", ModelEnable},
      {"model price", ModelPrice},
      {"role list", RoleList},
      {"role show", RoleShow},
      {"route explain", RouteExplain},
      {"route simulate", RouteSimulate},
      {"route list", RouteList},
      {"budget set", BudgetSet},
      {"budget list", BudgetList},
      {"budget remove", BudgetRemove},
      {"queue list", QueueList},
      {"queue show", QueueShow},
      {"queue pause", QueuePause},
      {"queue resume", QueueResume},
      {"dead-letter list", DeadLetterList},
      {"dead-letter retry", DeadLetterRetry},
      {"dead-letter discard", DeadLetterDiscard},
      {"admin status", AdminStatus},
      {"admin doctor", AdminDoctor},
      {"token issue", TokenIssue},
      {"token list", TokenList},
      {"token rotate", TokenRotate},
      {"token revoke", TokenRevoke},
      {"context list", ContextList},
      {"context use", ContextUse},
      {"context add", ContextAdd},
      {"context show", ContextShow},
      {"context test", ContextTest},
      {"completion", Completion},
      {"__complete", Complete},
      {"version", Version},
      {"help", Help},
  };
  for (const auto& [name, function] : kFunctions) {
    if (name == path) return function;
  }
  return nullptr;
}

}  // namespace switchyard::yard
