#include "services/executor/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {
namespace {

constexpr int kMaxDepth = 512;

absl::Status Failed(const std::string& what) {
  return MakeError(absl::StatusCode::kInternal, "WORKSPACE_FAILED", absl::StrCat(what, ": ", strerror(errno)));
}

bool IsSelfOrParent(const char* name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

// Opens a folder for listing; takes the rights that its owner may take.
UniqueFd OpenFolder(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(openat(parent, name, kFlags));
  const UniqueFd handle(openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!handle.valid()) return fd;
  // Through the handle, so that a link in its place is not followed.
  chmod(absl::StrCat("/proc/self/fd/", handle.get()).c_str(), 0700);
  if (!fd.valid()) fd.Reset(openat(parent, name, kFlags));
  return fd;
}

std::uint64_t RemoveInside(int folder, int depth) {
  const int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
  DIR* list = copy >= 0 ? fdopendir(copy) : nullptr;
  if (list == nullptr) {
    if (copy >= 0) close(copy);
    return 1;
  }
  std::uint64_t left = 0;
  while (const dirent* entry = readdir(list)) {
    if (IsSelfOrParent(entry->d_name)) continue;
    if (unlinkat(folder, entry->d_name, 0) == 0) continue;
    if (depth < kMaxDepth) {
      const UniqueFd inner = OpenFolder(folder, entry->d_name);
      if (inner.valid()) left += RemoveInside(inner.get(), depth + 1);
    }
    if (unlinkat(folder, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) ++left;
  }
  closedir(list);
  return left;
}

// The arguments of a process, each with a NUL behind it.
std::string ReadArguments(const std::string& pid) {
  const UniqueFd file(open(("/proc/" + pid + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; file.valid() && (size = read(file.get(), buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace

void EndLeftSandboxes(const std::string& folder) {
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return;
  const std::string nul(1, '\0');
  const std::string option = absl::StrCat(nul, "--die-with-parent", nul);
  const std::string inside = absl::StrCat(nul, folder, "/");
  while (const dirent* entry = readdir(proc)) {
    const pid_t pid = static_cast<pid_t>(atoi(entry->d_name));
    if (pid <= 1 || pid == getpid()) continue;
    const std::string arguments = ReadArguments(entry->d_name);
    if (arguments.find(option) == std::string::npos || arguments.find(inside) == std::string::npos) continue;
    LogWarning("a sandbox was left behind; it ends now", {{"pid", static_cast<int>(pid)}});
    kill(pid, SIGKILL);
  }
  closedir(proc);
}

std::uint64_t RemoveTree(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return 0;
  std::uint64_t left = 0;
  {
    const UniqueFd folder = OpenFolder(AT_FDCWD, path.c_str());
    if (folder.valid()) left = RemoveInside(folder.get(), 0);
  }
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) ++left;
  return left;
}

absl::StatusOr<std::string> PrepareWorkFolder(const std::string& data_dir) {
  const std::string work = data_dir + "/work";
  if (mkdir(work.c_str(), 0711) != 0 && errno != EEXIST) return Failed("cannot make " + work);
  struct stat info {};
  if (lstat(work.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
    errno = ENOTDIR;
    return Failed(work + " must be a folder of this process' user");
  }
  if (chmod(work.c_str(), 0711) != 0) return Failed("cannot set the mode of " + work);
  const UniqueFd folder = UniqueFd(open(work.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return Failed("cannot open " + work);
  EndLeftSandboxes(work);
  RemoveInside(folder.get(), 0);
  return work;
}

absl::StatusOr<std::string> MakeWorkspace(const std::string& work_folder, const std::string& name,
                                          const std::optional<UserIds>& user, const std::string& inner) {
  const std::string path = absl::StrCat(work_folder, "/", name);
  if (mkdir(path.c_str(), 0700) != 0) return Failed("cannot make " + path);
  std::string made = path;
  for (std::size_t from = 0; from < inner.size();) {
    const std::size_t slash = std::min(inner.find('/', from), inner.size());
    made += "/" + inner.substr(from, slash - from);
    from = slash + 1;
    if (mkdir(made.c_str(), 0755) != 0 && errno != EEXIST) return Failed("cannot make " + made);
    if (user.has_value() && lchown(made.c_str(), user->uid, user->gid) != 0) return Failed("cannot give away " + made);
  }
  if (user.has_value() && lchown(path.c_str(), user->uid, user->gid) != 0) return Failed("cannot give away " + path);
  return path;
}

}  // namespace switchyard::executor
