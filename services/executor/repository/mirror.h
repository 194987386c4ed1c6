#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/repository/git_home.h"
#include "services/executor/repository/repository_policy.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::repository {

// The bare clone of one repository and its way to the remote. Only this executor writes it. Whoever fetches or mends
// holds the lock of its repository; all else may come at any time.
class Mirror {
 public:
  Mirror(const GitHome& home, RepositoryUrl url, RepositoryPolicy::Credential credential, std::string folder);

  // Makes what is missing.
  absl::Status Make() const;
  // The same, and removes the locks and half-written files that a crash or a command that was ended left. Nobody else
  // may write there meanwhile.
  absl::Status Mend() const;

  struct Fetched {
    std::string base_branch;
    std::string base;
    // The task's branch at the remote; empty: it has none.
    std::string branch;
  };
  // An empty base branch is the remote's default. What came is what the remote answers afterwards. A clone that is
  // damaged is made anew if `may_rebuild` says that nobody needs what is in it. Failures as in Worktrees::Prepare.
  absl::StatusOr<Fetched> Fetch(const std::string& base_branch, const std::string& task_id,
                                const std::function<absl::Status()>& watch, const std::function<bool()>& may_rebuild,
                                const Stop& stop) const;

  // The commit of a branch at the remote; empty: it has none. UNAVAILABLE, reason `reason`.
  absl::StatusOr<std::string> AtRemote(const std::string& branch, std::string_view reason, const Stop& stop) const;

  // Failures as in Worktree::Push. `objects` holds those that the mirror lacks. `expected` is what the remote answered
  // last, empty for nothing: if it has anything else meanwhile, this fails.
  absl::Status Push(const std::string& commit, const std::string& branch, const std::string& expected,
                    const std::string& objects, const Stop& stop) const;
  // Takes a commit and what it needs out of a task's objects, under the name of a branch.
  absl::Status Import(const std::string& commit, const std::string& branch, const std::string& objects,
                      const Stop& stop) const;

  // False also when one of them is unknown.
  absl::StatusOr<bool> IsAncestor(const std::string& older, const std::string& newer, const std::string& objects,
                                  const Stop& stop) const;
  // Empty when they have nothing in common.
  absl::StatusOr<std::string> MergeBase(const std::string& one, const std::string& other, const std::string& objects,
                                        const Stop& stop) const;
  // Empty when there is no such reference.
  absl::StatusOr<std::string> CommitOf(const std::string& reference, const Stop& stop) const;
  // As the last Fetch left it.
  static std::string BaseReference(const std::string& base_branch);
  static std::string BranchReference(const std::string& branch) { return "refs/heads/" + branch; }

  // Many packs become one; nothing is dropped.
  absl::Status Tidy(const Stop& stop) const;

  const std::string& folder() const { return folder_; }
  std::string objects() const { return folder_ + "/objects"; }
  const RepositoryUrl& url() const { return url_; }

 private:
  struct Listing;
  absl::StatusOr<Listing> List(const std::vector<std::string>& names, std::string_view reason, const Stop& stop) const;
  absl::Status RemoteFailure(const GitAnswer& answer, std::string_view reason) const;
  // What git said, without the credential.
  std::string Said(std::string_view text) const;
  // As git finds it, whatever a remote says.
  absl::StatusOr<bool> IsDamaged(const Stop& stop) const;
  GitCall WithObjects(GitCall call, const std::string& objects) const;
  absl::StatusOr<bool> Holds(const std::string& reference, const std::string& commit, const Stop& stop) const;

  const GitHome& home_;
  const RepositoryUrl url_;
  const RepositoryPolicy::Credential credential_;
  const std::string folder_;
};

}  // namespace switchyard::executor::repository
