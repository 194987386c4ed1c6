#include "libs/forge/testing/fake_forge.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/forge/answer.h"

namespace switchyard::testing {

using forge::PullRequest;
using forge::PullRequestState;
using forge::RepositoryName;

namespace {

absl::Status NotFound() { return MakeError(absl::StatusCode::kNotFound, "FORGE_NOT_FOUND", "no such pull request"); }

}  // namespace

void FakeForge::FailNext(std::string_view question, absl::Status status, bool done) {
  MutexLock lock(mutex_);
  faults_[std::string(question)].push_back({.status = std::move(status), .done = done});
}

void FakeForge::LagFinds(int times) {
  MutexLock lock(mutex_);
  lagging_finds_ = times;
  lag_from_ = static_cast<std::int64_t>(pulls_.size());
}

std::int64_t FakeForge::Add(PullRequest pull) {
  MutexLock lock(mutex_);
  pull.number = static_cast<std::int64_t>(pulls_.size()) + 1;
  if (pull.url.empty()) pull.url = absl::StrCat("https://forge.test/acme/widget/pull/", pull.number);
  pulls_.push_back(std::move(pull));
  return pulls_.back().number;
}

void FakeForge::Change(std::int64_t number, const std::function<void(PullRequest&)>& change) {
  MutexLock lock(mutex_);
  change(*Find(number));
}

void FakeForge::SetComparison(forge::Comparison comparison) {
  MutexLock lock(mutex_);
  comparison_ = comparison;
}

void FakeForge::SetStatus(const std::string& commit, forge::CommitStatus status) {
  MutexLock lock(mutex_);
  statuses_[commit] = status;
}

void FakeForge::SetFiles(std::vector<forge::ChangedFile> files) {
  MutexLock lock(mutex_);
  files_ = std::move(files);
}

void FakeForge::SetHead(const std::string& branch, const std::string& commit) {
  MutexLock lock(mutex_);
  heads_[branch] = commit;
  for (PullRequest& pull : pulls_) {
    if (pull.head_branch == branch && pull.state == PullRequestState::kOpen) pull.head_commit = commit;
  }
}

bool FakeForge::DeliverOne() {
  std::function<void()> next;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return false;
    next = std::move(waiting_.front());
    waiting_.pop_front();
  }
  next();
  return true;
}

void FakeForge::DeliverAll() {
  while (DeliverOne()) {
  }
}

void FakeForge::DropAll() {
  MutexLock lock(mutex_);
  waiting_.clear();
}

std::size_t FakeForge::waiting() const {
  MutexLock lock(mutex_);
  return waiting_.size();
}

std::vector<std::string> FakeForge::questions() const {
  MutexLock lock(mutex_);
  return questions_;
}

int FakeForge::CountOf(std::string_view question) const {
  MutexLock lock(mutex_);
  return static_cast<int>(std::count(questions_.begin(), questions_.end(), question));
}

std::vector<PullRequest> FakeForge::pulls() const {
  MutexLock lock(mutex_);
  return pulls_;
}

PullRequest* FakeForge::Find(std::int64_t number) {
  for (PullRequest& pull : pulls_) {
    if (pull.number == number) return &pull;
  }
  return nullptr;
}

template <class T>
void FakeForge::Take(std::string_view question, std::function<absl::StatusOr<T>()> answer, forge::Done<T> done) {
  auto deliver = [this, question = std::string(question), answer = std::move(answer), done = std::move(done)] {
    absl::StatusOr<T> said = absl::InternalError("");
    {
      MutexLock lock(mutex_);
      std::deque<Fault>& faults = faults_[question];
      if (faults.empty()) {
        said = answer();
      } else {
        const Fault fault = std::move(faults.front());
        faults.pop_front();
        if (fault.done) said = answer();
        said = fault.status;
      }
    }
    done(std::move(said));
  };
  {
    MutexLock lock(mutex_);
    questions_.emplace_back(question);
    if (mode_ == Mode::kManual) {
      waiting_.push_back(std::move(deliver));
      return;
    }
  }
  deliver();
}

