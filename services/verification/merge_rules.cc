#include "services/verification/merge_rules.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/glob.h"
#include "libs/text/utf8.h"

namespace switchyard::verification {
namespace {

constexpr std::array<std::string_view, 9> kDocumentation = {
    "**/*.md", "**/*.rst", "**/*.adoc", "**/*.txt", "doc/**", "docs/**", "**/LICENSE", "**/AUTHORS", "**/CHANGELOG"};
constexpr std::array<std::string_view, 9> kTests = {"test/**",     "tests/**",    "**/test/**",
                                                    "**/tests/**", "**/*_test.*", "**/test_*.*",
                                                    "**/*.test.*", "**/*.spec.*", "**/*Test.java"};
// Whatever decides how things are built, run, shipped or guarded.
constexpr std::array<std::string_view, 31> kForbidden = {".*",
                                                         ".*/**",
                                                         "**/.*",
                                                         "**/.*/**",
                                                         "ci/**",
                                                         "deploy/**",
                                                         "docker/**",
                                                         "infra/**",
                                                         "k8s/**",
                                                         "terraform/**",
                                                         "helm/**",
                                                         "**/*.y{a,}ml",
                                                         "**/*.toml",
                                                         "**/*.ini",
                                                         "**/*.cfg",
                                                         "**/*.conf",
                                                         "**/*.tf",
                                                         "**/*.lock",
                                                         "**/*.cmake",
                                                         "**/*.mk",
                                                         "**/*.gradle",
                                                         "**/*.json",
                                                         "**/Dockerfile*",
                                                         "**/Makefile",
                                                         "**/CMakeLists.txt",
                                                         "**/Jenkinsfile",
                                                         "**/requirements*.txt",
                                                         "**/constraints*.txt",
                                                         "**/CODEOWNERS",
                                                         "**/go.mod",
                                                         "**/go.sum"};

template <class Globs>
bool MatchesAny(const Globs& globs, const std::string& path) {
  return std::any_of(globs.begin(), globs.end(), [&](std::string_view glob) { return text::MatchesGlob(glob, path); });
}

bool IsPlain(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find("//") != path.npos) return false;
  const std::string framed = absl::StrCat("/", ToAbsl(path), "/");
  return framed.find("/../") == framed.npos && framed.find("/./") == framed.npos &&
         std::none_of(path.begin(), path.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; });
}

class Examiner {
 public:
  Examiner(const Work& work, const MergeRules& rules) : work_(work), change_(*work.report->change), rules_(rules) {}

  std::vector<std::string> Run() {
    const std::int64_t files = std::int64_t{change_.files_added} + change_.files_changed + change_.files_deleted;
    if (files <= 0 || change_.head_commit.empty() || change_.head_commit == change_.base_commit) {
      Say("nothing was changed");
    }
    if (change_.files_added < 0 || change_.files_changed < 0 || change_.files_deleted < 0 || change_.lines_added < 0 ||
        change_.lines_removed < 0) {
      Say("the report of the change holds negative numbers");
    }
    const int most_files = rules_.max_files == 0 ? kDefaultMergeFiles : rules_.max_files;
    if (files > most_files) Say(absl::StrCat(files, " files; at most ", most_files));
    const std::int64_t lines = std::int64_t{change_.lines_added} + change_.lines_removed;
    const int most_lines = rules_.max_lines == 0 ? kDefaultMergeLines : rules_.max_lines;
    if (lines > most_lines) Say(absl::StrCat(lines, " lines; at most ", most_lines));
    if (change_.files_deleted != 0 && !rules_.allow_deletions)
      Say(absl::StrCat(change_.files_deleted, " files deleted"));
    if (static_cast<std::int64_t>(change_.paths.size()) != files) Say("not all changed files are named");
    for (const std::string& path : change_.paths) CheckPath(path);
    CheckPlace();
    CheckBase();
    return std::move(against_);
  }

 private:
  void Say(std::string text) {
    if (against_.size() < kMostFindings) against_.emplace_back(text::TruncateUtf8(text, kMostFindingBytes));
  }

