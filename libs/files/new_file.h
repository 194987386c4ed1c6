#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::files {

// A file that appears whole or not at all, and never in place of one that is there: for tokens, keys and certificates.
// It is written beside its place and takes its name by Publish(); nothing is left behind otherwise. Not thread-safe.
class NewFile {
 public:
  // Makes the file beside, so that what cannot be written is known before there is something to lose.
  NewFile(std::string_view path, mode_t mode);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // ALREADY_EXISTS, reason FILE_EXISTS, when the path is taken; FAILED_PRECONDITION, reason FILE_UNWRITABLE.
  const absl::Status& status() const { return status_; }
  // Once; the same failures. Afterwards the content is on disk.
  absl::Status Publish(std::string_view content);

 private:
  absl::Status Failure(int error) const;

  const std::string path_;
  const std::string beside_;
  const mode_t mode_;
  int fd_ = -1;
  absl::Status status_;
};

absl::Status WriteNewFile(std::string_view path, mode_t mode, std::string_view content);

}  // namespace switchyard::files
