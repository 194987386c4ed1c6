#include "services/executor/repository/git_worktrees.h"

#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/repository/git_worktree.h"
#include "services/executor/repository/names.h"
#include "services/executor/repository/store.h"

namespace switchyard::executor::repository {
namespace {

absl::Status InvalidWork(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", message);
}

// Where the work of this task goes on.
struct Beginning {
  std::string commit;
  std::string base_commit;
  // The worktree that is there is used as it is.
  bool as_it_is = false;
  bool resumed = false;
};

// `local`: of the worktree that was kept, or of the local clone; empty for none.
absl::StatusOr<Beginning> FindBeginning(const Mirror& mirror, const Mirror::Fetched& fetched, const std::string& local,
                                        bool kept, const std::string& objects, const Stop& stop) {
  Beginning begin{.commit = local, .base_commit = "", .as_it_is = kept, .resumed = !local.empty()};
  if (!fetched.branch.empty() && fetched.branch != local) {
    begin.resumed = true;
    bool ahead = false;
    if (!local.empty()) {
      SY_ASSIGN_OR_RETURN(ahead, mirror.IsAncestor(fetched.branch, local, objects, stop));
    }
    if (!ahead) {
      if (!local.empty()) LogInfo("the remote's branch replaces the local one", {{"commit", fetched.branch}});
      begin.commit = fetched.branch;
      begin.as_it_is = false;
    }
  }
  if (begin.commit.empty()) begin.commit = fetched.base;
  SY_ASSIGN_OR_RETURN(begin.base_commit, mirror.MergeBase(begin.commit, fetched.base, objects, stop));
  if (begin.base_commit.empty()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "BRANCH_UNRELATED",
        absl::StrCat("the task's branch, at ", begin.commit, ", has nothing in common with ", fetched.base_branch));
  }
  // Nothing of its own: from where the base is today.
  if (!begin.as_it_is && begin.base_commit == begin.commit) {
    begin.commit = begin.base_commit = fetched.base;
    begin.resumed = false;
  }
  return begin;
}

}  // namespace

GitWorktrees::GitWorktrees(std::unique_ptr<Store> store) : store_(std::move(store)) {}

GitWorktrees::~GitWorktrees() = default;

absl::StatusOr<std::unique_ptr<GitWorktrees>> GitWorktrees::Create(Options options, const Clock& clock) {
  SY_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(std::move(options), clock));
  return std::unique_ptr<GitWorktrees>(new GitWorktrees(std::move(store)));
}

absl::Status GitWorktrees::Check(const std::string& task_id, const RepositoryWork& work) const {
  if (!IsTaskId(task_id)) return InvalidWork("the task's id is none");
  if (work.repository.empty()) return InvalidWork("the work names no repository");
  if (!work.base_branch.empty() && !IsBranchName(work.base_branch)) {
    return InvalidWork("the base branch is no name of a branch");
  }
  if (work.base_branch == BranchOf(task_id)) return InvalidWork("the base branch is the task's own");
  return store_->options().policy.Find(work.repository).status();
}

absl::StatusOr<std::unique_ptr<Worktree>> GitWorktrees::Prepare(const std::string& task_id, const RepositoryWork& work,
                                                                const Stop& stop) {
  SY_RETURN_IF_ERROR(Check(task_id, work));
  SY_ASSIGN_OR_RETURN(RepositoryUrl url, store_->options().policy.Find(work.repository));
  SY_ASSIGN_OR_RETURN(RepositoryPolicy::Credential credential, store_->options().policy.CredentialFor(url));
  const std::string repository = store_->FolderOf(url);
  TaskFolder task = store_->TaskIn(repository, task_id);
  std::unique_ptr<Store::Use> use = store_->UseTask(task.folder());
  if (use == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "WORKTREE_BUSY",
                     "an earlier attempt at this task has not yet left its worktree");
  }
  SY_RETURN_IF_ERROR(store_->MakeRoom());
  Mirror mirror(store_->home(), url, std::move(credential), Store::MirrorOf(repository));
  Mirror::Fetched fetched;
  std::string in_clone;
  {
    SY_ASSIGN_OR_RETURN(const std::unique_ptr<Store::Lock> lock, store_->LockRepository(repository, stop));
    SY_RETURN_IF_ERROR(store_->Touch(repository, url));
    SY_RETURN_IF_ERROR(store_->TakeUnclean(repository) ? mirror.Mend() : mirror.Make());
    absl::StatusOr<Mirror::Fetched> got = mirror.Fetch(
        work.base_branch, task_id, store_->Watch(mirror.folder()),
        [&] { return !store_->OthersUse(repository, task.folder()); }, stop);
    store_->Measure(mirror.folder());
    if (!got.ok()) {
      store_->MarkUnclean(repository);
      return got.status();
    }
    fetched = *std::move(got);
    SY_ASSIGN_OR_RETURN(in_clone, mirror.CommitOf(Mirror::BranchReference(task.branch()), stop));
  }
  if (fetched.base_branch == task.branch()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BASE_REFUSED",
                     "the repository's default branch is the task's own");
  }
  SY_RETURN_IF_ERROR(store_->Room());
  const bool kept = task.ReadRecord().has_value() && task.Mend(stop);
  if (stop.load()) return absl::CancelledError("cancelled while the worktree was prepared");
  std::string local = in_clone;
  if (kept) {
    SY_ASSIGN_OR_RETURN(local, task.Head(stop));
  }
  const std::string objects = kept ? task.objects() : "";
  SY_ASSIGN_OR_RETURN(const Beginning begin, FindBeginning(mirror, fetched, local, kept, objects, stop));
  absl::Status made;
  if (!kept) {
    made = task.Make(mirror.folder(), url.ToString(), begin.commit, store_->Watch(task.folder()), stop);
  } else if (!begin.as_it_is) {
    made = task.Reset(begin.commit, store_->Watch(task.folder()), stop);
  }
  if (made.ok()) {
    made = task.WriteRecord(
        {.base_branch = fetched.base_branch, .base_commit = begin.base_commit, .used = store_->clock().Now()});
  }
  store_->Measure(task.folder());
  if (made.ok()) made = store_->MakeRoom();
  // What is half made has no record, or is as it was: the next attempt begins anew.
  if (!made.ok() && !kept) task.Remove();
  if (!made.ok() && kept) task.RemoveLocks();
  if (!made.ok()) store_->Measure(task.folder());
  SY_RETURN_IF_ERROR(made);
  WorktreeFacts facts{.task_id = task_id,
                      .repository = url.ToString(),
                      .folder = task.tree(),
                      .branch = task.branch(),
                      .base_branch = fetched.base_branch,
                      .base_commit = begin.base_commit,
                      .resumed = begin.resumed};
  return std::make_unique<GitWorktree>(*store_, std::move(use), repository, std::move(mirror), std::move(task),
                                       std::move(facts));
}

void GitWorktrees::Sweep() { store_->Sweep(); }

void GitWorktrees::StopSweeping() { store_->StopSweeping(); }

absl::Status GitWorktrees::Probe() {
  const Stop never(false);
  GitCall call;
  call.arguments = {"--version"};
  call.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  call.time = absl::Seconds(5);
  absl::StatusOr<GitAnswer> answer = RunGit(store_->options().git, call, never);
  if (answer.ok() && answer->ok() && absl::StartsWith(answer->output, "git version ")) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "GIT_FAILED",
                   absl::StrCat(store_->options().git, " does not answer: install git, or set workspace.git"));
}

}  // namespace switchyard::executor::repository