  void CheckPath(const std::string& path) {
    if (!IsPlain(path)) return Say(absl::StrCat(path, ": no path within the repository"));
    const bool forbidden =
        rules_.forbidden_paths.empty() ? MatchesAny(kForbidden, path) : MatchesAny(rules_.forbidden_paths, path);
    if (forbidden) return Say(absl::StrCat(path, ": configuration or infrastructure"));
    if (!rules_.paths.empty()) {
      if (!MatchesAny(rules_.paths, path)) Say(absl::StrCat(path, ": not among the paths that may be merged"));
      return;
    }
    if (MatchesAny(kTests, path)) {
      // Which file was added is not known where some were changed.
      if (change_.files_changed != 0) Say(absl::StrCat(path, ": tests may be added, not changed"));
      return;
    }
    if (!MatchesAny(kDocumentation, path)) Say(absl::StrCat(path, ": neither documentation nor a test"));
  }

  // Only what the task names itself can be compared with what is reported.
  void CheckPlace() {
    const std::string asked = RepositoryKey(work_.repository);
    if (asked.empty()) {
      Say("the task does not name its repository by URL");
    } else if (asked != RepositoryKey(change_.repository)) {
      Say("the report names another repository than the task");
    }
    if (work_.base_branch.empty()) {
      Say("the task names no base branch");
    } else if (work_.base_branch != change_.base_branch) {
      Say("the report names another base branch than the task");
    }
  }

  void CheckBase() {
    if (!change_.pushed || !change_.pull_request.has_value()) return Say("there is no pull request");
    const int behind = change_.pull_request->base_behind;
    if (behind < 0 || behind > rules_.max_base_behind) {
      Say(absl::StrCat("the base is ", behind, " commits ahead; at most ", rules_.max_base_behind));
    }
  }

  const Work& work_;
  const Change& change_;
  const MergeRules& rules_;
  std::vector<std::string> against_;
};

}  // namespace

std::string RepositoryKey(std::string_view url) {
  std::string key(url);
  const std::size_t at = key.find('@'), colon = key.find(':');
  if (!key.empty() && key.front() == '/') {
    key.insert(0, "file://");
  } else if (at < colon && colon < key.find('/') && key.find("://") == key.npos) {
    // USER@HOST:PATH.
    const bool rooted = key.compare(colon, 2, ":/") == 0;
    key.replace(colon, rooted ? 2 : 1, "/");
    key.insert(0, "ssh://");
  }
  const std::size_t scheme = key.find("://");
  if (scheme == key.npos) return "";
  const std::size_t path = std::min(key.find('/', scheme + 3), key.size());
  std::transform(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(path), key.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  while (!key.empty() && key.back() == '/') key.pop_back();
  if (key.size() > 4 && key.compare(key.size() - 4, 4, ".git") == 0) key.resize(key.size() - 4);
  return key;
}

MergeEligibility MayMerge(const Work& work, const Policy& policy, const Assessment& assessment) {
  MergeEligibility result;
  if (!policy.merge.enabled) {
    result.against.push_back("the policy permits no merges");
    return result;
  }
  if (!work.report.has_value() || !work.report->change.has_value()) {
    result.against.push_back("there is no change of a repository");
    return result;
  }
  result.against = Examiner(work, policy.merge).Run();
  if (assessment.verdict != Verdict::kSucceeded) result.against.push_back("the checks did not all pass");
  static const auto& tests = *new std::vector<std::string>{"test_passes"};
  for (const std::string& check : policy.merge.required_checks.empty() ? tests : policy.merge.required_checks) {
    if (std::find(assessment.passed_checks.begin(), assessment.passed_checks.end(), check) ==
        assessment.passed_checks.end()) {
      result.against.push_back(absl::StrCat("no check ", check, " passed"));
    }
  }
  if (result.against.size() > kMostFindings) result.against.resize(kMostFindings);
  result.eligible = result.against.empty();
  return result;
}

}  // namespace switchyard::verification
