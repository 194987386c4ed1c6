#include "services/all_in_one/commands.h"

#include <cstdio>

#include "libs/base/status.h"
#include "libs/base/status_text.h"
#include "libs/config/load.h"

namespace switchyard::all_in_one {

std::optional<std::string> TakeFlag(Arguments& arguments, std::string_view name) {
  const std::string start = "--" + std::string(name) + "=";
  std::optional<std::string> value;
  for (auto at = arguments.begin(); at != arguments.end();) {
    if (at->compare(0, start.size(), start) != 0) {
      ++at;
      continue;
    }
    value = at->substr(start.size());
    at = arguments.erase(at);
  }
  return value;
}

bool TakeSwitch(Arguments& arguments, std::string_view name) {
  const std::string wanted = "--" + std::string(name);
  return std::erase(arguments, wanted) != 0;
}

int Complain(std::string_view command, std::string_view what, int code) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(command.size()), command.data(), static_cast<int>(what.size()),
               what.data());
  return code;
}

std::string Describe(const absl::Status& status) {
  if (!DetailsOf(status).violations.empty()) return "\n" + config::FaultsText(status);
  if (status.code() == absl::StatusCode::kAlreadyExists) return std::string(status.message());
  return ToText(status);
}

}  // namespace switchyard::all_in_one
