// Folders that tasks work in. They hold what programs from outside left there: nothing here follows their links.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/spawn.h"

namespace switchyard::executor {

// Ends sandboxes that an executor which was killed left behind, of folders below `folder`: one whose parent died while
// it was being set up waits for ever.
void EndLeftSandboxes(const std::string& folder);

// data_dir/work, made when it is missing, and emptied of what a crash left behind, sandboxes that hang included: at
// start, before tasks, by the only executor of that folder.
absl::StatusOr<std::string> PrepareWorkFolder(const std::string& data_dir);

// An empty folder of mode 0700 that belongs to the task's user, with `inner` (relative, may be empty) made inside.
// `name` must be new: a former folder may still be on its way out. INTERNAL, reason WORKSPACE_FAILED.
absl::StatusOr<std::string> MakeWorkspace(const std::string& work_folder, const std::string& name,
                                          const std::optional<UserIds>& user, const std::string& inner);

// Removes a folder with all that is in it, however its modes are set. The number of entries that stay.
std::uint64_t RemoveTree(const std::string& path);

}  // namespace switchyard::executor
