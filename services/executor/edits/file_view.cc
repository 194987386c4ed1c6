#include "services/executor/edits/file_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxPart = 240;

absl::Status BadPath(std::string_view what) { return MakeError(absl::StatusCode::kInvalidArgument, "BAD_PATH", what); }

}  // namespace

absl::StatusOr<std::string> CheckPath(std::string_view path) {
  if (path.empty()) return BadPath("the path is empty");
  if (path.size() > kMaxPath) return BadPath(absl::StrCat("the path is longer than ", kMaxPath, " bytes"));
  if (!text::IsValidUtf8(path)) return BadPath("the path is no UTF-8");
  if (path.front() == '/' || path.front() == '~') return BadPath("the path must be relative to the workspace");
  if (path.find('\\') != std::string_view::npos)
    return BadPath("the path must be written with '/', not with backslashes");
  const bool control =
      std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control) return BadPath("the path holds a control character");
  if (path.back() == '/') return BadPath("the path names a folder, not a file");
  std::string out;
  for (std::size_t from = 0; from < path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, slash - from);
    from = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") return BadPath("the path leaves the workspace: it must not hold '..'");
    if (part.size() > kMaxPart) return BadPath(absl::StrCat("a part of the path is longer than ", kMaxPart, " bytes"));
    if (absl::AsciiStrToLower(ToAbsl(part)) == ".git")
      return BadPath("the path is within .git, which edits never touch");
    if (!out.empty()) out += '/';
    out += part;
  }
  if (out.empty()) return BadPath("the path names a folder, not a file");
  return out;
}

MemoryFiles::MemoryFiles(std::map<std::string, std::string> files) {
  for (auto& [path, content] : files) {
    entries_[path] = Entry{.kind = EntryKind::kFile, .content = std::move(content)};
  }
}

void MemoryFiles::Set(std::string path, Entry entry) { entries_[std::move(path)] = std::move(entry); }

absl::StatusOr<Entry> MemoryFiles::Read(std::string_view path, std::size_t max_bytes) {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const auto above = entries_.find(path.substr(0, slash));
    if (above == entries_.end() || above->second.kind == EntryKind::kFolder ||
        above->second.kind == EntryKind::kMissing) {
      continue;
    }
    return Entry{.kind = above->second.kind == EntryKind::kLink ? EntryKind::kLink : EntryKind::kUnderFile};
  }
  const auto found = entries_.find(path);
  if (found != entries_.end()) {
    if (found->second.kind == EntryKind::kFile && found->second.content.size() > max_bytes) {
      return Entry{.kind = EntryKind::kTooLarge};
    }
    return found->second;
  }
  const auto inside = entries_.lower_bound(absl::StrCat(ToAbsl(path), "/"));
  const bool folder = inside != entries_.end() && inside->first.size() > path.size() &&
                      std::string_view(inside->first).substr(0, path.size()) == path &&
                      inside->first[path.size()] == '/';
  return Entry{.kind = folder ? EntryKind::kFolder : EntryKind::kMissing};
}

}  // namespace switchyard::executor::edits
