#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "libs/forge/forge.h"

namespace switchyard::testing {

// Plays a forge with one repository. Questions wait until the test delivers them, unless it is inline. Thread-safe.
class FakeForge final : public forge::Forge {
 public:
  enum class Mode { kManual, kInline };
  explicit FakeForge(Mode mode = Mode::kManual) : mode_(mode) {}

  // The next question of this name ("find", "open", "get", "files", "set_body", "merge", "compare", "status") fails
  // with this: before anything is done, or, when `done` is set, after it was, as with an answer that gets lost.
  void FailNext(std::string_view question, absl::Status status, bool done = false);
  // The next `times` questions of "find" know nothing of what was opened since this call.
  void LagFinds(int times);
  // As if by someone else.
  std::int64_t Add(forge::PullRequest pull);
  void Change(std::int64_t number, const std::function<void(forge::PullRequest&)>& change);
  void SetComparison(forge::Comparison comparison);
  void SetStatus(const std::string& commit, forge::CommitStatus status);
  void SetFiles(std::vector<forge::ChangedFile> files);
  // Pushed by someone; pull requests from that branch that are open follow.
  void SetHead(const std::string& branch, const std::string& commit);

  bool DeliverOne();
  void DeliverAll();
  // Drops what waits, as a network does.
  void DropAll();
  std::size_t waiting() const;
  // By name, in the order of arrival.
  std::vector<std::string> questions() const;
  int CountOf(std::string_view question) const;
  std::vector<forge::PullRequest> pulls() const;

  void FindPullRequest(const forge::RepositoryName& repository, const std::string& head_branch,
                       forge::Done<std::optional<forge::PullRequest>> done) override;
  void OpenPullRequest(const forge::RepositoryName& repository, const forge::NewPullRequest& wanted,
                       forge::Done<forge::PullRequest> done) override;
  void GetPullRequest(const forge::RepositoryName& repository, std::int64_t number,
                      forge::Done<forge::PullRequest> done) override;
  void ListFiles(const forge::RepositoryName& repository, std::int64_t number,
                 forge::Done<std::vector<forge::ChangedFile>> done) override;
  void SetBody(const forge::RepositoryName& repository, std::int64_t number, const std::string& body,
               forge::Done<forge::PullRequest> done) override;
  void MergePullRequest(const forge::RepositoryName& repository, std::int64_t number, const std::string& head_commit,
                        std::function<void(absl::Status)> done) override;
  void CompareBranches(const forge::RepositoryName& repository, const std::string& base, const std::string& head,
                       forge::Done<forge::Comparison> done) override;
  void GetCombinedStatus(const forge::RepositoryName& repository, const std::string& commit,
                         forge::Done<forge::CommitStatus> done) override;

 private:
  struct Fault {
    absl::Status status;
    bool done = false;
  };
  // `answer` does it, with the lock held; `done` is called without.
  template <class T>
  void Take(std::string_view question, std::function<absl::StatusOr<T>()> answer, forge::Done<T> done);
  forge::PullRequest* Find(std::int64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Mode mode_;
  mutable Mutex mutex_;
  std::vector<forge::PullRequest> pulls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> heads_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, forge::CommitStatus> statuses_ ABSL_GUARDED_BY(mutex_);
  forge::Comparison comparison_ ABSL_GUARDED_BY(mutex_);
  std::vector<forge::ChangedFile> files_ ABSL_GUARDED_BY(mutex_);
  int lagging_finds_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t lag_from_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::deque<Fault>, std::less<>> faults_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> questions_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::testing
