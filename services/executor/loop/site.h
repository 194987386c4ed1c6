#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/checks/place.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/loop/loop_prompt.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::loop {

// Where a task's files are, and how they come back to a state from before. One thread at a time; calls block.
class Site {
 public:
  virtual ~Site() = default;
  virtual const std::string& folder() const = 0;
  // Null outside a repository.
  virtual checks::ChangeView* changes() { return nullptr; }
  virtual repository::Worktree* worktree() { return nullptr; }

  // These changes were just made in the folder.
  virtual void Applied(const edits::Plan& plan) { static_cast<void>(plan); }
  // Remembers what the folder holds. The number is for Return, until Forget. FAILED_PRECONDITION: a file is not to be
  // kept; the message is for the model.
  virtual absl::StatusOr<int> Save(const repository::Stop& stop) = 0;
  virtual absl::Status Return(int saved, const repository::Stop& stop) = 0;
  virtual void Forget(int saved) { static_cast<void>(saved); }
  // In a repository, the folder becomes what the branch's last commit holds, and nothing else.
  virtual absl::Status Reset(const repository::Stop& stop) {
    static_cast<void>(stop);
    return absl::OkStatus();
  }
  // In a repository, what the folder holds becomes the branch's; the commit, empty elsewhere.
  virtual absl::StatusOr<std::string> Commit(const std::string& message, const repository::Stop& stop) = 0;
  // The last call. `keep`: a later attempt may go on with it.
  virtual void End(bool keep) = 0;
};

std::unique_ptr<Site> MakeWorktreeSite(std::unique_ptr<repository::Worktree> worktree);
// A folder of the task's own, removed at the end.
absl::StatusOr<std::unique_ptr<Site>> MakeFolderSite(std::string folder);

// Regular files below a folder, without links, `.git` and what tools cache there, in order of their paths; `cut` when
// there are more than `most`.
struct FileList {
  std::vector<FileFact> files;
  bool cut = false;
};
FileList ListFiles(const std::string& folder, std::size_t most);

}  // namespace switchyard::executor::loop
