// Where checks look.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard::executor::checks {

struct ChangedPath {
  enum class Kind { kAdded, kChanged, kDeleted };
  // Relative to the folder, as the file system has it: any bytes but NUL.
  std::string path;
  Kind kind = Kind::kChanged;
  // 0 of binary files.
  std::int64_t lines_added = 0;
  std::int64_t lines_removed = 0;
  bool binary = false;
};

struct Changes {
  // Against the base that the work began from, committed or not; untracked files are added ones, ignored ones are not
  // here. A renamed file is a deleted and an added one. Sorted by path, none left out.
  std::vector<ChangedPath> paths;
  // Of them, what is not committed; sorted.
  std::vector<std::string> uncommitted;
};

// What the work did to its repository. Used by one thread at a time, one on which it may block; lives as long as the
// run of checks.
class ChangeView {
 public:
  virtual ~ChangeView() = default;
  // As it is now. Comes back within `time`, or soon once `stop` is true, with DEADLINE_EXCEEDED or CANCELLED.
  virtual absl::StatusOr<Changes> Look(absl::Duration time, const std::atomic<bool>& stop) = 0;
  // A file as the base has it; nothing when it has none, when it is longer than `max_bytes`, or when nobody can say. So
  // that no work is blamed for secrets it did not bring.
  virtual std::optional<std::string> Before(const std::string& path, std::size_t max_bytes) {
    static_cast<void>(path);
    static_cast<void>(max_bytes);
    return std::nullopt;
  }
};

struct Place {
  // On the host, absolute; belongs to the task's user.
  std::string folder;
  // Null outside a repository: checks of changes are then errors.
  ChangeView* changes = nullptr;
};

}  // namespace switchyard::executor::checks
