#include "services/executor/repository/mirror.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/log.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/repository/names.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::repository {
namespace {

namespace fs = std::filesystem;

// A base that moves while it is fetched is fetched again.
constexpr int kFetchAttempts = 3;

constexpr std::string_view kMirrorSettings = R"([core]
	repositoryformatversion = 0
	bare = true
	filemode = true
	hooksPath = /dev/null
	sharedRepository = 0644
)";

std::string TaskReference(const std::string& task_id) { return "refs/switchyard/remote/" + task_id; }

bool IsUnauthorized(std::string_view said) {
  for (const char* sign : {"Authentication failed", "could not read Username", "could not read Password",
                           "Permission denied", "error: 401", "error: 403", "Invalid username or"}) {
    if (said.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

// By what git itself says, not by what a remote does.
bool LooksDamaged(const std::string& said) {
  for (const absl::string_view line : absl::StrSplit(said, absl::ByAnyChar("\r\n"))) {
    if (absl::StartsWith(line, "remote:") || absl::StrContains(line, "remote error")) continue;
    for (const char* sign : {"bad object", "corrupt", "unable to read", "loose object", "not a git repository",
                             "unresolved deltas", "did not send all necessary objects"}) {
      if (absl::StrContains(line, sign)) return true;
    }
  }
  return false;
}

bool IsLeftover(const fs::path& path) {
  const std::string name = path.filename().string();
  return absl::EndsWith(name, ".lock") || absl::StartsWith(name, "tmp_") || absl::StartsWith(name, "incoming-");
}

}  // namespace

struct Mirror::Listing {
  // By reference.
  std::map<std::string, std::string> commits;
  // Branch that HEAD stands for.
  std::string head;

  std::string At(const std::string& reference) const {
    const auto found = commits.find(reference);
    return found == commits.end() ? "" : found->second;
  }
};

Mirror::Mirror(const GitHome& home, RepositoryUrl url, RepositoryPolicy::Credential credential, std::string folder)
    : home_(home), url_(std::move(url)), credential_(std::move(credential)), folder_(std::move(folder)) {}

std::string Mirror::BaseReference(const std::string& base_branch) {
  // One branch's name may be a folder of another's.
  return absl::StrCat("refs/switchyard/base/", Sha256Hex(base_branch).substr(0, 32));
}

absl::Status Mirror::Make() const {
  for (const char* inner : {"", "/objects", "/objects/pack", "/objects/info", "/refs", "/refs/heads"}) {
    SY_RETURN_IF_ERROR(MakeFolder(folder_ + inner, 0755));
  }
  SY_RETURN_IF_ERROR(WriteWhole(folder_ + "/config", kMirrorSettings, 0644));
  return WriteWhole(folder_ + "/HEAD", "ref: refs/heads/none\n", 0644);
}

absl::Status Mirror::Mend() const {
  SY_RETURN_IF_ERROR(Make());
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::recursive_directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    if (!IsLeftover(at->path())) continue;
    if (at->is_directory(error) && !at->is_symlink(error)) at.disable_recursion_pending();
    leftovers.push_back(at->path());
  }
  for (const fs::path& path : leftovers) {
    LogInfo("a file that git left half-done goes", {{"path", path.string()}});
    RemoveTree(path.string());
  }
  return absl::OkStatus();
}

std::string Mirror::Said(std::string_view text) const {
  // Behind the name, or all of it.
  return Cleaned(text, credential_.secret.substr(credential_.secret.find(':') + 1));
}

absl::StatusOr<bool> Mirror::IsDamaged(const Stop& stop) const {
  GitCall call = home_.InMirror(folder_, {"fsck", "--full", "--no-dangling", "--no-progress"});
  call.time = std::max(call.time, home_.options().fetch_timeout);
  call.cut = true;
  SY_ASSIGN_OR_RETURN(const GitAnswer answer, home_.Run(call, stop));
  return answer.cut || !answer.ok();
}

absl::Status Mirror::RemoteFailure(const GitAnswer& answer, std::string_view reason) const {
  const std::string said = Said(answer.error);
  if (IsUnauthorized(answer.error)) {
    return MakeError(absl::StatusCode::kPermissionDenied, "REMOTE_UNAUTHORIZED",
                     absl::StrCat(url_.ToString(), " refused this executor: ", said));
  }
  return MakeError(absl::StatusCode::kUnavailable, reason, absl::StrCat(url_.ToString(), ": ", said));
}

absl::StatusOr<Mirror::Listing> Mirror::List(const std::vector<std::string>& names, std::string_view reason,
                                             const Stop& stop) const {
  std::vector<std::string> arguments = {"ls-remote", "--symref", "--", url_.ToString()};
  arguments.insert(arguments.end(), names.begin(), names.end());
  SY_ASSIGN_OR_RETURN(const GitAnswer answer, home_.Run(home_.ToRemote(folder_, url_, credential_, arguments), stop));
  if (!answer.ok()) return RemoteFailure(answer, reason);
  Listing listing;
  for (const absl::string_view line : absl::StrSplit(answer.output, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits('\t', 1));
    if (absl::StartsWith(parts.first, "ref: refs/heads/") && parts.second == "HEAD") {
      listing.head = parts.first.substr(16);
    } else if (IsObjectId(parts.first)) {
      listing.commits[parts.second] = parts.first;
    }
  }
  return listing;
}

absl::StatusOr<std::string> Mirror::CommitOf(const std::string& reference, const Stop& stop) const {
  SY_ASSIGN_OR_RETURN(
      const GitAnswer answer,
      home_.Run(home_.InMirror(folder_, {"rev-parse", "--verify", "-q", "--end-of-options", reference + "^{commit}"}),
                stop));
  const std::string commit = FirstLine(answer.output);
  return answer.ok() && IsObjectId(commit) ? commit : "";
}

absl::StatusOr<bool> Mirror::Holds(const std::string& reference, const std::string& commit, const Stop& stop) const {
  if (commit.empty()) return true;
  SY_ASSIGN_OR_RETURN(const std::string here, CommitOf(reference, stop));
  if (here != commit) return false;
  SY_ASSIGN_OR_RETURN(const GitAnswer answer,
                      home_.Run(home_.InMirror(folder_, {"cat-file", "-e", commit + "^{tree}"}), stop));
  return answer.ok();
}

absl::StatusOr<Mirror::Fetched> Mirror::Fetch(const std::string& base_branch, const std::string& task_id,
                                              const std::function<absl::Status()>& watch,
                                              const std::function<bool()>& may_rebuild, const Stop& stop) const {
  const std::string branch = "refs/heads/" + BranchOf(task_id);
  std::vector<std::string> names = {branch, base_branch.empty() ? "HEAD" : "refs/heads/" + base_branch};
  SY_ASSIGN_OR_RETURN(Listing listing, List(names, "FETCH_FAILED", stop));
  Fetched fetched{.base_branch = base_branch.empty() ? listing.head : base_branch, .base = "", .branch = ""};
  if (base_branch.empty()) {
    if (!IsBranchName(fetched.base_branch)) {
      return MakeError(absl::StatusCode::kNotFound, "BASE_NOT_FOUND",
                       absl::StrCat(url_.ToString(), " names no default branch; is it empty?"));
    }
    names[1] = "refs/heads/" + fetched.base_branch;
    listing.commits[names[1]] = listing.At("HEAD");
  }
  const std::string& base = names[1];
  bool rebuilt = false;
  for (int attempt = 0; attempt < kFetchAttempts; ++attempt) {
    fetched.base = listing.At(base);
    fetched.branch = listing.At(branch);
    if (fetched.base.empty()) {
      return MakeError(absl::StatusCode::kNotFound, "BASE_NOT_FOUND",
                       absl::StrCat(url_.ToString(), " has no branch ", fetched.base_branch));
    }
    std::vector<std::string> arguments = {"fetch",
                                          "--quiet",
                                          "--no-tags",
                                          "--force",
                                          "--no-write-fetch-head",
                                          "--no-recurse-submodules",
                                          "--no-auto-maintenance",
                                          "--refmap=",
                                          "--",
                                          url_.ToString(),
                                          absl::StrCat("+", base, ":", BaseReference(fetched.base_branch))};
    if (!fetched.branch.empty()) arguments.push_back(absl::StrCat("+", branch, ":", TaskReference(task_id)));
    GitCall call = home_.ToRemote(folder_, url_, credential_, arguments);
    call.arguments.insert(call.arguments.begin(), {"-c", "core.hooksPath=/dev/null"});
    call.watch = watch;
    SY_ASSIGN_OR_RETURN(const GitAnswer answer, home_.Run(call, stop));
    SY_ASSIGN_OR_RETURN(Listing after, List(names, "FETCH_FAILED", stop));
    const bool same = after.At(base) == fetched.base && after.At(branch) == fetched.branch;
    if (!answer.ok() && same) {
      if (rebuilt || !LooksDamaged(answer.error) || !may_rebuild()) return RemoteFailure(answer, "FETCH_FAILED");
      SY_ASSIGN_OR_RETURN(const bool damaged, IsDamaged(stop));
      if (!damaged) return RemoteFailure(answer, "FETCH_FAILED");
      rebuilt = true;
      LogWarning("a clone is damaged and is fetched anew", {{"repository", url_.ToString()}});
      RemoveTree(folder_);
      SY_RETURN_IF_ERROR(Mend());
    } else if (answer.ok()) {
      fetched.base = after.At(base);
      fetched.branch = after.At(branch);
      SY_ASSIGN_OR_RETURN(const bool has_base, Holds(BaseReference(fetched.base_branch), fetched.base, stop));
      SY_ASSIGN_OR_RETURN(const bool has_branch, Holds(TaskReference(task_id), fetched.branch, stop));
      if (has_base && has_branch && !fetched.base.empty()) return fetched;
    }
    listing = std::move(after);
  }
  return MakeError(absl::StatusCode::kUnavailable, "FETCH_MISMATCH",
                   absl::StrCat("what came from ", url_.ToString(), " is not what it answers: branch ",
                                fetched.base_branch, " is at ", fetched.base, " there"));
}

absl::StatusOr<std::string> Mirror::AtRemote(const std::string& branch, std::string_view reason,
                                             const Stop& stop) const {
  const std::string reference = "refs/heads/" + branch;
  SY_ASSIGN_OR_RETURN(const Listing listing, List({reference}, reason, stop));
  return listing.At(reference);
}

GitCall Mirror::WithObjects(GitCall call, const std::string& objects) const {
  if (!objects.empty()) {
    call.environment.push_back(absl::StrCat("GIT_ALTERNATE_OBJECT_DIRECTORIES=\"", absl::CEscape(objects), "\""));
  }
  return call;
}

absl::Status Mirror::Push(const std::string& commit, const std::string& branch, const std::string& expected,
                          const std::string& objects, const Stop& stop) const {
  const std::string reference = "refs/heads/" + branch;
  std::vector<std::string> arguments = home_.HookSettings(branch, url_.ToString());
  for (std::string text : {std::string("push"), std::string("--porcelain"), std::string("--no-follow-tags"),
                           std::string("--no-recurse-submodules"), std::string("--no-signed"),
                           absl::StrCat("--force-with-lease=", reference, ":", expected), std::string("--"),
                           url_.ToString(), absl::StrCat(commit, ":", reference)}) {
    arguments.push_back(std::move(text));
  }
  SY_ASSIGN_OR_RETURN(
      const GitAnswer answer,
      home_.Run(WithObjects(home_.ToRemote(folder_, url_, credential_, std::move(arguments)), objects), stop));
  if (answer.ok()) return absl::OkStatus();
  if (answer.output.find("[rejected]") != std::string::npos ||
      answer.output.find("[remote rejected]") != std::string::npos) {
    std::string why;
    for (const absl::string_view line : absl::StrSplit(answer.output, '\n')) {
      if (absl::StartsWith(line, "!")) why = std::string(line.substr(std::min(line.size(), line.rfind('\t') + 1)));
    }
    return MakeError(absl::StatusCode::kFailedPrecondition, "PUSH_REJECTED",
                     absl::StrCat(url_.ToString(), " did not take ", branch, ": ", Said(why), " ", Said(answer.error)));
  }
  return RemoteFailure(answer, "PUSH_FAILED");
}

absl::Status Mirror::Import(const std::string& commit, const std::string& branch, const std::string& objects,
                            const Stop& stop) const {
  GitCall call = home_.InMirror(folder_, {"push", "--quiet", "--force", "--no-recurse-submodules", "--", folder_,
                                          absl::StrCat(commit, ":", BranchReference(branch))});
  // To itself.
  std::replace(call.environment.begin(), call.environment.end(), std::string("GIT_ALLOW_PROTOCOL="),
               std::string("GIT_ALLOW_PROTOCOL=file"));
  return home_.Ask(WithObjects(std::move(call), objects), stop).status();
}

absl::StatusOr<bool> Mirror::IsAncestor(const std::string& older, const std::string& newer, const std::string& objects,
                                        const Stop& stop) const {
  SY_ASSIGN_OR_RETURN(
      const GitAnswer answer,
      home_.Run(WithObjects(home_.InMirror(folder_, {"merge-base", "--is-ancestor", older, newer}), objects), stop));
  return answer.ok();
}

absl::StatusOr<std::string> Mirror::MergeBase(const std::string& one, const std::string& other,
                                              const std::string& objects, const Stop& stop) const {
  SY_ASSIGN_OR_RETURN(const GitAnswer answer,
                      home_.Run(WithObjects(home_.InMirror(folder_, {"merge-base", one, other}), objects), stop));
  const std::string commit = FirstLine(answer.output);
  return answer.ok() && IsObjectId(commit) ? commit : "";
}

absl::Status Mirror::Tidy(const Stop& stop) const {
  GitCall call = home_.InMirror(folder_, {"repack", "-a", "-d", "-k", "-q"});
  call.time = std::max(call.time, home_.options().fetch_timeout);
  return home_.Ask(call, stop).status();
}

}  // namespace switchyard::executor::repository
