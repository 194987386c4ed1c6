// Feeds the readers of agents anything: they must answer and never throw, and what they take must hold what it
// promises.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/executor/external/agents_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchyard::executor;
  using namespace switchyard::executor::external;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The file, a NUL, then what an agent wrote.
  const std::size_t border = text.find('\0');
  const absl::StatusOr<std::vector<AgentSpec>> agents = ParseAgents(text.substr(0, border));
  if (!agents.ok()) return 0;
  const std::string_view output = border == std::string_view::npos ? "" : text.substr(border + 1);
  for (const AgentSpec& agent : *agents) {
    if (agent.rule.program.front() != '/' || IsShell(agent.rule.program) || !agent.naming.extract.set())
      __builtin_trap();
    const PlaceholderValues values{.credential = "c"};
    for (const std::string& argument : agent.arguments) {
      if (Uses(argument, "credential")) __builtin_trap();
      Expand(argument, values);
    }
    Finder finder(agent.naming.extract);
    finder.Document(output);
    const bool found = finder.text().has_value();
    if (!found && finder.amount().has_value()) __builtin_trap();
  }
  return 0;
}
