#include "services/executor/checks/step.h"

#include <array>

namespace switchyard::executor::checks {

std::string_view CheckName(const Check& check) {
  static constexpr std::array<std::string_view, std::variant_size_v<Check>> kNames = {
      "file_exists",  "file_contains",  "test_passes", "command_succeeds", "git_clean", "diff_not_empty",
      "changed_only", "max_diff_lines", "json_valid",  "http_ok",          "no_secrets"};
  return kNames[check.index()];
}

bool NeedsProgram(const Check& check) {
  return std::holds_alternative<TestPasses>(check) || std::holds_alternative<CommandSucceeds>(check);
}

}  // namespace switchyard::executor::checks
