#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "services/executor/repository/git_worktrees.h"
#include "services/executor/repository/repository_policy.h"
#include "services/executor/spawn.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor::repository {

// INVALID_ARGUMENT, reason INVALID_FIELD, with all faults.
absl::StatusOr<RepositoryPolicy> MakePolicy(const config::v1::WorkspaceConfig& config);

// As configured; proxies and authorities of this process' environment reach the git commands that talk to remotes.
absl::StatusOr<GitWorktrees::Options> WorktreeOptions(const config::v1::ExecutorConfig& config,
                                                      std::optional<UserIds> user);

// The worktrees as configured; null when no repository is listed. `user` is SandboxHost::user. `clock` outlives them.
absl::StatusOr<std::unique_ptr<GitWorktrees>> MakeWorktrees(const config::v1::ExecutorConfig& config,
                                                            std::optional<UserIds> user, const Clock& clock);

// Files of secrets that no task may see.
std::vector<std::string> SecretFiles(const config::v1::WorkspaceConfig& config);

}  // namespace switchyard::executor::repository
