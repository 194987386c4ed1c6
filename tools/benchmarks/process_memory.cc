#include "tools/benchmarks/process_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/benchmarks/child_process.h"

namespace switchyard::bench {

std::int64_t ResidentBytes(pid_t pid) {
  // "size resident shared ...", in pages.
  const std::vector<std::string> fields = absl::StrSplit(ReadWhole(absl::StrCat("/proc/", pid, "/statm")), ' ');
  std::int64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

std::int64_t RaiseOpenFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<std::int64_t>(limit.rlim_cur);
}

}  // namespace switchyard::bench
