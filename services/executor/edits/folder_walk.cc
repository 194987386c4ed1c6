#include "services/executor/edits/folder_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::executor::edits {

absl::Status SystemFault(std::string_view what, std::string_view path, int error) {
  return MakeError(absl::StatusCode::kInternal, "WRITE_FAILED",
                   absl::StrCat("cannot ", ToAbsl(what), " ", ToAbsl(path), ": ", strerror(error)));
}

UniqueFd OpenPlace(int parent, const char* name) {
  return UniqueFd(openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::string_view FolderOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string NameOf(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

EntryKind WhyNoFolder(int parent, const char* name) {
  struct stat info {};
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return EntryKind::kMissing;
  return S_ISLNK(info.st_mode) ? EntryKind::kLink : EntryKind::kUnderFile;
}

Parent OpenParent(int root, std::string_view path) {
  Parent out{.folder = OpenPlace(root, ".")};
  const std::string_view folder = FolderOf(path);
  for (std::size_t from = 0; from < folder.size();) {
    const std::size_t slash = std::min(folder.find('/', from), folder.size());
    const std::string part(folder.substr(from, slash - from));
    from = slash + 1;
    UniqueFd next = OpenPlace(out.folder.get(), part.c_str());
    if (!next.valid()) return {.kind = WhyNoFolder(out.folder.get(), part.c_str())};
    out.folder = std::move(next);
  }
  return out;
}

absl::StatusOr<Entry> ReadEntry(int folder, const std::string& name, std::size_t max_bytes, struct stat* info) {
  struct stat seen {};
  if (fstatat(folder, name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Entry{.kind = EntryKind::kMissing};
    return SystemFault("look at", name, errno);
  }
  if (S_ISLNK(seen.st_mode)) return Entry{.kind = EntryKind::kLink};
  if (S_ISDIR(seen.st_mode)) return Entry{.kind = EntryKind::kFolder};
  if (!S_ISREG(seen.st_mode)) return Entry{.kind = EntryKind::kSpecial};
  // What it is may have changed by now: a FIFO must not keep us, nor a link lead us.
  const UniqueFd file(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid())
    return errno == ELOOP ? absl::StatusOr<Entry>(Entry{.kind = EntryKind::kLink}) : SystemFault("open", name, errno);
  if (fstat(file.get(), &seen) != 0 || !S_ISREG(seen.st_mode)) return Entry{.kind = EntryKind::kSpecial};
  if (static_cast<std::size_t>(seen.st_size) > max_bytes) return Entry{.kind = EntryKind::kTooLarge};
  Entry entry{.kind = EntryKind::kFile, .mode = seen.st_mode & 0777};
  std::string& content = entry.content;
  // One more, so that its end is seen without making room for more.
  content.resize(static_cast<std::size_t>(seen.st_size) + 1);
  std::size_t have = 0;
  for (;;) {
    // It may grow while it is read.
    if (have == content.size()) content.resize(have + 4096);
    const ssize_t size = read(file.get(), content.data() + have, content.size() - have);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemFault("read", name, errno);
    if (size == 0) break;
    have += static_cast<std::size_t>(size);
    if (have > max_bytes) return Entry{.kind = EntryKind::kTooLarge};
  }
  content.resize(have);
  if (info != nullptr) *info = seen;
  return entry;
}

absl::Status WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "write");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::executor::edits