void FakeForge::FindPullRequest(const RepositoryName&, const std::string& head_branch,
                                forge::Done<std::optional<PullRequest>> done) {
  Take<std::optional<PullRequest>>(
      "find",
      [this, head_branch]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<std::optional<PullRequest>> {
        std::vector<PullRequest> known = pulls_;
        if (lagging_finds_ > 0) {
          --lagging_finds_;
          known.resize(std::min(known.size(), static_cast<std::size_t>(lag_from_)));
        }
        std::optional<PullRequest> best;
        forge::Prefer(std::move(known), head_branch, best);
        return best;
      },
      std::move(done));
}

void FakeForge::OpenPullRequest(const RepositoryName&, const forge::NewPullRequest& wanted,
                                forge::Done<PullRequest> done) {
  Take<PullRequest>(
      "open",
      [this, wanted]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<PullRequest> {
        for (const PullRequest& pull : pulls_) {
          if (pull.head_branch == wanted.head_branch && pull.base_branch == wanted.base_branch && !pull.from_fork &&
              pull.state == PullRequestState::kOpen) {
            return MakeError(absl::StatusCode::kAlreadyExists, "FORGE_ALREADY_EXISTS", "a pull request already exists");
          }
        }
        PullRequest pull{.number = static_cast<std::int64_t>(pulls_.size()) + 1,
                         .url = absl::StrCat("https://forge.test/acme/widget/pull/", pulls_.size() + 1),
                         .draft = wanted.draft,
                         .title = wanted.title,
                         .body = wanted.body,
                         .head_branch = wanted.head_branch,
                         .head_commit = heads_[wanted.head_branch],
                         .base_branch = wanted.base_branch,
                         .mergeable = true};
        pulls_.push_back(pull);
        return pull;
      },
      std::move(done));
}

void FakeForge::GetPullRequest(const RepositoryName&, std::int64_t number, forge::Done<PullRequest> done) {
  Take<PullRequest>(
      "get",
      [this, number]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<PullRequest> {
        const PullRequest* const pull = Find(number);
        if (pull == nullptr) return NotFound();
        return *pull;
      },
      std::move(done));
}

void FakeForge::ListFiles(const RepositoryName&, std::int64_t, forge::Done<std::vector<forge::ChangedFile>> done) {
  Take<std::vector<forge::ChangedFile>>(
      "files",
      [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<std::vector<forge::ChangedFile>> { return files_; },
      std::move(done));
}

void FakeForge::SetBody(const RepositoryName&, std::int64_t number, const std::string& body,
                        forge::Done<PullRequest> done) {
  Take<PullRequest>(
      "set_body",
      [this, number, body]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<PullRequest> {
        PullRequest* const pull = Find(number);
        if (pull == nullptr) return NotFound();
        pull->body = body;
        return *pull;
      },
      std::move(done));
}

void FakeForge::MergePullRequest(const RepositoryName&, std::int64_t number, const std::string& head_commit,
                                 std::function<void(absl::Status)> done) {
  Take<bool>(
      "merge",
      [this, number, head_commit]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<bool> {
        PullRequest* const pull = Find(number);
        if (pull == nullptr) return NotFound();
        if (pull->state != PullRequestState::kOpen) {
          return MakeError(absl::StatusCode::kFailedPrecondition, "FORGE_REFUSED", "it is not open");
        }
        if (pull->head_commit != head_commit) {
          return MakeError(absl::StatusCode::kAborted, "FORGE_CONFLICT", "the head was modified");
        }
        pull->state = PullRequestState::kMerged;
        return true;
      },
      [done = std::move(done)](const absl::StatusOr<bool>& merged) { done(merged.status()); });
}

void FakeForge::CompareBranches(const RepositoryName&, const std::string&, const std::string&,
                                forge::Done<forge::Comparison> done) {
  Take<forge::Comparison>(
      "compare", [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<forge::Comparison> { return comparison_; },
      std::move(done));
}

void FakeForge::GetCombinedStatus(const RepositoryName&, const std::string& commit,
                                  forge::Done<forge::CommitStatus> done) {
  Take<forge::CommitStatus>(
      "status",
      [this, commit]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::StatusOr<forge::CommitStatus> {
        const auto found = statuses_.find(commit);
        return found == statuses_.end() ? forge::CommitStatus::kNone : found->second;
      },
      std::move(done));
}

}  // namespace switchyard::testing
