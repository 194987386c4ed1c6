#include "libs/config/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/config/value.h"

extern char** environ;

namespace switchyard::config {
namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

absl::Status Unreadable(std::string_view reference, std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SECRET_UNREADABLE",
                   absl::StrCat("secret ", ToAbsl(reference), ": ", ToAbsl(why)));
}

class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::StatusOr<std::string> ReadFile(std::string_view reference, const std::string& path) {
  const File file(path);
  if (file.fd() < 0) return Unreadable(reference, std::strerror(errno));
  struct stat info {};
  if (fstat(file.fd(), &info) != 0) return Unreadable(reference, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return Unreadable(reference, "is not a regular file");
  if ((info.st_mode & 077) != 0) {
    return Unreadable(reference, absl::StrCat("group or others may read it; run: chmod 600 ", path));
  }
  std::string text(kMaxBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.fd(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unreadable(reference, std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxBytes) return Unreadable(reference, "is longer than 64 KiB");
  text.resize(size);
  return text;
}

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

absl::StatusOr<std::string> ResolveSecret(std::string_view reference, const Environment& environment) {
  SY_RETURN_IF_ERROR(CheckSecretRef(reference));
  if (reference.empty())
    return MakeError(absl::StatusCode::kFailedPrecondition, "SECRET_UNREADABLE", "no secret given");
  std::string secret;
  if (reference.substr(0, 4) == "env:") {
    const auto found = environment.find(std::string(reference.substr(4)));
    if (found == environment.end()) return Unreadable(reference, "the variable is not set");
    secret = found->second;
  } else {
    SY_ASSIGN_OR_RETURN(secret, ReadFile(reference, std::string(reference.substr(5))));
  }
  if (!secret.empty() && secret.back() == '\n') secret.pop_back();
  if (!secret.empty() && secret.back() == '\r') secret.pop_back();
  if (secret.empty()) return Unreadable(reference, "is empty");
  return secret;
}

absl::StatusOr<std::string> ResolveSecret(std::string_view reference) {
  return ResolveSecret(reference, ProcessEnvironment());
}

}  // namespace switchyard::config
