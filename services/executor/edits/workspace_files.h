// A task's folder on disk. It holds what programs from outside left there, and they may still run: no link is followed,
// nothing beside files and folders is touched, and nothing outside is reached.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "services/executor/edits/file_view.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::edits {

// Names of files that are being written begin with it. After a crash such may stay: they are to be removed.
inline constexpr std::string_view kTemporaryPrefix = ".sy-edit-";

struct ApplyOptions {
  // Waits for the disk, file by file.
  bool sync = false;
  // For tests: asked before each step that changes the disk, counted from 0; false makes that step fail.
  std::function<bool(int step)> may_step;
};

// Not thread-safe.
class WorkspaceFiles final : public FileView {
 public:
  // INTERNAL, reason WORKSPACE_FAILED, when the folder cannot be opened.
  static absl::StatusOr<WorkspaceFiles> Open(const std::string& folder);

  absl::StatusOr<Entry> Read(std::string_view path, std::size_t max_bytes) override;

  // All of a plan, or none of it. Each file is written beside its place and renamed there; files that are there keep
  // mode and owner, new ones and new folders belong to who owns the folder they are in. What comes back undoes it, as a
  // plan of its own, which holds as long as nobody else changes the files.
  //
  // FAILED_PRECONDITION, reason SNAPSHOT_CHANGED: a file is not as the plan knew it; INTERNAL, reason WRITE_FAILED: the
  // disk. After both all is as before, unless the message says what could not be put back.
  absl::StatusOr<Plan> Apply(const Plan& plan, const ApplyOptions& options = {});

  // Files that a crash left half-written, below the folder but not in .git; the number of those removed.
  std::uint64_t RemoveLeftovers();

 private:
  explicit WorkspaceFiles(UniqueFd root) : root_(std::move(root)) {}

  UniqueFd root_;
};

}  // namespace switchyard::executor::edits
