#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/executor/repository/git_home.h"
#include "services/executor/repository/git_worktrees.h"
#include "services/executor/repository/mirror.h"
#include "services/executor/repository/task_folder.h"

namespace switchyard::executor::repository {

// The folders of all repositories, who uses them, and what they take. Thread-safe.
class Store {
 public:
  // As GitWorktrees::Create.
  static absl::StatusOr<std::unique_ptr<Store>> Open(GitWorktrees::Options options, const Clock& clock);

  const GitWorktrees::Options& options() const { return options_; }
  const GitHome& home() const { return home_; }
  const Clock& clock() const { return clock_; }

  // Folder of a repository, the same for all ways of naming it.
  std::string FolderOf(const RepositoryUrl& url) const;
  static std::string MirrorOf(const std::string& repository) { return repository + "/mirror.git"; }
  TaskFolder TaskIn(const std::string& repository, const std::string& task_id) const;

  // A task's folder while somebody has it.
  class Use {
   public:
    Use(Store& store, std::string folder) : store_(store), folder_(std::move(folder)) {}
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Store& store_;
    const std::string folder_;
  };
  // Null while another has it.
  std::unique_ptr<Use> UseTask(const std::string& folder);
  // Whether somebody has a task's folder of the repository, besides this one's.
  bool OthersUse(const std::string& repository, const std::string& folder) const;

  // A repository's mirror while it is changed.
  class Lock {
   public:
    Lock(Store& store, std::string repository) : store_(store), repository_(std::move(repository)) {}
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    Store& store_;
    const std::string repository_;
  };
  // Waits; CANCELLED once `stop` is true.
  absl::StatusOr<std::unique_ptr<Lock>> LockRepository(const std::string& repository, const Stop& stop);

  // The mirror holds half-written files, or may: true once.
  bool TakeUnclean(const std::string& repository);
  void MarkUnclean(const std::string& repository);

  // RESOURCE_EXHAUSTED, reason DISK_FULL, when what is kept, and `more`, is beyond the room that there is.
  absl::Status Room(std::uint64_t more = 0) const;
  // Sweeps first, if that makes room.
  absl::Status MakeRoom();
  // To be asked while git writes into a folder.
  std::function<absl::Status()> Watch(std::string folder);
  // Anew, after something was written there or it was removed.
  void Measure(const std::string& folder);
  // Makes the folder of a repository, and notes that it was used.
  absl::Status Touch(const std::string& repository, const RepositoryUrl& url);

  void Sweep();
  void StopSweeping() { stop_sweeping_ = true; }

 private:
  struct Kept {
    std::string repository;
    // Empty: the mirror of the repository.
    std::string task;
    absl::Time used;
  };

  Store(GitWorktrees::Options options, const Clock& clock, GitHome home, std::string root);
  std::vector<std::string> Repositories() const;
  std::vector<std::string> Tasks(const std::string& repository) const;
  absl::Time LastUse(const std::string& repository) const;
  // True when it went.
  bool RemoveTask(const std::string& repository, const std::string& task_id);
  bool RemoveRepository(const std::string& repository);
  // What nobody has at the moment and may go, the longest unused first.
  std::vector<Kept> Idle() const;
  void TidyMirrors();
  void RemoveOld();
  // The longest unused first, until there is room.
  void RemoveForRoom();
  bool InUse(const std::string& repository) const;
  std::uint64_t Total() const;

  const GitWorktrees::Options options_;
  const Clock& clock_;
  const GitHome home_;
  const std::string root_;

  Stop stop_sweeping_{false};
  mutable Mutex mutex_;
  CondVar freed_;
  std::set<std::string> used_tasks_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locked_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> unclean_ ABSL_GUARDED_BY(mutex_);
  // Bytes by folder.
  std::map<std::string, std::uint64_t> sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::repository
