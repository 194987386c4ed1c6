#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/backend.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {

// One task's control group. Removed at the end of its object, with all that is still in it. Not thread-safe.
class TaskCgroup {
 public:
  ~TaskCgroup();

  // A process that writes "0" to it moves in.
  int procs() const { return procs_.get(); }
  // SIGKILL to all of it, whatever they did to hide.
  void Kill();
  // Something in it is still alive, or about to be gone.
  bool Populated() const;
  bool memory() const { return memory_; }
  bool processes() const { return processes_; }
  // Zero where the kernel does not tell.
  std::uint64_t PeakMemory() const;
  absl::Duration CpuTime() const;
  // The kernel ended something in it for want of memory.
  bool RanOutOfMemory() const;

 private:
  friend class Cgroups;
  TaskCgroup(std::string path, UniqueFd procs) : path_(std::move(path)), procs_(std::move(procs)) {}

  const std::string path_;
  const UniqueFd procs_;
  bool memory_ = false;
  bool processes_ = false;
};

// The control group (version 2) that was delegated to this executor, with a part for itself and one for each task.
// Thread-safe.
class Cgroups {
 public:
  // This process' own group, when systemd or a container delegated it. Moves this process into a part of it,
  // `executor`. UNAVAILABLE, reason NO_CGROUPS, saying why not.
  static absl::StatusOr<std::unique_ptr<Cgroups>> OpenDelegated();
  // Tasks' groups go below `folder`, which holds no processes.
  static absl::StatusOr<std::unique_ptr<Cgroups>> Open(const std::string& folder);

  // What it can hold: "memory", "pids"; killing it always can.
  bool memory() const { return memory_; }
  bool processes() const { return processes_; }

  // `own_processes` are granted besides, for what is not the task's. A failure means that the task runs without.
  absl::StatusOr<std::unique_ptr<TaskCgroup>> Make(std::uint64_t serial, const Limits& limits,
                                                   std::uint32_t own_processes) const;

 private:
  explicit Cgroups(std::string folder) : folder_(std::move(folder)) {}

  const std::string folder_;
  bool memory_ = false;
  bool processes_ = false;
};

// Path of the version 2 group in the text of /proc/self/cgroup, "/system.slice/x.service"; empty when there is none.
std::string CgroupPath(std::string_view proc_self_cgroup);

}  // namespace switchyard::executor
