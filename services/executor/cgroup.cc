#include "services/executor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::executor {
namespace {

constexpr int kRemoveTries = 200;

absl::Status NoCgroups(std::string_view why) { return MakeError(absl::StatusCode::kUnavailable, "NO_CGROUPS", why); }

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool WriteText(const std::string& path, std::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool HasWord(const std::string& text, std::string_view word) {
  for (const absl::string_view one : absl::StrSplit(text, absl::ByAnyChar(" \n"))) {
    if (ToStd(one) == word) return true;
  }
  return false;
}

// The number after `key` in lines of "key number"; 0 when there is none.
std::uint64_t Field(const std::string& text, std::string_view key) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    std::uint64_t value = 0;
    if (parts.size() == 2 && parts[0] == key && absl::SimpleAtoi(parts[1], &value)) return value;
  }
  return 0;
}

bool IsDelegated(const std::string& folder) {
  for (const char* name : {"user.delegate", "trusted.delegate"}) {
    char value[8] = {};
    if (getxattr(folder.c_str(), name, value, sizeof(value) - 1) > 0 && value[0] == '1') return true;
  }
  return false;
}

}  // namespace

std::string CgroupPath(std::string_view proc_self_cgroup) {
  for (const absl::string_view line : absl::StrSplit(ToAbsl(proc_self_cgroup), '\n')) {
    if (line.substr(0, 3) == "0::") return std::string(line.substr(3));
  }
  return "";
}

TaskCgroup::~TaskCgroup() {
  // What was killed needs a moment to be gone; a group that stays is removed at the next start.
  for (int i = 0; i < kRemoveTries && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) {
    if (i % 50 == 0) Kill();
    sched_yield();
  }
}

void TaskCgroup::Kill() {
  if (WriteText(path_ + "/cgroup.kill", "1")) return;
  // Before Linux 5.14.
  std::istringstream pids(ReadText(path_ + "/cgroup.procs"));
  for (pid_t pid = 0; pids >> pid;) {
    if (pid > 1) kill(pid, SIGKILL);
  }
}

bool TaskCgroup::Populated() const { return Field(ReadText(path_ + "/cgroup.events"), "populated") != 0; }

std::uint64_t TaskCgroup::PeakMemory() const {
  std::uint64_t value = 0;
  const std::string text = memory_ ? ReadText(path_ + "/memory.peak") : "";
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

absl::Duration TaskCgroup::CpuTime() const {
  return absl::Microseconds(Field(ReadText(path_ + "/cpu.stat"), "usage_usec"));
}

bool TaskCgroup::RanOutOfMemory() const { return memory_ && Field(ReadText(path_ + "/memory.events"), "oom_kill") > 0; }

absl::StatusOr<std::unique_ptr<Cgroups>> Cgroups::OpenDelegated() {
  std::string mount;
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs info {};
    if (statfs(path, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC) mount = path;
  }
  const std::string own = CgroupPath(ReadText("/proc/self/cgroup"));
  if (mount.empty() || own.empty()) return NoCgroups("control groups of version 2 are not mounted");
  const std::string folder = own == "/" ? mount : mount + own;
  if (!IsDelegated(folder)) {
    return NoCgroups("no control group is delegated to this executor: its systemd unit wants Delegate=yes");
  }
  const std::string self = folder + "/executor";
  if (mkdir(self.c_str(), 0755) != 0 && errno != EEXIST) {
    return NoCgroups(absl::StrCat("cannot make ", self, ": ", strerror(errno)));
  }
  // Groups with processes cannot pass on controllers.
  if (!WriteText(self + "/cgroup.procs", "0")) {
    return NoCgroups(absl::StrCat("cannot move into ", self, ": ", strerror(errno)));
  }
  return Open(folder);
}

absl::StatusOr<std::unique_ptr<Cgroups>> Cgroups::Open(const std::string& folder) {
  std::unique_ptr<Cgroups> out(new Cgroups(folder));
  const std::string offered = ReadText(folder + "/cgroup.controllers");
  const std::string before = ReadText(folder + "/cgroup.subtree_control");
  for (const char* name : {"memory", "pids"}) {
    if (HasWord(offered, name) && !HasWord(before, name))
      WriteText(folder + "/cgroup.subtree_control", absl::StrCat("+", name));
  }
  const std::string active = ReadText(folder + "/cgroup.subtree_control");
  out->memory_ = HasWord(active, "memory");
  out->processes_ = HasWord(active, "pids");
  if (DIR* list = opendir(folder.c_str()); list != nullptr) {
    while (const dirent* entry = readdir(list)) {
      if (strncmp(entry->d_name, "task-", 5) == 0) {
        const TaskCgroup left(absl::StrCat(folder, "/", entry->d_name), UniqueFd());
      }
    }
    closedir(list);
  }
  // Tried once, so that a task does not find out.
  SY_RETURN_IF_ERROR(out->Make(0, Limits{.memory_bytes = 1 << 30, .processes = 16}, 0).status());
  return out;
}

absl::StatusOr<std::unique_ptr<TaskCgroup>> Cgroups::Make(std::uint64_t serial, const Limits& limits,
                                                          std::uint32_t own_processes) const {
  const std::string path = absl::StrCat(folder_, "/task-", serial);
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return NoCgroups(absl::StrCat("cannot make ", path, ": ", strerror(errno)));
  }
  std::unique_ptr<TaskCgroup> out(
      new TaskCgroup(path, UniqueFd(open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC))));
  if (!out->procs_.valid()) return NoCgroups(absl::StrCat("cannot use ", path, ": ", strerror(errno)));
  out->memory_ = memory_ && WriteText(path + "/memory.max", absl::StrCat(limits.memory_bytes));
  if (out->memory_) {
    // Otherwise the limit would only move pages out; and one that is over it ends as a whole.
    WriteText(path + "/memory.swap.max", "0");
    WriteText(path + "/memory.oom.group", "1");
  }
  out->processes_ = processes_ && WriteText(path + "/pids.max", absl::StrCat(limits.processes + own_processes));
  return out;
}

}  // namespace switchyard::executor
