// The folder beside the workspace that one attempt and its agent share: prompt, configuration, declared files. Whatever
// the agent puts there is material of a stranger.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/spawn.h"

namespace switchyard::executor::external {

inline constexpr std::string_view kPromptFile = "prompt.md";
inline constexpr std::size_t kMostDeclared = std::size_t{4} << 20;

// Puts files by name into an empty folder, each of mode 0600 and the task's user. INTERNAL, reason WORKSPACE_FAILED.
absl::Status WriteScratch(const std::string& folder, const std::map<std::string, std::string>& files,
                          const std::optional<UserIds>& user);

// Whether anything is there under this name, links not followed.
bool IsInScratch(const std::string& folder, const std::string& name);

// A plain file of at most kMostDeclared bytes: never through a link, never one that blocks. NOT_FOUND;
// FAILED_PRECONDITION, reason RESULT_UNSAFE, for what is no plain file, or too long.
absl::StatusOr<std::string> ReadScratch(const std::string& folder, const std::string& name);

}  // namespace switchyard::executor::external
