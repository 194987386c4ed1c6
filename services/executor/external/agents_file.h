// The file of agents as its owner writes it; docs/external-agents.md is its manual.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/executor/external/agent_spec.h"

namespace switchyard::executor::external {

// INVALID_ARGUMENT, reason INVALID_FIELD, with all faults at once, each with its line: unknown keys and placeholders
// with the likely one meant, shells, relative programs, wrong patterns, two agents of one name, an agent that never
// names its model. Never throws, whatever the text.
absl::StatusOr<std::vector<AgentSpec>> ParseAgents(std::string_view yaml);

// FAILED_PRECONDITION, reason AGENTS_UNSAFE, when somebody else than root and this process' user could change the file.
// NOT_FOUND, reason AGENTS_UNREADABLE.
absl::StatusOr<std::vector<AgentSpec>> LoadAgents(const std::string& path);

}  // namespace switchyard::executor::external
