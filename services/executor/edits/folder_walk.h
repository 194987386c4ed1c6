// Ways to files below a folder that follow no link. Internal.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/edits/file_view.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::edits {

// INTERNAL, reason WRITE_FAILED, with the error of the system.
absl::Status SystemFault(std::string_view what, std::string_view path, int error);

// A folder, opened only to be a place.
UniqueFd OpenPlace(int parent, const char* name);

// "a/b" and "c" of "a/b/c"; "" and "c" of "c".
std::string_view FolderOf(std::string_view path);
std::string NameOf(std::string_view path);

// What stands where a folder should be: kMissing, kLink, kUnderFile.
EntryKind WhyNoFolder(int parent, const char* name);

// The folder above `path`. A kind other than kFolder says why there is none.
struct Parent {
  EntryKind kind = EntryKind::kFolder;
  UniqueFd folder;
};
Parent OpenParent(int root, std::string_view path);

// The regular file itself, however many names it has; anything else is told by its kind. `info`, unless null, is of
// kFile.
absl::StatusOr<Entry> ReadEntry(int folder, const std::string& name, std::size_t max_bytes, struct stat* info);

absl::Status WriteAll(int fd, std::string_view content);

}  // namespace switchyard::executor::edits
