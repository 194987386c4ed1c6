#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {

struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct SpawnPlan {
  // An absolute path first. Executed as it stands; no shell, no search.
  std::vector<std::string> argv;
  // All of it: nothing is inherited.
  std::vector<std::string> environment;
  std::string directory = "/";
  // Who it becomes, with no other groups; only root can.
  std::optional<UserIds> user;
  // The child writes itself into this file of a control group first; -1: none.
  int cgroup_procs = -1;
  // Descriptor in the child is the index; -1 leaves it closed. All others are closed.
  std::vector<int> descriptors;
};

struct Spawned {
  pid_t pid = -1;
  // Readable once it has ended; it still must be waited for.
  UniqueFd pidfd;
};

// Starts a program in a session of its own; it dies with the calling thread. No memory is copied and no fork handler
// runs, so it is safe in a process with threads. INTERNAL, reason SPAWN_FAILED, with what failed.
absl::StatusOr<Spawned> Spawn(const SpawnPlan& plan);

// NOT_FOUND when the system knows no such user; FAILED_PRECONDITION for root.
absl::StatusOr<UserIds> FindTaskUser(const std::string& name);

}  // namespace switchyard::executor
