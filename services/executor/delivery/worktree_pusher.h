#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "services/executor/delivery/delivery.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::delivery {

// Pushes a task's worktree, on threads that may block. Nobody else calls the worktree meanwhile.
class WorktreePusher final : public Pusher {
 public:
  // All outlive every push: whoever ends a delivery early sets `stop` and waits for the executor before it lets go.
  WorktreePusher(repository::Worktree& worktree, const repository::Stop& stop, Executor& executor)
      : worktree_(worktree), stop_(stop), executor_(executor) {}

  // As Pusher. PUSH_MISMATCH when the branch is another one than the worktree's, or holds another commit.
  void Push(const std::string& branch, const std::string& commit, std::function<void(absl::Status)> done) override;

 private:
  repository::Worktree& worktree_;
  const repository::Stop& stop_;
  Executor& executor_;
};

}  // namespace switchyard::executor::delivery
