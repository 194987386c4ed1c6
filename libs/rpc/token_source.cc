#include "libs/rpc/token_source.h"

#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace switchyard::rpc {

std::string FileTokenSource::Token() {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  if (now < look_at_) return token_;
  look_at_ = now + absl::Seconds(1);
  struct stat info {};
  if (stat(path_.c_str(), &info) != 0) return token_;
  std::string seen = absl::StrCat(info.st_ino, "/", info.st_size, "/", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec);
  if (seen == seen_) return token_;
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line)) return token_;
  absl::StripAsciiWhitespace(&line);
  token_ = std::move(line);
  seen_ = std::move(seen);
  return token_;
}

}  // namespace switchyard::rpc
