// The allowlist as its owner writes it; docs/executor.md is its manual.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/executor/allowlist.h"

namespace switchyard::executor {

// INVALID_ARGUMENT, reason INVALID_FIELD, with all faults at once, each with its line: unknown keys with the likely one
// meant, shells, relative programs, wrong patterns, two rules of one name. Never throws, whatever the text.
absl::StatusOr<Allowlist> ParseAllowlist(std::string_view yaml);

// FAILED_PRECONDITION, reason ALLOWLIST_UNSAFE, when somebody else than root and this process' user could change the
// file. NOT_FOUND, reason ALLOWLIST_UNREADABLE.
absl::StatusOr<Allowlist> LoadAllowlist(const std::string& path);

}  // namespace switchyard::executor
