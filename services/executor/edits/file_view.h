// The files that edits are resolved against, as they are at one moment.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace switchyard::executor::edits {

enum class EntryKind {
  kMissing,
  kFile,
  kFolder,
  // It, or a folder above it, is a symbolic link. Never followed.
  kLink,
  // A folder above it is none.
  kUnderFile,
  // FIFO, socket, device.
  kSpecial,
  // A file above the bound; it was not read.
  kTooLarge,
};

struct Entry {
  EntryKind kind = EntryKind::kMissing;
  // Of kFile.
  std::string content;
  // Permissions only.
  mode_t mode = 0644;
};

// Not thread-safe. `path` is relative and normal: CheckPath has taken it.
class FileView {
 public:
  virtual ~FileView() = default;
  // Not OK when what is there cannot be read: permissions, a broken disk.
  virtual absl::StatusOr<Entry> Read(std::string_view path, std::size_t max_bytes) = 0;
};

// Files in memory. Folders are those above the files.
class MemoryFiles final : public FileView {
 public:
  MemoryFiles() = default;
  explicit MemoryFiles(std::map<std::string, std::string> files);

  // Replaces what is there; a kind other than kFile stands for a thing of that kind.
  void Set(std::string path, Entry entry);
  absl::StatusOr<Entry> Read(std::string_view path, std::size_t max_bytes) override;

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

// The path as the other parts take it: without "./" and "//". INVALID_ARGUMENT, reason BAD_PATH, in words for a model,
// when it is empty, absolute, longer than 1,024 bytes, ends in '/', leaves the workspace by "..", names ".git"
// anywhere, has a backslash or a control character, or is not UTF-8.
absl::StatusOr<std::string> CheckPath(std::string_view path);

}  // namespace switchyard::executor::edits
