// What the work changed, as its repository tells.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/glob.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::size_t kShownPaths = 50;

absl::StatusOr<Changes> ChangesOf(const Place& place, const Patience& patience) {
  if (place.changes == nullptr) {
    return absl::UnavailableError("no repository: the work has a folder of its own, whose changes nobody can tell");
  }
  return place.changes->Look(patience.left(), patience.stop());
}

// Lines of at most kShownPaths entries, with how many more there are.
class List {
 public:
  void Add(std::string line) {
    if (++count_ <= kShownPaths) absl::StrAppend(&text_, "\n", line);
  }
  std::size_t count() const { return count_; }
  std::string text() const {
    return count_ <= kShownPaths ? text_ : absl::StrCat(text_, "\nand ", count_ - kShownPaths, " more");
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

std::string Line(const ChangedPath& path) {
  const char* const kind = path.kind == ChangedPath::Kind::kAdded     ? "added   "
                           : path.kind == ChangedPath::Kind::kDeleted ? "deleted "
                                                                      : "changed ";
  if (path.binary) return absl::StrCat(kind, Quoted(path.path), " (binary)");
  return absl::StrCat(kind, Quoted(path.path), " +", path.lines_added, " -", path.lines_removed);
}

struct Sum {
  std::int64_t added = 0;
  std::int64_t removed = 0;
  std::size_t binary = 0;
};

Sum SumOf(const Changes& changes) {
  Sum sum;
  for (const ChangedPath& path : changes.paths) {
    sum.added += path.lines_added;
    sum.removed += path.lines_removed;
    sum.binary += path.binary ? 1 : 0;
  }
  return sum;
}

StepResult WithFacts(StepResult result, const Changes& changes) {
  const Sum sum = SumOf(changes);
  result.facts["files"] = absl::StrCat(changes.paths.size());
  result.facts["lines_added"] = absl::StrCat(sum.added);
  result.facts["lines_removed"] = absl::StrCat(sum.removed);
  return result;
}

}  // namespace

StepResult Look(const GitClean&, const Place& place, const Patience& patience) {
  const absl::StatusOr<Changes> changes = ChangesOf(place, patience);
  if (!changes.ok()) return Obstacle(changes.status(), patience, /*missing_fails=*/false);
  if (changes->uncommitted.empty()) {
    return WithFacts(Result(StepStatus::kPassed, "nothing uncommitted is left"), *changes);
  }
  List list;
  for (const std::string& path : changes->uncommitted) list.Add(Quoted(path));
  return WithFacts(Result(StepStatus::kFailed, absl::StrCat(list.count(), " paths are not committed:", list.text())),
                   *changes);
}

StepResult Look(const DiffNotEmpty&, const Place& place, const Patience& patience) {
  const absl::StatusOr<Changes> changes = ChangesOf(place, patience);
  if (!changes.ok()) return Obstacle(changes.status(), patience, /*missing_fails=*/false);
  if (changes->paths.empty()) {
    return WithFacts(Result(StepStatus::kFailed, "nothing differs from the base"), *changes);
  }
  List list;
  for (const ChangedPath& path : changes->paths) list.Add(Line(path));
  return WithFacts(Result(StepStatus::kPassed, absl::StrCat(list.count(), " files differ from the base:", list.text())),
                   *changes);
}

StepResult Look(const ChangedOnly& check, const Place& place, const Patience& patience) {
  for (const std::string& glob : check.globs) {
    if (const absl::Status status = text::ValidateGlob(glob); !status.ok()) {
      return Result(StepStatus::kError, absl::StrCat(Quoted(glob), ": ", status.message()));
    }
  }
  const absl::StatusOr<Changes> changes = ChangesOf(place, patience);
  if (!changes.ok()) return Obstacle(changes.status(), patience, /*missing_fails=*/false);
  List outside;
  for (const ChangedPath& path : changes->paths) {
    bool inside = false;
    for (const std::string& glob : check.globs) {
      if (patience.over()) return patience.Ended();
      inside = inside || text::MatchesGlob(glob, path.path);
    }
    if (!inside) outside.Add(Line(path));
  }
  if (outside.count() == 0) {
    return WithFacts(Result(StepStatus::kPassed,
                            absl::StrCat("all ", changes->paths.size(), " changed files are where changes may be")),
                     *changes);
  }
  return WithFacts(Result(StepStatus::kFailed, absl::StrCat(outside.count(), " of ", changes->paths.size(),
                                                            " changed files match no glob:", outside.text())),
                   *changes);
}

StepResult Look(const MaxDiffLines& check, const Place& place, const Patience& patience) {
  const absl::StatusOr<Changes> changes = ChangesOf(place, patience);
  if (!changes.ok()) return Obstacle(changes.status(), patience, /*missing_fails=*/false);
  const Sum sum = SumOf(*changes);
  const std::string said =
      absl::StrCat(sum.added, " lines added and ", sum.removed, " removed in ", changes->paths.size(), " files, ",
                   sum.binary > 0 ? absl::StrCat(sum.binary, " of them binary and without lines, ") : "", "at most ",
                   check.lines, " allowed");
  const bool good = sum.added + sum.removed <= check.lines;
  return WithFacts(Result(good ? StepStatus::kPassed : StepStatus::kFailed, said), *changes);
}

}  // namespace switchyard::executor::checks
