// Repositories that tasks work in: each task has a worktree and a branch of its own. What is in a worktree was written
// by work from outside: git's own folder is never inside it, and nothing in it makes git run a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/backend.h"
#include "services/executor/checks/place.h"

namespace switchyard::executor::repository {

// Set once by whoever wants a blocking call to end soon, with CANCELLED.
using Stop = std::atomic<bool>;

struct WorktreeFacts {
  std::string task_id;
  // The URL, normalised, without any secret.
  std::string repository;
  // On the host; belongs to the task's user. It holds no ".git".
  std::string folder;
  // "agent/<task-id>".
  std::string branch;
  std::string base_branch;
  // Where the branch left the base: what changes are counted against.
  std::string base_commit;
  // An earlier attempt, here or elsewhere, left commits or a worktree that this one goes on with.
  bool resumed = false;
};

struct Commitment {
  // Where the branch now is.
  std::string commit;
  // False: there was nothing to commit.
  bool made = false;
};

// What the folder held at one moment, ignored files apart. Stays valid until the worktree is released.
struct Snapshot {
  std::string tree;
};

struct DiffText {
  // Unified, well-formed UTF-8, not redacted; its head when it is longer.
  std::string text;
  bool cut = false;
};

struct Standing {
  // Where the branch is.
  std::string commit;
  // Commits of the branch that the base lacks, and of the base that the branch lacks.
  std::int64_t ahead = 0;
  std::int64_t base_behind = 0;
};

enum class Release {
  // For a later attempt here, for as long as the configuration says.
  kKeep,
  // Delivered, or of no use: commits stay in the local clone, all else goes.
  kRemove,
};

// One task's. Calls block and come one at a time; destroying it is Release(kKeep), unless it was released. Failures,
// besides those named: DEADLINE_EXCEEDED, reason GIT_TIMEOUT; CANCELLED; INTERNAL, reason GIT_FAILED;
// RESOURCE_EXHAUSTED, reason DISK_FULL. No message of a failure holds a secret.
class Worktree {
 public:
  virtual ~Worktree() = default;
  virtual const WorktreeFacts& facts() const = 0;

  // Everything that is not ignored, on the task's branch and no other, with a trailer that names the task.
  // FAILED_PRECONDITION, reason EMBEDDED_REPOSITORY, FILE_TOO_LARGE or TREE_UNREADABLE, naming the path: feedback that
  // work can act on.
  virtual absl::StatusOr<Commitment> Commit(const std::string& message, const Stop& stop) = 0;

  // What was changed since the base, committed or not. Lives as long as this; not to be used along with other calls.
  virtual checks::ChangeView& changes() = 0;
  // The same as text.
  virtual absl::StatusOr<DiffText> Diff(std::size_t max_bytes, const Stop& stop) = 0;

  // As Commit, without a commit.
  virtual absl::StatusOr<Snapshot> Save(const Stop& stop) = 0;
  // The folder afterwards holds what the snapshot did, and nothing else, ignored files neither. Commits stay.
  virtual absl::Status Restore(const Snapshot& snapshot, const Stop& stop) = 0;

  // Fetches the base first when `fetch`; otherwise as far as it was fetched last.
  virtual absl::StatusOr<Standing> Compare(bool fetch, const Stop& stop) = 0;

  // The branch's commits to the same branch of the repository, and nowhere else; the caller has just confirmed that the
  // work is still its own. Again is harmless. FAILED_PRECONDITION, reason PUSH_REJECTED: the remote has commits on the
  // branch that this worktree lacks, or refuses; they are never overwritten. FAILED_PRECONDITION, reason
  // NOTHING_TO_PUSH. UNAVAILABLE, reason PUSH_FAILED, or PUSH_MISMATCH: it seemed to work, and the remote answers
  // otherwise. PERMISSION_DENIED, reason REMOTE_UNAUTHORIZED. The commit pushed.
  virtual absl::StatusOr<std::string> Push(const Stop& stop) = 0;

  // The last call.
  virtual void Release(repository::Release release) = 0;
};

// Thread-safe. Calls block.
class Worktrees {
 public:
  virtual ~Worktrees() = default;

  // Whether Prepare would take this work, as far as can be told without a look at the remote. PERMISSION_DENIED, reason
  // REPOSITORY_NOT_ALLOWED; INVALID_ARGUMENT, reason INVALID_WORK.
  virtual absl::Status Check(const std::string& task_id, const RepositoryWork& work) const = 0;

  // Fetches, and makes the task's worktree or goes on with the one that an earlier attempt left: from the branch as the
  // remote has it, or as this executor has, or from the base. One at a time for each task: FAILED_PRECONDITION, reason
  // WORKTREE_BUSY. As Check, and PERMISSION_DENIED, reason REMOTE_UNAUTHORIZED; UNAVAILABLE, reasons FETCH_FAILED and
  // FETCH_MISMATCH (what was fetched is not what the remote answers); NOT_FOUND, reason BASE_NOT_FOUND;
  // FAILED_PRECONDITION, reason BRANCH_UNRELATED (the task's branch has nothing in common with the base), BASE_REFUSED,
  // or SECRET_UNREADABLE; and the failures of Worktree.
  virtual absl::StatusOr<std::unique_ptr<Worktree>> Prepare(const std::string& task_id, const RepositoryWork& work,
                                                            const Stop& stop) = 0;

  // Removes worktrees that nobody has used for as long as they are kept, and what is beyond the room that there is, the
  // longest unused first. For a periodic step.
  virtual void Sweep() = 0;

  // Whether git is there and works, for a self-test.
  virtual absl::Status Probe() = 0;
};

}  // namespace switchyard::executor::repository
