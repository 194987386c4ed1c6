#include "services/executor/process_table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "services/executor/unique_fd.h"

namespace switchyard::executor {
namespace {

// What one read gives; enough for the files read here.
std::string ReadSome(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const ssize_t size = file.valid() ? read(file.get(), buffer, sizeof(buffer)) : -1;
  return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : "";
}

// A folder that its owner hid from itself is opened to us, who are the same user: it may hold anything.
int OpenInner(int folder, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const int inner = openat(folder, name, kFlags);
  if (inner >= 0 || errno != EACCES) return inner;
  const UniqueFd handle(openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!handle.valid()) return -1;
  // Through the handle, so that a link put in its place is not followed.
  chmod(("/proc/self/fd/" + std::to_string(handle.get())).c_str(), 0700);
  return openat(folder, name, kFlags);
}

// Takes the descriptor over.
void Measure(int fd, std::uint64_t most, int depth, FolderUsage& out) {
  DIR* folder = fdopendir(fd);
  if (folder == nullptr) {
    close(fd);
    return;
  }
  while (const dirent* entry = readdir(folder)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (++out.entries > most || depth > 200) {
      out.more = true;
      break;
    }
    struct stat info {};
    if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    out.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (!S_ISDIR(info.st_mode)) continue;
    const int inner = OpenInner(dirfd(folder), entry->d_name);
    if (inner >= 0) Measure(inner, most, depth + 1, out);
    if (out.more) break;
  }
  closedir(folder);
}

}  // namespace

ProcessTable ProcessTable::Read(const std::string& proc) {
  ProcessTable table;
  DIR* folder = opendir(proc.c_str());
  if (folder == nullptr) return table;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  while (const dirent* entry = readdir(folder)) {
    const pid_t pid = static_cast<pid_t>(atoi(entry->d_name));
    if (pid <= 0) continue;
    const std::string text = ReadSome(proc + "/" + entry->d_name + "/stat");
    const std::size_t after = text.rfind(')');
    if (after == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    long threads = 0;
    long rss = 0;
    if (sscanf(text.c_str() + after + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %*u %*u %ld", &state,
               &parent, &threads, &rss) != 4) {
      continue;
    }
    if (state == 'Z' || state == 'X') threads = 1;
    table.processes_[pid] = {static_cast<std::uint32_t>(threads), static_cast<std::uint64_t>(rss) * page};
    table.children_.emplace(parent, pid);
  }
  closedir(folder);
  return table;
}

ProcessTable::Usage ProcessTable::Below(pid_t root) const {
  Usage usage;
  std::vector<pid_t> open = {root};
  // Pids are reused between reads of one table: a cycle must not hold us.
  for (std::size_t left = processes_.size() + 1; !open.empty() && left > 0; --left) {
    const pid_t pid = open.back();
    open.pop_back();
    if (const auto found = processes_.find(pid); found != processes_.end()) {
      usage.threads += found->second.threads;
      usage.rss_bytes += found->second.rss_bytes;
      usage.pids.push_back(pid);
    }
    const auto [from, to] = children_.equal_range(pid);
    for (auto at = from; at != to; ++at) open.push_back(at->second);
  }
  return usage;
}

std::uint64_t ProportionalBytes(const std::vector<pid_t>& pids, std::uint64_t fallback) {
  std::uint64_t sum = 0;
  for (const pid_t pid : pids) {
    const std::string text = ReadSome("/proc/" + std::to_string(pid) + "/smaps_rollup");
    const std::size_t at = text.find("\nPss:");
    // Ended meanwhile, or not ours to look into.
    if (at == std::string::npos) {
      if (text.empty() && access(("/proc/" + std::to_string(pid) + "/smaps_rollup").c_str(), R_OK) == 0) continue;
      return fallback;
    }
    sum += strtoull(text.c_str() + at + 5, nullptr, 10) * 1024;
  }
  return sum;
}

FolderUsage MeasureFolder(const std::string& path, std::uint64_t most_entries) {
  FolderUsage out;
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) Measure(fd, most_entries, 0, out);
  return out;
}

}  // namespace switchyard::executor
