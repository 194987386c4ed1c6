#include "libs/app/arguments.h"

namespace switchyard::app {

std::vector<std::string> ProgramArguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool follows_flag =
        !arguments.empty() && arguments.back().rfind("--", 0) == 0 && arguments.back().find('=') == std::string::npos;
    if (follows_flag && argument.rfind("-", 0) != 0) {
      arguments.back() += "=" + argument;
    } else {
      arguments.push_back(argument);
    }
  }
  return arguments;
}

}  // namespace switchyard::app
