#include "services/executor/checks/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {
namespace {

constexpr int kMaxDepth = 256;
constexpr std::size_t kMaxPath = 4096;
// A rename elsewhere can make the kernel ask for another try.
constexpr int kTries = 16;

absl::Status Failure(int error, std::string_view path) {
  const std::string what = absl::StrCat(Quoted(path), ": ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(absl::StrCat("there is no ", Quoted(path)));
    case ENOTDIR:
      return absl::NotFoundError(absl::StrCat("there is no ", Quoted(path), ": a part of it is no folder"));
    case EXDEV:
      return absl::FailedPreconditionError(absl::StrCat(Quoted(path), " leads out of the task's folder by a link"));
    case ELOOP:
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(path), " goes through a symbolic link that is not followed"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(what);
    default:
      return absl::UnavailableError(what);
  }
}

int OpenInside(int folder, const std::string& path, bool follow, bool follow_last) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  if (!follow_last) how.flags |= O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (!follow) how.resolve |= RESOLVE_NO_SYMLINKS;
  for (int i = 0; i < kTries; ++i) {
    const long fd = syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
    if (fd >= 0 || errno != EAGAIN) return static_cast<int>(fd);
  }
  return -1;
}

// The same by parts, for kernels without openat2: no link is followed.
int OpenByParts(int folder, std::string_view path) {
  UniqueFd at(fcntl(folder, F_DUPFD_CLOEXEC, 0));
  while (at.valid()) {
    const std::size_t slash = path.find('/');
    const std::string part(path.substr(0, slash));
    const bool last = slash == path.npos;
    UniqueFd next(openat(at.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC | (last ? 0 : O_DIRECTORY)));
    if (!next.valid()) {
      // A link in the way is no folder either.
      struct stat info {};
      const int error = errno;
      if (!last && fstatat(at.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode)) {
        errno = ELOOP;
      } else {
        errno = error;
      }
      return -1;
    }
    if (last) return fcntl(next.get(), F_DUPFD_CLOEXEC, 0);
    at = std::move(next);
    path.remove_prefix(slash + 1);
  }
  return -1;
}

EntryKind KindOfMode(mode_t mode) {
  if (S_ISREG(mode)) return EntryKind::kFile;
  if (S_ISDIR(mode)) return EntryKind::kFolder;
  return S_ISLNK(mode) ? EntryKind::kLink : EntryKind::kOther;
}

const char* KindName(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISLNK(mode)) return "a symbolic link that is not followed";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

std::string WhatIsWrongWithPath(std::string_view path) {
  if (path.empty()) return "the path is empty";
  if (path.size() >= kMaxPath) return "the path is too long";
  if (path.find('\0') != path.npos) return "the path holds a NUL";
  if (path.front() == '/') return "the path is not relative";
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part == "..") return "the path leads out of the task's folder";
    if (part.empty() || part == ".") return "the path has an empty part";
    if (slash == path.npos) return "";
    path.remove_prefix(slash + 1);
  }
}

absl::StatusOr<std::size_t> OpenFile::Read(std::size_t most, std::string& out) {
  const std::size_t before = out.size();
  out.resize(before + most);
  std::size_t done = 0;
  while (done < most) {
    const ssize_t got = read(fd_.get(), out.data() + before + done, most - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      out.resize(before + done);
      return absl::UnavailableError(absl::StrCat("reading failed: ", strerror(error)));
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  out.resize(before + done);
  return done;
}

absl::StatusOr<Folder> Folder::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) {
    return absl::UnavailableError(absl::StrCat("the task's folder cannot be opened: ", strerror(errno)));
  }
  return Folder(std::move(fd), info.st_uid);
}

absl::StatusOr<UniqueFd> Folder::Handle(std::string_view path, bool follow, bool follow_last) const {
  if (std::string wrong = WhatIsWrongWithPath(path); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(wrong, ": ", Quoted(path)));
  }
  int fd = OpenInside(fd_.get(), std::string(path), follow, follow_last);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == EAGAIN)) {
    fd = OpenByParts(fd_.get(), path);
  }
  if (fd < 0) return Failure(errno, path);
  return UniqueFd(fd);
}

