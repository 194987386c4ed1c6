#include "services/executor/repository/change_lists.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::executor::repository {
namespace {

using Kind = checks::ChangedPath::Kind;

absl::Status Unreadable() {
  return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "git's list of changes cannot be read");
}

// ":100644 100644 ID ID M"
bool ReadRaw(std::string_view text, RawChange& out) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(text.substr(1)), ' ');
  if (parts.size() != 5 || parts[4].empty()) return false;
  out.repository = parts[1] == "160000" || (parts[0] == "160000" && parts[1] != "000000");
  switch (parts[4][0]) {
    case 'A':
      out.change.kind = Kind::kAdded;
      return true;
    case 'D':
      out.change.kind = Kind::kDeleted;
      return true;
    default:
      out.change.kind = Kind::kChanged;
      return true;
  }
}

}  // namespace

std::vector<std::string> ParseNames(std::string_view text) {
  return absl::StrSplit(ToAbsl(text), '\0', absl::SkipEmpty());
}

absl::StatusOr<std::vector<RawChange>> ParseChanges(std::string_view text) {
  std::map<std::string, RawChange> changes;
  const std::vector<std::string> parts = ParseNames(text);
  std::size_t at = 0;
  for (; at < parts.size() && parts[at][0] == ':'; at += 2) {
    RawChange change;
    if (at + 1 >= parts.size() || !ReadRaw(parts[at], change)) return Unreadable();
    change.change.path = parts[at + 1];
    changes[parts[at + 1]] = std::move(change);
  }
  for (; at < parts.size(); ++at) {
    const std::vector<std::string> numbers = absl::StrSplit(parts[at], absl::MaxSplits('\t', 2));
    if (numbers.size() != 3) return Unreadable();
    const auto found = changes.find(numbers[2]);
    if (found == changes.end()) return Unreadable();
    checks::ChangedPath& change = found->second.change;
    change.binary = numbers[0] == "-";
    if (change.binary) continue;
    if (!absl::SimpleAtoi(numbers[0], &change.lines_added) || !absl::SimpleAtoi(numbers[1], &change.lines_removed)) {
      return Unreadable();
    }
  }
  std::vector<RawChange> sorted;
  sorted.reserve(changes.size());
  for (auto& [path, change] : changes) sorted.push_back(std::move(change));
  return sorted;
}

}  // namespace switchyard::executor::repository
