#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"
#include "services/executor/checks/folder.h"
#include "services/executor/checks/secret_scan.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kShown = 50;
constexpr std::size_t kBeforeBytes = std::size_t{8} << 20;

// One look over all files.
class Search {
 public:
  Search(const Folder& folder, const LookLimits& limits, const Patience& patience, ChangeView* changes)
      : folder_(folder), limits_(limits), patience_(patience), changes_(changes) {}

  // `had_before`: the base has this file too.
  absl::Status LookInto(const std::string& path, EntryKind kind, bool had_before) {
    if (patience_.over()) return absl::DeadlineExceededError("time is over");
    if (++files_ > limits_.scan_files) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than the ", limits_.scan_files, " files that are looked at"));
    }
    std::vector<Finding> here;
    SecretScanner scanner([&here](const FoundSecret& secret, std::uint64_t line) {
      if (here.size() < kShown) here.push_back({.secret = secret, .line = line});
    });
    if (kind == EntryKind::kLink) {
      const absl::StatusOr<std::string> target = folder_.LinkAt(path);
      if (!target.ok()) return target.status();
      scanner.Push(*target);
    } else if (const absl::Status status = Read(path, scanner); !status.ok()) {
      return status;
    }
    scanner.Finish();
    if (here.empty()) return absl::OkStatus();
    std::optional<std::string> before;
    if (had_before && changes_ != nullptr) before = changes_->Before(path, kBeforeBytes);
    for (const Finding& finding : here) {
      if (before.has_value() && before->find(finding.secret.value) != std::string::npos) {
        ++older_;
        continue;
      }
      if (++found_ > kShown) continue;
      absl::StrAppend(&text_, "\n", Quoted(path), " line ", finding.line, ": ", ToAbsl(finding.secret.kind), " of ",
                      finding.secret.value.size(), " bytes");
    }
    return absl::OkStatus();
  }

  StepResult Done() const {
    std::string seen = absl::StrCat("looked at ", files_, " files, ", bytes_, " bytes");
    if (older_ > 0) absl::StrAppend(&seen, "; ", older_, " finds were there before the work");
    StepResult result =
        found_ == 0 ? Result(StepStatus::kPassed, absl::StrCat("no secrets found; ", seen))
                    : Result(StepStatus::kFailed, absl::StrCat(found_, " secrets; ", seen, ":", text_,
                                                               found_ > kShown ? absl::StrCat("\nand more") : ""));
    result.facts["files"] = absl::StrCat(files_);
    result.facts["bytes"] = absl::StrCat(bytes_);
    result.facts["secrets"] = absl::StrCat(found_);
    return result;
  }
  bool found() const { return found_ > 0; }

 private:
  struct Finding {
    FoundSecret secret;
    std::uint64_t line = 0;
  };

  absl::Status Read(const std::string& path, SecretScanner& scanner) {
    absl::StatusOr<OpenFile> file = folder_.OpenAt(path, /*follow=*/false);
    // Gone since it was listed, or in its place something that holds nothing.
    if (absl::IsNotFound(file.status()) || absl::IsFailedPrecondition(file.status())) return absl::OkStatus();
    if (!file.ok()) return file.status();
    // Most files are small; one that grows meanwhile is read in more turns.
    const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, file->bytes() + 4096));
    std::string block;
    while (true) {
      if (patience_.over()) return absl::DeadlineExceededError("time is over");
      block.clear();
      const absl::StatusOr<std::size_t> got = file->Read(most, block);
      if (!got.ok()) return got.status();
      if (*got == 0) return absl::OkStatus();
      bytes_ += *got;
      if (bytes_ > limits_.scan_bytes) {
        return absl::ResourceExhaustedError(
            absl::StrCat("more than the ", limits_.scan_bytes, " bytes that are looked at"));
      }
      scanner.Push(block);
    }
  }

  const Folder& folder_;
  const LookLimits& limits_;
  const Patience& patience_;
  ChangeView* const changes_;
  std::size_t files_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t found_ = 0;
  std::size_t older_ = 0;
  std::string text_;
};

}  // namespace

StepResult Look(const NoSecrets&, const Place& place, const LookLimits& limits, const Patience& patience) {
  const absl::StatusOr<Folder> folder = Folder::Open(place.folder);
  if (!folder.ok()) return Obstacle(folder.status(), patience, /*missing_fails=*/false);
  Search search(*folder, limits, patience, place.changes);
  absl::Status status;
  if (place.changes != nullptr) {
    const absl::StatusOr<Changes> changes = place.changes->Look(patience.left(), patience.stop());
    if (!changes.ok()) return Obstacle(changes.status(), patience, /*missing_fails=*/false);
    for (const ChangedPath& path : changes->paths) {
      if (path.kind == ChangedPath::Kind::kDeleted) continue;
      const absl::StatusOr<EntryKind> kind = folder->KindOf(path.path);
      if (absl::IsNotFound(kind.status())) continue;
      // Such as a submodule: its files are another repository's.
      if (kind.ok() && *kind != EntryKind::kFile && *kind != EntryKind::kLink) continue;
      status = kind.ok() ? search.LookInto(path.path, *kind, path.kind == ChangedPath::Kind::kChanged) : kind.status();
      if (!status.ok()) break;
    }
  } else {
    absl::Status looked;
    status = folder->Walk([&](const std::string& path, EntryKind kind) {
      looked = search.LookInto(path, kind, /*had_before=*/false);
      return looked.ok();
    });
    if (!looked.ok()) status = looked;
  }
  // What was found is bad enough, whatever was not looked at.
  if (!status.ok() && !search.found()) return Obstacle(status, patience, /*missing_fails=*/false);
  return search.Done();
}

}  // namespace switchyard::executor::checks
