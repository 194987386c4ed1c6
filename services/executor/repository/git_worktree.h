#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/checks/place.h"
#include "services/executor/repository/change_lists.h"
#include "services/executor/repository/mirror.h"
#include "services/executor/repository/store.h"
#include "services/executor/repository/task_folder.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::repository {

// One that Prepare has made ready. Not thread-safe.
class GitWorktree final : public Worktree, private checks::ChangeView {
 public:
  // `pushed`: where the remote has the branch, empty for nowhere. `store` outlives it.
  GitWorktree(Store& store, std::unique_ptr<Store::Use> use, std::string repository, Mirror mirror, TaskFolder task,
              WorktreeFacts facts);
  ~GitWorktree() override;

  const WorktreeFacts& facts() const override { return facts_; }
  absl::StatusOr<Commitment> Commit(const std::string& message, const Stop& stop) override;
  checks::ChangeView& changes() override { return *this; }
  absl::StatusOr<DiffText> Diff(std::size_t max_bytes, const Stop& stop) override;
  absl::StatusOr<Snapshot> Save(const Stop& stop) override;
  absl::Status Restore(const Snapshot& snapshot, const Stop& stop) override;
  absl::StatusOr<Standing> Compare(bool fetch, const Stop& stop) override;
  absl::StatusOr<std::string> Push(const Stop& stop) override;
  void Release(repository::Release release) override;

 private:
  absl::StatusOr<checks::Changes> Look(absl::Duration time, const Stop& stop) override;
  std::optional<std::string> Before(const std::string& path, std::size_t max_bytes) override;

  // A call in the tree that ends in time, and leaves no lock when it does not end by itself.
  absl::StatusOr<GitAnswer> Run(GitCall call, const Stop& stop);
  absl::StatusOr<std::string> Ask(std::vector<std::string> arguments, const Stop& stop, std::string input = "");
  // The same of commands that read or write the tree: what is wrong there is the work's, not this executor's.
  absl::StatusOr<std::string> AskOfTree(std::vector<std::string> arguments, const Stop& stop);
  // Folders that stand for a commit of another repository and have a ".git": git would follow that one's settings.
  absl::StatusOr<std::vector<std::string>> Submodules(const Stop& stop);
  // The index becomes what the tree holds.
  absl::Status Stage(const Stop& stop);
  absl::StatusOr<std::vector<RawChange>> Against(const std::string& commit, const Stop& stop);
  absl::StatusOr<std::string> Head(const Stop& stop);
  absl::Status Keep(const Stop& stop);

  Store& store_;
  std::unique_ptr<Store::Use> use_;
  const std::string repository_;
  const Mirror mirror_;
  const TaskFolder task_;
  const WorktreeFacts facts_;
  // Of the call that runs.
  absl::Time deadline_ = absl::InfiniteFuture();
};

}  // namespace switchyard::executor::repository
