#include "services/executor/delivery/worktree_pusher.h"

#include <utility>

#include "libs/base/status.h"

namespace switchyard::executor::delivery {

void WorktreePusher::Push(const std::string& branch, const std::string& commit,
                          std::function<void(absl::Status)> done) {
  if (branch != worktree_.facts().branch) {
    return done(MakeError(absl::StatusCode::kFailedPrecondition, "PUSH_MISMATCH", "the worktree is of another branch"));
  }
  const absl::Status queued = executor_.Run([this, commit, done] {
    const absl::StatusOr<std::string> pushed = worktree_.Push(stop_);
    if (!pushed.ok()) return done(pushed.status());
    if (*pushed != commit) {
      return done(
          MakeError(absl::StatusCode::kAborted, "PUSH_MISMATCH", "the worktree went on while it was delivered"));
    }
    done(absl::OkStatus());
  });
  if (!queued.ok()) done(queued);
}

}  // namespace switchyard::executor::delivery
