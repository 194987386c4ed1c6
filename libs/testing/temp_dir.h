#pragma once

#include <string>
#include <string_view>

namespace switchyard::testing {

// A fresh folder, removed with all that is in it at the end. Its path is short enough for Unix sockets.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Path of an entry, which need not exist.
  std::string File(std::string_view name) const;
  // Writes an entry, making the folders above it, and returns its path.
  std::string Write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

}  // namespace switchyard::testing
