// One function per command of the tree. Each prints what it answers and returns how it went.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

using CommandFunction = absl::Status (*)(Session&);

// Null when the path is no command.
CommandFunction FindFunction(std::string_view path);

absl::Status Run(Session& session);
absl::Status Ps(Session& session);

absl::Status TaskSubmit(Session& session);
absl::Status TaskList(Session& session);
absl::Status TaskShow(Session& session);
absl::Status TaskWhy(Session& session);
absl::Status TaskEvents(Session& session);
absl::Status TaskCancel(Session& session);
absl::Status TaskRetry(Session& session);
absl::Status TaskWait(Session& session);

absl::Status TaskAnswer(Session& session);
absl::Status Logs(Session& session);

absl::Status AgentList(Session& session);
absl::Status AgentShow(Session& session);
absl::Status AgentDrain(Session& session);
absl::Status AgentResume(Session& session);
absl::Status AgentQuarantine(Session& session);
absl::Status AgentRemove(Session& session);
absl::Status AgentResetBreaker(Session& session);
absl::Status AgentEnroll(Session& session);
absl::Status AgentRotate(Session& session);
absl::Status AgentRevoke(Session& session);

absl::Status EndpointList(Session& session);
absl::Status EndpointShow(Session& session);
absl::Status EndpointAdd(Session& session);
absl::Status EndpointUpdate(Session& session);
absl::Status EndpointRemove(Session& session);
absl::Status EndpointDisable(Session& session);
absl::Status EndpointEnable(Session& session);
absl::Status EndpointProbe(Session& session);

absl::Status ModelList(Session& session);
absl::Status ModelShow(Session& session);
absl::Status ModelDisable(Session& session);
absl::Status ModelEnable(Session& session);
absl::Status ModelPrice(Session& session);
absl::Status RoleList(Session& session);
absl::Status RoleShow(Session& session);

absl::Status RouteExplain(Session& session);
absl::Status RouteSimulate(Session& session);
absl::Status RouteList(Session& session);
absl::Status BudgetSet(Session& session);
absl::Status BudgetList(Session& session);
absl::Status BudgetRemove(Session& session);

absl::Status VerifyList(Session& session);
absl::Status VerifyShow(Session& session);
absl::Status VerifyRun(Session& session);
absl::Status VerifyCalibration(Session& session);
absl::Status VerifyMark(Session& session);
absl::Status VerifyPolicy(Session& session);

absl::Status QueueList(Session& session);
absl::Status QueueShow(Session& session);
absl::Status QueuePause(Session& session);
absl::Status QueueResume(Session& session);

absl::Status DeadLetterList(Session& session);
absl::Status DeadLetterRetry(Session& session);
absl::Status DeadLetterDiscard(Session& session);

absl::Status AdminStatus(Session& session);
absl::Status AdminDoctor(Session& session);

absl::Status TokenIssue(Session& session);
absl::Status TokenList(Session& session);
absl::Status TokenRotate(Session& session);
absl::Status TokenRevoke(Session& session);

absl::Status ContextList(Session& session);
absl::Status ContextUse(Session& session);
absl::Status ContextAdd(Session& session);
absl::Status ContextShow(Session& session);
absl::Status ContextTest(Session& session);

absl::Status Completion(Session& session);
absl::Status Complete(Session& session);
absl::Status Version(Session& session);
absl::Status Help(Session& session);

}  // namespace switchyard::yard