absl::StatusOr<OpenFile> Folder::OpenAt(std::string_view path, bool follow) const {
  absl::StatusOr<UniqueFd> handle = Handle(path, follow, follow);
  if (!handle.ok()) return handle.status();
  struct stat info {};
  if (fstat(handle->get(), &info) != 0) return Failure(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(Quoted(path), " is ", KindName(info.st_mode), ", not a file"));
  }
  // A second name of somebody else's file, put here to have it read.
  if (info.st_nlink > 1 && info.st_uid != owner_) {
    return absl::PermissionDeniedError(
        absl::StrCat(Quoted(path), " is a second name of a file that is not the task's"));
  }
  // Through the handle, so that it is the same one.
  UniqueFd fd(
      open(absl::StrCat("/proc/self/fd/", handle->get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) return Failure(errno, path);
  return OpenFile(std::move(fd), static_cast<std::uint64_t>(info.st_size));
}

absl::StatusOr<EntryKind> Folder::KindOf(std::string_view path) const {
  absl::StatusOr<UniqueFd> handle = Handle(path, /*follow=*/false, /*follow_last=*/false);
  if (!handle.ok()) return handle.status();
  struct stat info {};
  if (fstat(handle->get(), &info) != 0) return Failure(errno, path);
  return KindOfMode(info.st_mode);
}

absl::StatusOr<std::string> Folder::LinkAt(std::string_view path) const {
  absl::StatusOr<UniqueFd> handle = Handle(path, /*follow=*/false, /*follow_last=*/false);
  if (!handle.ok()) return handle.status();
  std::string target(kMaxPath, '\0');
  const ssize_t size = readlinkat(handle->get(), "", target.data(), target.size());
  if (size < 0) return Failure(errno, path);
  target.resize(static_cast<std::size_t>(size));
  return target;
}

absl::Status Folder::Walk(const std::function<bool(const std::string&, EntryKind)>& visit) const {
  // Folders to be listed, by path, with their depth: no more than one is open at a time.
  std::vector<std::pair<std::string, int>> todo = {{"", 0}};
  while (!todo.empty()) {
    const auto [path, depth] = std::move(todo.back());
    todo.pop_back();
    UniqueFd fd;
    if (path.empty()) {
      fd.Reset(openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    } else {
      absl::StatusOr<UniqueFd> handle = Handle(path, /*follow=*/false, /*follow_last=*/false);
      if (absl::IsNotFound(handle.status())) continue;
      if (!handle.ok()) return handle.status();
      fd.Reset(open(absl::StrCat("/proc/self/fd/", handle->get()).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    if (!fd.valid()) return Failure(errno, path);
    const int copy = fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
    DIR* const list = copy >= 0 ? fdopendir(copy) : nullptr;
    if (list == nullptr) {
      if (copy >= 0) close(copy);
      return Failure(EMFILE, path);
    }
    absl::Status status;
    bool more = true;
    while (const dirent* entry = readdir(list)) {
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || (path.empty() && name == ".git")) continue;
      struct stat info {};
      if (fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        status = Failure(errno, name);
        break;
      }
      const std::string inner = path.empty() ? name : absl::StrCat(path, "/", name);
      const EntryKind kind = KindOfMode(info.st_mode);
      if (kind == EntryKind::kFolder) {
        if (depth + 1 > kMaxDepth || inner.size() >= kMaxPath) {
          status = absl::ResourceExhaustedError(absl::StrCat(Quoted(inner), " lies too deep"));
          break;
        }
        todo.emplace_back(inner, depth + 1);
      } else if (kind != EntryKind::kOther && !visit(inner, kind)) {
        more = false;
        break;
      }
    }
    closedir(list);
    if (!status.ok() || !more) return status;
  }
  return absl::OkStatus();
}

}  // namespace switchyard::executor::checks
