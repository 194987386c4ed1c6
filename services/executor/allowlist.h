#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/strings.h"
#include "services/executor/argument_pattern.h"
#include "services/executor/backend.h"

namespace switchyard::executor {

// One program with the arguments it may get, and what it is granted.
struct Rule {
  // Unique; shown in results.
  std::string name;
  // Absolute. A task names it so, or by its last part.
  std::string program;
  // One for one; then, up to max_rest further ones, each of which matches one of `rest`.
  std::vector<ArgumentPattern> arguments;
  std::vector<ArgumentPattern> rest;
  std::size_t max_rest = 64;
  // Names that a task may set.
  StringSet environment;
  // Set always; a task cannot change them.
  std::map<std::string, std::string> set_environment;
  bool stdin_allowed = false;
  bool network = false;
  // Runs even where the sandbox cannot be had.
  bool sandbox_optional = false;
  // Absolute paths of the host that the sandbox shows besides the system's programs.
  std::vector<std::string> read_only;
  std::vector<std::string> writable;
  // Bounds of this rule instead of the executor's; zero where it says nothing.
  Limits limits;
};

// Default closed: what no rule allows is refused. Immutable.
class Allowlist {
 public:
  Allowlist() = default;
  explicit Allowlist(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  // The first rule that allows it. PERMISSION_DENIED, reason NOT_ALLOWED, with what came closest. INVALID_ARGUMENT,
  // reason INVALID_WORK, for what no rule could ever allow: no program, a NUL, a folder outside.
  absl::StatusOr<const Rule*> Find(const Work& work) const;

  const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

// Whether a variable of this name changes what program runs rather than what it does: PATH, LD_PRELOAD, BASH_ENV,
// PYTHONPATH, GIT_SSH, CC, RUSTC_WRAPPER, npm_config_*, XDG_CONFIG_HOME and their kind. No task may set one, whatever a
// rule says.
bool SteersExecution(std::string_view name);

// A program that runs what it is told: a shell, sudo and their kin. No rule may name one.
bool IsShell(std::string_view program);

}  // namespace switchyard::executor
