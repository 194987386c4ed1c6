#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace switchyard::executor {

// One look at /proc. Values are of that moment.
class ProcessTable {
 public:
  struct Usage {
    // Threads of all processes below the root.
    std::uint32_t threads = 0;
    // Resident pages, those shared among them counted each time.
    std::uint64_t rss_bytes = 0;
    std::vector<pid_t> pids;
  };

  static ProcessTable Read(const std::string& proc = "/proc");

  // Of `root` and all that descends from it, as the table shows the parents.
  Usage Below(pid_t root) const;

 private:
  struct Process {
    std::uint32_t threads = 0;
    std::uint64_t rss_bytes = 0;
  };
  std::map<pid_t, Process> processes_;
  std::multimap<pid_t, pid_t> children_;
};

// Resident memory with shared pages counted once: slower, exact. Processes that cannot be read count by their resident
// pages in `fallback`.
std::uint64_t ProportionalBytes(const std::vector<pid_t>& pids, std::uint64_t fallback);

// Bytes that the files below a folder occupy, links not followed; stops at `most_entries` entries and then says `more`.
struct FolderUsage {
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  bool more = false;
};
FolderUsage MeasureFolder(const std::string& path, std::uint64_t most_entries);

}  // namespace switchyard::executor
