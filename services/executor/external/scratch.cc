#include "services/executor/external/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::external {
namespace {

UniqueFd OpenFolder(const std::string& folder) {
  return UniqueFd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

absl::Status Failed(const std::string& what) {
  return MakeError(absl::StatusCode::kInternal, "WORKSPACE_FAILED", absl::StrCat(what, ": ", strerror(errno)));
}

absl::Status Unsafe(const std::string& name, std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "RESULT_UNSAFE",
                   absl::StrCat("the agent's file ", name, " ", std::string(why)));
}

}  // namespace

absl::Status WriteScratch(const std::string& folder, const std::map<std::string, std::string>& files,
                          const std::optional<UserIds>& user) {
  const UniqueFd parent = OpenFolder(folder);
  if (!parent.valid()) return Failed("cannot open " + folder);
  for (const auto& [name, text] : files) {
    const UniqueFd file(openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) return Failed(absl::StrCat("cannot make ", folder, "/", name));
    for (std::size_t from = 0; from < text.size();) {
      const ssize_t size = write(file.get(), text.data() + from, text.size() - from);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return Failed(absl::StrCat("cannot write ", folder, "/", name));
      from += static_cast<std::size_t>(size);
    }
    if (user.has_value() && fchown(file.get(), user->uid, user->gid) != 0) {
      return Failed(absl::StrCat("cannot give away ", folder, "/", name));
    }
  }
  return absl::OkStatus();
}

bool IsInScratch(const std::string& folder, const std::string& name) {
  const UniqueFd parent = OpenFolder(folder);
  struct stat info {};
  return parent.valid() && fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

absl::StatusOr<std::string> ReadScratch(const std::string& folder, const std::string& name) {
  const UniqueFd parent = OpenFolder(folder);
  const UniqueFd file(
      parent.valid() ? openat(parent.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
                     : -1);
  if (!file.valid()) {
    if (errno == ELOOP) return Unsafe(name, "is a link");
    return MakeError(absl::StatusCode::kNotFound, "RESULT_MISSING",
                     absl::StrCat("the agent's file ", name, ": ", strerror(errno)));
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Unsafe(name, "is no plain file");
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(file.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Unsafe(name, "cannot be read");
    if (size == 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > kMostDeclared) return Unsafe(name, absl::StrCat("is longer than ", kMostDeclared, " bytes"));
  }
}

}  // namespace switchyard::executor::external
