#include "services/executor/repository/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::repository {
namespace {

constexpr std::size_t kMaxTaskId = 64;
constexpr std::size_t kMaxBranch = 200;
constexpr std::size_t kMaxMessage = 64 << 10;

bool IsComponent(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.back() != '.' &&
         (name.size() < 5 || name.substr(name.size() - 5) != ".lock");
}

}  // namespace

bool IsTaskId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxTaskId && id.front() != '-' && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

std::string BranchOf(std::string_view task_id) { return absl::StrCat(ToAbsl(kBranchPrefix), ToAbsl(task_id)); }

bool IsBranchName(std::string_view name) {
  if (name.empty() || name.size() > kMaxBranch || name.front() == '-' || name == "@" || name == "HEAD") return false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string_view::npos) return false;
  }
  if (name.find("..") != std::string_view::npos || name.find("@{") != std::string_view::npos) return false;
  if (!text::IsValidUtf8(name)) return false;
  for (std::size_t from = 0; from <= name.size();) {
    const std::size_t slash = std::min(name.find('/', from), name.size());
    if (!IsComponent(name.substr(from, slash - from))) return false;
    from = slash + 1;
  }
  return true;
}

bool IsObjectId(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, std::min(text.find('\n'), text.size())));
}

std::string CommitMessage(std::string_view message, std::string_view task_id) {
  std::string text = text::ReplaceInvalidUtf8(text::TruncateUtf8(message, kMaxMessage));
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  absl::StripAsciiWhitespace(&text);
  const std::string trailer = absl::StrCat(ToAbsl(kTrailer), ": ", ToAbsl(task_id));
  if (text.empty()) text = absl::StrCat("Work of task ", ToAbsl(task_id));
  if (!absl::EndsWith(text, absl::StrCat("\n\n", trailer))) absl::StrAppend(&text, "\n\n", trailer);
  return text + "\n";
}

}  // namespace switchyard::executor::repository
