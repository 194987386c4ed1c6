#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/executor/allowlist.h"

namespace switchyard::executor::loop {

// A program that knows quickly whether a file is well-formed, of this executor's own configuration.
struct SyntaxCheck {
  // Of paths; one without "/" is about names of files, wherever they are.
  std::string glob;
  Rule rule;
  // The program first; "{}" stands for the file.
  std::vector<std::string> argv;
};

// Each "GLOB=PROGRAM ARGUMENTS" with "{}" among the arguments, split at blanks. INVALID_ARGUMENT, reason INVALID_FIELD,
// with all faults at once, named `field`[i].
absl::StatusOr<std::vector<SyntaxCheck>> ParseSyntaxChecks(const std::vector<std::string>& lines,
                                                           std::string_view field);

bool IsFor(const SyntaxCheck& check, std::string_view path);
// No path can be taken for an option.
std::vector<std::string> CommandFor(const SyntaxCheck& check, std::string_view path);

}  // namespace switchyard::executor::loop
