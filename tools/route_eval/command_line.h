#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/router/rules.h"

namespace switchyard::route_eval {

struct CommandLine {
  std::string file;
  // Empty: no picture.
  std::string svg;
  bool json = false;
  bool help = false;
  // How much dearer the strong model is.
  double cost_ratio = 10;
  router::TierRules rules;
};

// INVALID_ARGUMENT names what is wrong.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);
std::string HelpPage();

}  // namespace switchyard::route_eval
