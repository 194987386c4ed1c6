#include "libs/testing/temp_dir.h"

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace switchyard::testing {
namespace {

[[noreturn]] void Give(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  // Sockets allow 107 bytes; a long TMPDIR would leave too few of them.
  path_ = base != nullptr && *base != '\0' && std::string_view(base).size() <= 40 ? base : "/tmp";
  path_ += "/sy.XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) Give("mkdtemp " + path_);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(std::string_view name) const { return path_ + "/" + std::string(name); }

std::string TempDir::Write(std::string_view name, std::string_view content) const {
  const std::string file = File(name);
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  stream.close();
  if (!stream) Give("write " + file);
  return file;
}

}  // namespace switchyard::testing
