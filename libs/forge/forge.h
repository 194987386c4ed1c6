// What is asked of a forge: pull requests of one repository, and how far branches are apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/forge/repository_url.h"

namespace switchyard::forge {

inline constexpr std::size_t kMostFiles = 300;

enum class PullRequestState { kOpen, kMerged, kClosed };

struct PullRequest {
  std::int64_t number = 0;
  // For people.
  std::string url;
  PullRequestState state = PullRequestState::kOpen;
  bool draft = false;
  std::string title;
  std::string body;
  std::string head_branch;
  std::string head_commit;
  std::string base_branch;
  // Its branch is not of the repository itself.
  bool from_fork = false;
  // Absent: the forge has not found out yet.
  std::optional<bool> mergeable;
};

struct NewPullRequest {
  std::string title;
  std::string body;
  std::string head_branch;
  std::string base_branch;
  bool draft = false;
};

struct ChangedFile {
  std::string path;
  // Of one that was renamed.
  std::string former_path;
  // Neither: it was there, and is another now.
  bool added = false;
  bool deleted = false;
  std::int64_t additions = 0;
  std::int64_t deletions = 0;
};

// Of a branch or commit, as seen from its base.
struct Comparison {
  // Commits that it has and its base has not.
  std::int64_t ahead = 0;
  // Commits that its base has and it has not.
  std::int64_t behind = 0;
};

// Of all that reported on a commit.
enum class CommitStatus {
  // Nobody did.
  kNone,
  kPending,
  kSuccess,
  kFailure,
};

template <class T>
using Done = std::function<void(absl::StatusOr<T>)>;

// A forge's pull requests. Every call comes back at once; `done` is called exactly once, perhaps before the call
// returns, on a thread that must not be held up. Nothing is ever sent twice by itself. Thread-safe.
//
// Failures, none with text of a secret:
//   NOT_FOUND            FORGE_NOT_FOUND      no such repository, branch or pull request, or none that the token may
//   see PERMISSION_DENIED    FORGE_UNAUTHORIZED   the token is refused or may not do this FAILED_PRECONDITION
//   SECRET_UNREADABLE    the token cannot be read here RESOURCE_EXHAUSTED   FORGE_RATE_LIMITED   with a retry_after
//   when the forge named one ALREADY_EXISTS       FORGE_ALREADY_EXISTS ABORTED              FORGE_CONFLICT       the
//   head is another commit than the one named FAILED_PRECONDITION  FORGE_REFUSED        what was asked cannot be done,
//   in the forge's words FAILED_PRECONDITION  FORGE_REDIRECTED     the repository moved; a token follows nowhere
//   DATA_LOSS            FORGE_MALFORMED      the answer cannot be understood, or is too large
//   UNAVAILABLE          FORGE_UNAVAILABLE    no answer, or one with 5xx: what changes something may have been done
//   INVALID_ARGUMENT     INVALID_REPOSITORY   a name, branch or commit that is none
class Forge {
 public:
  virtual ~Forge() = default;

  // The pull request from this branch of the repository itself, not of a fork with a branch of that name: the open one,
  // else the merged one, else the newest closed one.
  virtual void FindPullRequest(const RepositoryName& repository, const std::string& head_branch,
                               Done<std::optional<PullRequest>> done) = 0;
  virtual void OpenPullRequest(const RepositoryName& repository, const NewPullRequest& wanted,
                               Done<PullRequest> done) = 0;
  virtual void GetPullRequest(const RepositoryName& repository, std::int64_t number, Done<PullRequest> done) = 0;
  // What it changes, as the forge sees it. FORGE_MALFORMED when there are more than kMostFiles.
  virtual void ListFiles(const RepositoryName& repository, std::int64_t number,
                         Done<std::vector<ChangedFile>> done) = 0;
  virtual void SetBody(const RepositoryName& repository, std::int64_t number, const std::string& body,
                       Done<PullRequest> done) = 0;
  // Only if its head is `head_commit`.
  virtual void MergePullRequest(const RepositoryName& repository, std::int64_t number, const std::string& head_commit,
                                std::function<void(absl::Status)> done) = 0;
  // Both are branches or commits.
  virtual void CompareBranches(const RepositoryName& repository, const std::string& base, const std::string& head,
                               Done<Comparison> done) = 0;
  // `commit` may be a branch.
  virtual void GetCombinedStatus(const RepositoryName& repository, const std::string& commit,
                                 Done<CommitStatus> done) = 0;
};

// "open".
std::string_view StateName(PullRequestState state);

// Whether asking the same again may go better: never for what the forge refuses. That the question may be asked twice
// is the caller's to know.
bool MayRetry(const absl::Status& status);
// How long to wait before the attempt after `attempts` ones: what the forge asked for, else doubling from one second,
// with jitter, to 30 s.
absl::Duration RetryDelay(const absl::Status& status, int attempts, Rng& rng);

}  // namespace switchyard::forge
