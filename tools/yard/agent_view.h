// Agents as tables and cards.
#pragma once

#include <string>

#include "switchyard/agent/v1/agent_admin.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

Tone ToneOf(agent::v1::AgentState state);
Table AgentTable(const google::protobuf::RepeatedPtrField<agent::v1::Agent>& agents, const ViewTimes& times);
// With its transitions, newest first.
std::string AgentCard(const agent::v1::GetAgentResponse& shown, const ViewTimes& times, const OutputStyle& style);

}  // namespace switchyard::yard
