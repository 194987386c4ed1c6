#include "services/executor/repository/git_worktree.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/text/utf8.h"
#include "services/executor/repository/names.h"

namespace switchyard::executor::repository {
namespace {

constexpr std::size_t kMaxList = std::size_t{64} << 20;
// All of the index.
constexpr std::size_t kMaxIndex = std::size_t{512} << 20;

absl::Status Feedback(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

// For people: a path may be any bytes.
std::string Shown(const std::string& path) { return absl::StrCat("\"", Cleaned(path), "\""); }

// Behind a link git looks for nothing.
bool HasGit(const std::string& tree, const std::string& path) {
  struct stat info {};
  for (std::size_t at = path.find('/');; at = path.find('/', at + 1)) {
    if (lstat(absl::StrCat(tree, "/", path.substr(0, at)).c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
    if (at == std::string::npos) break;
  }
  return lstat(absl::StrCat(tree, "/", path, "/.git").c_str(), &info) == 0;
}

}  // namespace

GitWorktree::GitWorktree(Store& store, std::unique_ptr<Store::Use> use, std::string repository, Mirror mirror,
                         TaskFolder task, WorktreeFacts facts)
    : store_(store),
      use_(std::move(use)),
      repository_(std::move(repository)),
      mirror_(std::move(mirror)),
      task_(std::move(task)),
      facts_(std::move(facts)) {}

GitWorktree::~GitWorktree() { Release(repository::Release::kKeep); }

absl::StatusOr<GitAnswer> GitWorktree::Run(GitCall call, const Stop& stop) {
  if (use_ == nullptr) return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "the worktree was released");
  const absl::Duration left = deadline_ - store_.clock().Now();
  if (left <= absl::ZeroDuration()) {
    return MakeError(absl::StatusCode::kDeadlineExceeded, "GIT_TIMEOUT", "git was not done in time");
  }
  call.time = std::min(call.time, left);
  absl::StatusOr<GitAnswer> answer = store_.home().Run(call, stop);
  if (!answer.ok()) task_.RemoveLocks();
  return answer;
}

absl::StatusOr<std::string> GitWorktree::Ask(std::vector<std::string> arguments, const Stop& stop, std::string input) {
  const std::string command = arguments.empty() ? "" : arguments[0];
  GitCall call = task_.Call(std::move(arguments));
  call.max_output = kMaxList;
  call.input = std::move(input);
  if (command == "commit-tree") {
    for (std::string& text : store_.home().AuthorEnvironment(store_.clock().Now())) {
      call.environment.push_back(std::move(text));
    }
  }
  SY_ASSIGN_OR_RETURN(GitAnswer answer, Run(std::move(call), stop));
  if (answer.ok()) return std::move(answer.output);
  return MakeError(absl::StatusCode::kInternal, "GIT_FAILED",
                   absl::StrCat("git ", command, " ended with ", answer.exit_code, ": ", Cleaned(answer.error)));
}

absl::StatusOr<std::string> GitWorktree::AskOfTree(std::vector<std::string> arguments, const Stop& stop) {
  const std::string command = arguments.empty() ? "" : arguments[0];
  GitCall call = task_.Call(std::move(arguments));
  call.max_output = kMaxList;
  SY_ASSIGN_OR_RETURN(GitAnswer answer, Run(std::move(call), stop));
  if (answer.ok()) return std::move(answer.output);
  return Feedback("TREE_UNREADABLE", absl::StrCat("git ", command, ": ", Cleaned(answer.error)));
}

absl::StatusOr<std::vector<std::string>> GitWorktree::Submodules(const Stop& stop) {
  GitCall call = task_.Call({"ls-files", "-s", "-z"});
  call.max_output = kMaxIndex;
  SY_ASSIGN_OR_RETURN(const GitAnswer answer, Run(std::move(call), stop));
  if (!answer.ok()) return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", Cleaned(answer.error));
  std::vector<std::string> found;
  // "160000 ID STAGE<tab>PATH"
  for (const absl::string_view entry : absl::StrSplit(answer.output, '\0', absl::SkipEmpty())) {
    if (!absl::StartsWith(entry, "160000 ")) continue;
    std::string path(entry.substr(std::min(entry.size(), entry.find('\t') + 1)));
    if (HasGit(task_.tree(), path)) found.push_back(std::move(path));
  }
  return found;
}

absl::StatusOr<std::string> GitWorktree::Head(const Stop& stop) {
  SY_ASSIGN_OR_RETURN(std::string text, Ask({"rev-parse", "--verify", "-q", task_.reference() + "^{commit}"}, stop));
  text = FirstLine(text);
  if (!IsObjectId(text)) return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "the task's branch is gone");
  return text;
}

absl::Status GitWorktree::Stage(const Stop& stop) {
  SY_ASSIGN_OR_RETURN(const std::vector<std::string> submodules, Submodules(stop));
  if (!submodules.empty()) {
    return Feedback("EMBEDDED_REPOSITORY",
                    absl::StrCat(Shown(submodules[0] + "/.git"),
                                 " makes a git repository of a folder that stands for another one: remove it"));
  }
  SY_ASSIGN_OR_RETURN(const std::string names, AskOfTree({"ls-files", "-z", "-o", "-m", "--exclude-standard"}, stop));
  std::uint64_t sum = 0;
  for (const std::string& name : ParseNames(names)) {
    if (absl::EndsWith(name, "/")) {
      return Feedback("EMBEDDED_REPOSITORY",
                      absl::StrCat(Shown(name), " is a git repository of its own, which no commit can hold: remove ",
                                   Shown(name + ".git")));
    }
    struct stat info {};
    if (lstat(absl::StrCat(task_.tree(), "/", name).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > store_.options().max_file_bytes) {
      return Feedback("FILE_TOO_LARGE", absl::StrCat(Shown(name), " has ", size, " bytes; a commit takes ",
                                                     store_.options().max_file_bytes, ": remove or ignore it"));
    }
    sum += size;
  }
  SY_RETURN_IF_ERROR(store_.Room(sum));
  return AskOfTree({"add", "-A", "--", "."}, stop).status();
}

absl::StatusOr<std::vector<RawChange>> GitWorktree::Against(const std::string& commit, const Stop& stop) {
  SY_ASSIGN_OR_RETURN(const std::string text,
                      Ask({"diff-index", "--cached", "--raw", "--numstat", "-z", "--no-renames", "--no-ext-diff",
                           "--no-textconv", "--ignore-submodules=dirty", commit, "--"},
                          stop));
  return ParseChanges(text);
}

absl::StatusOr<checks::Changes> GitWorktree::Look(absl::Duration time, const Stop& stop) {
  deadline_ = store_.clock().Now() + time;
  const auto look = [&]() -> absl::StatusOr<checks::Changes> {
    SY_RETURN_IF_ERROR(Stage(stop));
    SY_ASSIGN_OR_RETURN(const std::string head, Head(stop));
    SY_ASSIGN_OR_RETURN(std::vector<RawChange> since, Against(head, stop));
    checks::Changes changes;
    for (const RawChange& change : since) changes.uncommitted.push_back(change.change.path);
    if (head != facts_.base_commit) {
      SY_ASSIGN_OR_RETURN(since, Against(facts_.base_commit, stop));
    }
    for (RawChange& change : since) changes.paths.push_back(std::move(change.change));
    return changes;
  };
  absl::StatusOr<checks::Changes> changes = look();
  deadline_ = absl::InfiniteFuture();
  return changes;
}

std::optional<std::string> GitWorktree::Before(const std::string& path, std::size_t max_bytes) {
  if (path.find('\0') != std::string::npos) return std::nullopt;
  const Stop never(false);
  GitCall call = task_.Call({"cat-file", "blob", absl::StrCat(facts_.base_commit, ":", path)});
  call.max_output = max_bytes;
  call.cut = true;
  absl::StatusOr<GitAnswer> answer = Run(std::move(call), never);
  if (!answer.ok() || !answer->ok() || answer->cut) return std::nullopt;
  return std::move(answer->output);
}

absl::StatusOr<DiffText> GitWorktree::Diff(std::size_t max_bytes, const Stop& stop) {
  SY_RETURN_IF_ERROR(Stage(stop));
  GitCall call =
      task_.Call({"diff-index", "--cached", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv",
                  "--ignore-submodules=dirty", "--src-prefix=a/", "--dst-prefix=b/", facts_.base_commit, "--"});
  call.max_output = max_bytes;
  call.cut = true;
  SY_ASSIGN_OR_RETURN(const GitAnswer answer, Run(std::move(call), stop));
  if (!answer.ok()) return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", Cleaned(answer.error));
  DiffText diff{.text = text::ReplaceInvalidUtf8(answer.output), .cut = answer.cut};
  if (diff.text.size() > max_bytes) {
    diff.text = std::string(text::TruncateUtf8(diff.text, max_bytes));
    diff.cut = true;
  }
  return diff;
}

absl::StatusOr<Snapshot> GitWorktree::Save(const Stop& stop) {
  SY_RETURN_IF_ERROR(Stage(stop));
  SY_ASSIGN_OR_RETURN(const std::string text, Ask({"write-tree"}, stop));
  return Snapshot{.tree = FirstLine(text)};
}

absl::Status GitWorktree::Restore(const Snapshot& snapshot, const Stop& stop) {
  if (!IsObjectId(snapshot.tree)) {
    return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "this is no snapshot of a worktree");
  }
  task_.OpenFolders();
  SY_RETURN_IF_ERROR(AskOfTree({"read-tree", "--reset", "-u", snapshot.tree}, stop).status());
  SY_ASSIGN_OR_RETURN(const std::vector<std::string> submodules, Submodules(stop));
  for (const std::string& path : submodules) task_.RemoveInTree(path + "/.git");
  // Ignored files too: what is looked at in the folder is to be what a commit would hold.
  return AskOfTree({"clean", "-f", "-f", "-d", "-x", "-q"}, stop).status();
}

absl::StatusOr<Commitment> GitWorktree::Commit(const std::string& message, const Stop& stop) {
  SY_RETURN_IF_ERROR(Stage(stop));
  SY_ASSIGN_OR_RETURN(const std::string head, Head(stop));
  SY_ASSIGN_OR_RETURN(const std::vector<RawChange> changes, Against(head, stop));
  for (const RawChange& change : changes) {
    if (change.repository) {
      return Feedback("EMBEDDED_REPOSITORY", absl::StrCat(Shown(change.change.path),
                                                          " is a git repository of its own and was changed: put it "
                                                          "back as it was"));
    }
  }
  if (changes.empty()) return Commitment{.commit = head, .made = false};
  SY_ASSIGN_OR_RETURN(const Snapshot tree, Save(stop));
  SY_ASSIGN_OR_RETURN(std::string commit, Ask({"commit-tree", tree.tree, "-p", head, "-F", "-"}, stop,
                                              CommitMessage(message, facts_.task_id)));
  commit = FirstLine(commit);
  if (!IsObjectId(commit)) return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "git made no commit");
  SY_RETURN_IF_ERROR(Ask({"update-ref", "--no-deref", task_.reference(), commit, head}, stop).status());
  return Commitment{.commit = commit, .made = true};
}

absl::StatusOr<Standing> GitWorktree::Compare(bool fetch, const Stop& stop) {
  std::string base;
  if (fetch) {
    SY_ASSIGN_OR_RETURN(const std::unique_ptr<Store::Lock> lock, store_.LockRepository(repository_, stop));
    // This task needs what the clone has.
    const auto never = [] { return false; };
    const absl::StatusOr<Mirror::Fetched> fetched =
        mirror_.Fetch(facts_.base_branch, facts_.task_id, store_.Watch(mirror_.folder()), never, stop);
    store_.Measure(mirror_.folder());
    if (!fetched.ok()) {
      store_.MarkUnclean(repository_);
      return fetched.status();
    }
    base = fetched->base;
  } else {
    SY_ASSIGN_OR_RETURN(base, mirror_.CommitOf(Mirror::BaseReference(facts_.base_branch), stop));
    if (base.empty()) base = facts_.base_commit;
  }
  Standing standing;
  SY_ASSIGN_OR_RETURN(standing.commit, Head(stop));
  SY_ASSIGN_OR_RETURN(const std::string text,
                      Ask({"rev-list", "--count", "--left-right", absl::StrCat(base, "...", standing.commit)}, stop));
  const std::vector<std::string> counts = absl::StrSplit(FirstLine(text), '\t');
  if (counts.size() != 2 || !absl::SimpleAtoi(counts[0], &standing.base_behind) ||
      !absl::SimpleAtoi(counts[1], &standing.ahead)) {
    return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", "git's count of commits cannot be read");
  }
  return standing;
}

absl::StatusOr<std::string> GitWorktree::Push(const Stop& stop) {
  SY_ASSIGN_OR_RETURN(const std::string head, Head(stop));
  if (head == facts_.base_commit) return Feedback("NOTHING_TO_PUSH", "the branch has no commit of its own");
  SY_ASSIGN_OR_RETURN(const std::string there, mirror_.AtRemote(facts_.branch, "PUSH_FAILED", stop));
  if (there != head) {
    // Only ever forward: of what is there, nothing is lost.
    if (!there.empty()) {
      SY_ASSIGN_OR_RETURN(const bool forward, mirror_.IsAncestor(there, head, task_.objects(), stop));
      if (!forward) {
        return Feedback("PUSH_REJECTED", absl::StrCat(facts_.repository, " has commits on ", facts_.branch,
                                                      " that this worktree lacks: ", there));
      }
    }
    SY_RETURN_IF_ERROR(mirror_.Push(head, facts_.branch, there, task_.objects(), stop));
    SY_ASSIGN_OR_RETURN(const std::string now, mirror_.AtRemote(facts_.branch, "PUSH_FAILED", stop));
    if (now != head) {
      return MakeError(absl::StatusCode::kUnavailable, "PUSH_MISMATCH",
                       absl::StrCat(facts_.repository, " answers ", now.empty() ? "nothing" : now, " for ",
                                    facts_.branch, " after ", head, " was pushed"));
    }
  }
  if (const absl::Status kept = Keep(stop); !kept.ok()) {
    LogWarning("a pushed branch was not taken into the local clone", {{"task", facts_.task_id}, {"error", kept}});
  }
  return head;
}

absl::Status GitWorktree::Keep(const Stop& stop) {
  SY_ASSIGN_OR_RETURN(const std::string head, Head(stop));
  if (head == facts_.base_commit) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const std::string has, mirror_.CommitOf(Mirror::BranchReference(facts_.branch), stop));
  if (has == head) return absl::OkStatus();
  // Whoever mends the clone takes half-written files away.
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Store::Lock> lock, store_.LockRepository(repository_, stop));
  SY_RETURN_IF_ERROR(mirror_.Import(head, facts_.branch, task_.objects(), stop));
  store_.Measure(mirror_.folder());
  return absl::OkStatus();
}

void GitWorktree::Release(repository::Release release) {
  if (use_ == nullptr) return;
  const Stop never(false);
  if (const absl::Status kept = Keep(never); !kept.ok()) {
    LogWarning("commits of a task stay in its worktree only", {{"task", facts_.task_id}, {"error", kept}});
  }
  if (release == repository::Release::kRemove) {
    task_.Remove();
  } else if (const absl::Status noted = task_.WriteRecord(
                 {.base_branch = facts_.base_branch, .base_commit = facts_.base_commit, .used = store_.clock().Now()});
             !noted.ok()) {
    LogWarning("the use of a worktree was not noted", {{"task", facts_.task_id}, {"error", noted}});
  }
  store_.Measure(task_.folder());
  use_.reset();
}

}  // namespace switchyard::executor::repository
