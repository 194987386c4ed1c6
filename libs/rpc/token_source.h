#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"

namespace switchyard::rpc {

// Where calls take their bearer token from. Thread-safe.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // "" when there is none: the call then goes out without.
  virtual std::string Token() = 0;
};

class StringTokenSource final : public TokenSource {
 public:
  explicit StringTokenSource(std::string_view token) : token_(token) {}
  std::string Token() override { return token_; }

 private:
  const std::string token_;
};

// The first line of a file, read again within a second of a change, so that a token is replaced without a restart.
// While the file cannot be read the last token stays.
class FileTokenSource final : public TokenSource {
 public:
  FileTokenSource(std::string_view path, const Clock& clock) : path_(path), clock_(clock) {}
  std::string Token() override;

 private:
  const std::string path_;
  const Clock& clock_;
  Mutex mutex_;
  absl::Time look_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Inode, size and time of the file as it was last read.
  std::string seen_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::rpc
