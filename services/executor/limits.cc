#include "services/executor/limits.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {
namespace {

constexpr std::uint64_t kOpenFiles = 4096;

// Since Linux 5.14 processes are counted by user and user namespace.
bool CountsByNamespace() {
  utsname name{};
  int major = 0;
  int minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

template <class T>
T Pick(T own, T base) {
  return own != T{} ? own : base;
}

}  // namespace

Limits DefaultLimits() {
  return {.time = absl::Minutes(30),
          .kill_grace = absl::Seconds(5),
          .memory_bytes = 2ull << 30,
          .processes = 256,
          .disk_bytes = 4ull << 30,
          .log_bytes = 8ull << 20,
          .output_bytes = 1ull << 30};
}

Limits Merge(const Limits& base, const Limits& own, absl::Duration asked_time) {
  Limits out = {.time = Pick(own.time, base.time),
                .kill_grace = Pick(own.kill_grace, base.kill_grace),
                .memory_bytes = Pick(own.memory_bytes, base.memory_bytes),
                .processes = Pick(own.processes, base.processes),
                .disk_bytes = Pick(own.disk_bytes, base.disk_bytes),
                .log_bytes = Pick(own.log_bytes, base.log_bytes),
                .output_bytes = Pick(own.output_bytes, base.output_bytes)};
  if (asked_time > absl::ZeroDuration()) out.time = std::min(out.time, asked_time);
  return out;
}

std::vector<std::string> KernelLimits(const Limits& limits, bool own_user_namespace) {
  const auto one = [](int resource, std::uint64_t value) { return absl::StrCat("--limit=", resource, ":", value); };
  std::vector<std::string> out = {one(RLIMIT_CORE, 0), one(RLIMIT_FSIZE, limits.disk_bytes),
                                  one(RLIMIT_NOFILE, kOpenFiles), one(RLIMIT_MEMLOCK, 64 * 1024),
                                  // Twice: it counts what is mapped, not what is used.
                                  one(RLIMIT_DATA, 2 * limits.memory_bytes)};
  if (own_user_namespace && CountsByNamespace()) out.push_back(one(RLIMIT_NPROC, limits.processes));
  return out;
}

std::vector<HeldLimit> DescribeLimits(const Limits& limits, bool own_user_namespace, bool cgroup_memory,
                                      bool cgroup_processes) {
  std::vector<HeldLimit> out = {
      {"time_ms", static_cast<std::uint64_t>(absl::ToInt64Milliseconds(limits.time)), "timer"},
      {"memory", limits.memory_bytes, cgroup_memory ? "cgroup" : "watchdog"},
      {"process_data", 2 * limits.memory_bytes, "rlimit"},
      {"processes", limits.processes,
       cgroup_processes                            ? "cgroup"
       : own_user_namespace && CountsByNamespace() ? "rlimit"
                                                   : "watchdog"},
      {"disk", limits.disk_bytes, "watchdog"},
      {"file_size", limits.disk_bytes, "rlimit"},
      {"open_files", kOpenFiles, "rlimit"},
      {"log", limits.log_bytes, "reader"},
      {"output", limits.output_bytes, "reader"}};
  out.push_back({"tmp", own_user_namespace ? kSandboxTmpBytes : 0, own_user_namespace ? "tmpfs" : "none"});
  return out;
}

}  // namespace switchyard::executor
