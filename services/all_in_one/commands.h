#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace switchyard::all_in_one {

// Each takes what follows the command's own words and answers the exit code of the process: 0, 1 for a failure, 2 for a
// wrong command line or configuration.
using Arguments = std::vector<std::string>;
// Finds the command in what follows the program's name, and runs it.
int Main(const Arguments& arguments);
int Run(const Arguments& arguments);
int Migrate(const Arguments& arguments);
int Doctor(const Arguments& arguments);
int IssueToken(const Arguments& arguments);
int InitTls(const Arguments& arguments);
int AddTls(const Arguments& arguments);

// Takes "--name=value" out of the arguments; the last one counts. Nothing when absent.
std::optional<std::string> TakeFlag(Arguments& arguments, std::string_view name);
// Takes "--name" out of the arguments.
bool TakeSwitch(Arguments& arguments, std::string_view name);

// "switchyard migrate: what" on standard error; returns `code`.
int Complain(std::string_view command, std::string_view what, int code);

// "UNAVAILABLE DATABASE_UNAVAILABLE: message", or one line per fault of a field.
std::string Describe(const absl::Status& status);

}  // namespace switchyard::all_in_one
