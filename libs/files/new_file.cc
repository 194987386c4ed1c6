#include "libs/files/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/secure_bytes.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::files {

NewFile::NewFile(std::string_view path, mode_t mode)
    : path_(path), beside_(absl::StrCat(path_, ".", SecureToken("").substr(0, 8), ".part")), mode_(mode) {
  struct stat info {};
  if (lstat(path_.c_str(), &info) == 0) {
    status_ = Failure(EEXIST);
    return;
  }
  fd_ = open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) status_ = Failure(errno);
}

NewFile::~NewFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(beside_.c_str());
}

absl::Status NewFile::Failure(int error) const {
  if (error == EEXIST) {
    return MakeError(absl::StatusCode::kAlreadyExists, "FILE_EXISTS",
                     absl::StrCat(path_, " exists already and is never overwritten"));
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "FILE_UNWRITABLE",
                   absl::StrCat("cannot write ", path_, ": ", std::strerror(error)));
}

absl::Status NewFile::Publish(std::string_view content) {
  SY_RETURN_IF_ERROR(status_);
  while (!content.empty()) {
    const ssize_t written = write(fd_, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  // A link, unlike a rename, refuses a name that is taken.
  if (fchmod(fd_, mode_) != 0 || fsync(fd_) != 0 || link(beside_.c_str(), path_.c_str()) != 0) return Failure(errno);
  return absl::OkStatus();
}

absl::Status WriteNewFile(std::string_view path, mode_t mode, std::string_view content) {
  return NewFile(path, mode).Publish(content);
}

}  // namespace switchyard::files
