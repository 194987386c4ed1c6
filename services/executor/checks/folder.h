// Files that strangers left in a folder: looked at without ever leaving it, blocking on a device, or running what is
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::checks {

// Read from the front, once.
class OpenFile {
 public:
  OpenFile(UniqueFd fd, std::uint64_t bytes) : fd_(std::move(fd)), bytes_(bytes) {}
  // As it was opened.
  std::uint64_t bytes() const { return bytes_; }
  // Appends at most `most` bytes to `out`; 0 at the end.
  absl::StatusOr<std::size_t> Read(std::size_t most, std::string& out);

 private:
  UniqueFd fd_;
  std::uint64_t bytes_;
};

enum class EntryKind { kFile, kFolder, kLink, kOther };

class Folder {
 public:
  static absl::StatusOr<Folder> Open(const std::string& path);

  // A regular file by its path below the folder. Links are followed where they stay inside and `follow` is set; where
  // the kernel cannot watch over that (before Linux 5.6), none is. NOT_FOUND; FAILED_PRECONDITION when it is something
  // else than a file, or a link that is not followed; PERMISSION_DENIED; INVALID_ARGUMENT for a path that could lead
  // outside.
  absl::StatusOr<OpenFile> OpenAt(std::string_view path, bool follow = true) const;
  // What stands there, without following a link at its end. NOT_FOUND and so on.
  absl::StatusOr<EntryKind> KindOf(std::string_view path) const;
  // Where a link points.
  absl::StatusOr<std::string> LinkAt(std::string_view path) const;

  // Each file and link below, in no order, links not followed; `.git` at the top is left out. False from `visit` ends
  // it. FAILED with what could not be read: nothing is passed over silently. At most 256 levels.
  absl::Status Walk(const std::function<bool(const std::string& path, EntryKind kind)>& visit) const;

 private:
  explicit Folder(UniqueFd fd, std::uint32_t owner) : fd_(std::move(fd)), owner_(owner) {}
  // O_PATH.
  absl::StatusOr<UniqueFd> Handle(std::string_view path, bool follow, bool follow_last) const;

  UniqueFd fd_;
  std::uint32_t owner_;
};

// "" when the path is relative and cannot lead outside.
std::string WhatIsWrongWithPath(std::string_view path);

}  // namespace switchyard::executor::checks
