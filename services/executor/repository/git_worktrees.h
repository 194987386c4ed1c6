#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/executor/repository/repository_policy.h"
#include "services/executor/repository/worktrees.h"
#include "services/executor/spawn.h"

namespace switchyard::executor::repository {

class Store;

// With the git program. For each repository a folder below data_dir/repositories holds a bare mirror that only this
// executor writes, and for each task a git folder and the tree that the work sees: these belong to the task's user, who
// also runs git on them, so that what hostile content may do to git is done with the rights that the work has anyway.
// Whatever talks to the remote runs as this executor and reads no tree.
class GitWorktrees final : public Worktrees {
 public:
  struct Options {
    std::string data_dir;
    std::string git = "/usr/bin/git";
    RepositoryPolicy policy;
    // SandboxHost::user.
    std::optional<UserIds> user;
    std::uint64_t max_bytes = std::uint64_t{20} << 30;
    // On the disk of data_dir, less than which no work is prepared.
    std::uint64_t min_free_bytes = std::uint64_t{64} << 20;
    // Of one file in a commit.
    std::uint64_t max_file_bytes = std::uint64_t{100} << 20;
    absl::Duration keep = absl::Hours(24);
    absl::Duration fetch_timeout = absl::Minutes(5);
    // Of a git command that talks to nobody.
    absl::Duration local_timeout = absl::Minutes(2);
    // "NAME <ADDRESS>".
    std::string author = "Switchyard <switchyard@localhost>";
    // "NAME=value", for git commands that talk to a remote: proxies and authorities.
    std::vector<std::string> network_environment;
  };

  // Makes the folders, and mends what a crash left: at start, before work, by the only executor of that folder. `clock`
  // outlives it. FAILED_PRECONDITION, reason WORKSPACE_FAILED.
  static absl::StatusOr<std::unique_ptr<GitWorktrees>> Create(Options options, const Clock& clock);
  // After all worktrees.
  ~GitWorktrees() override;

  absl::Status Check(const std::string& task_id, const RepositoryWork& work) const override;
  absl::StatusOr<std::unique_ptr<Worktree>> Prepare(const std::string& task_id, const RepositoryWork& work,
                                                    const Stop& stop) override;
  void Sweep() override;
  // A sweep that runs ends soon, and later ones do nothing. Thread-safe.
  void StopSweeping();
  absl::Status Probe() override;

 private:
  explicit GitWorktrees(std::unique_ptr<Store> store);
  const std::unique_ptr<Store> store_;
};

}  // namespace switchyard::executor::repository
