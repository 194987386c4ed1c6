#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

// Each takes what follows the command's own word and answers the exit code of the process: 0, 1 for a failure, 2 for a
// wrong command line or configuration, kExitRefused when only a person can mend it.
using Arguments = std::vector<std::string>;
inline constexpr int kExitRefused = 78;

// Finds the command in what follows the program's name, and runs it.
int Main(const Arguments& arguments);
int Run(const Arguments& arguments);
int Enroll(const Arguments& arguments);
int Doctor(const Arguments& arguments);
int InstallUnit(const Arguments& arguments);

// "yard-agent enroll: what" on standard error; returns `code`.
int Complain(std::string_view command, std::string_view what, int code);
std::string Describe(const absl::Status& status);

// Takes "--name" out of the arguments.
bool TakeSwitch(Arguments& arguments, std::string_view name);
// Takes "--name=value" out of the arguments; the last one counts.
std::optional<std::string> TakeFlag(Arguments& arguments, std::string_view name);

// Asks the hub for this executor's own entry with the token in the file. Blocks, a few seconds at most.
absl::Status CheckToken(const config::v1::ExecutorConfig& config, std::string* agent_name);

}  // namespace switchyard::executor
