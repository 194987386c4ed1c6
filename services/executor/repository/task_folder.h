#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/repository/git_home.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::repository {

// What is remembered of a task's worktree; it is whole only once this is written.
struct TaskRecord {
  std::string base_branch;
  std::string base_commit;
  absl::Time used;
};

std::string FormatTaskRecord(const TaskRecord& record);
// Nothing when it is damaged.
std::optional<TaskRecord> ParseTaskRecord(const std::string& text);

// One task's folder below its repository's: `record`, which is this executor's, `git` and `tree`, which belong to the
// task's user. Not thread-safe.
class TaskFolder {
 public:
  TaskFolder(const GitHome& home, std::string folder, std::string task_id);

  const std::string& folder() const { return folder_; }
  std::string git() const { return folder_ + "/git"; }
  std::string tree() const { return folder_ + "/tree"; }
  std::string objects() const { return folder_ + "/git/objects"; }
  const std::string& branch() const { return branch_; }
  std::string reference() const { return "refs/heads/" + branch_; }

  std::optional<TaskRecord> ReadRecord() const;
  absl::Status WriteRecord(const TaskRecord& record) const;

  // In place of whatever is there: the branch at `commit`, and its files. `mirror` holds the objects. Without a record
  // yet.
  absl::Status Make(const std::string& mirror, const std::string& remote, const std::string& commit,
                    const std::function<absl::Status()>& watch, const Stop& stop) const;
  // After a crash or a command that was ended: removes locks, makes a damaged index anew. False: it cannot be used.
  bool Mend(const Stop& stop) const;
  // All of it. The record goes first, so that a crash leaves nothing that looks whole.
  void Remove() const;

  // In its tree, as the task's user.
  GitCall Call(std::vector<std::string> arguments) const { return home_.InTree(git(), tree(), std::move(arguments)); }
  // Where the branch is; empty when it cannot be told.
  absl::StatusOr<std::string> Head(const Stop& stop) const;
  // The branch, the index and the files become those of a commit.
  absl::Status Reset(const std::string& commit, const std::function<absl::Status()>& watch, const Stop& stop) const;
  void RemoveLocks() const;
  // So that what work closed can be changed and removed again.
  void OpenFolders() const;
  // With all below it, following no link at its end. `path` is relative to the tree.
  void RemoveInTree(const std::string& path) const;

 private:
  absl::Status GiveAway(const std::string& path) const;
  // As the task's user: the folders are his.
  void RunAsTask(const std::string& program, std::vector<std::string> arguments) const;

  const GitHome& home_;
  const std::string folder_;
  const std::string branch_;
};

}  // namespace switchyard::executor::repository
