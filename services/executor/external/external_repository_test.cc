// Agents in repositories, whose worktrees are played here.
#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "services/executor/external/external_fixture.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::external {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Played {
  std::string folder;
  absl::Status prepare;
  absl::Status commit;
  absl::Status push;
  std::vector<std::string> calls;
  std::string message;
};

class PlayedWorktree final : public repository::Worktree, public checks::ChangeView {
 public:
  explicit PlayedWorktree(Played& played, const std::string& task) : played_(played) {
    facts_ = {.task_id = task,
              .repository = "https://example.com/acme/app",
              .folder = played.folder,
              .branch = "agent/" + task,
              .base_branch = "main",
              .base_commit = "base",
              .resumed = false};
  }
  const repository::WorktreeFacts& facts() const override { return facts_; }
  absl::StatusOr<repository::Commitment> Commit(const std::string& message, const repository::Stop&) override {
    played_.calls.push_back("commit");
    played_.message = message;
    if (!played_.commit.ok()) return played_.commit;
    return repository::Commitment{.commit = "head", .made = true};
  }
  checks::ChangeView& changes() override { return *this; }
  absl::StatusOr<checks::Changes> Look(absl::Duration, const std::atomic<bool>&) override {
    checks::Changes changes;
    if (std::filesystem::exists(played_.folder + "/made.txt")) {
      changes.paths.push_back({.path = "made.txt", .kind = checks::ChangedPath::Kind::kAdded, .lines_added = 1});
    }
    return changes;
  }
  absl::StatusOr<repository::DiffText> Diff(std::size_t, const repository::Stop&) override {
    return repository::DiffText{.text = "+by the agent\n", .cut = false};
  }
  absl::StatusOr<repository::Snapshot> Save(const repository::Stop&) override {
    played_.calls.push_back("save");
    return repository::Snapshot{.tree = "before"};
  }
  absl::Status Restore(const repository::Snapshot& snapshot, const repository::Stop&) override {
    played_.calls.push_back("restore " + snapshot.tree);
    return absl::OkStatus();
  }
  absl::StatusOr<repository::Standing> Compare(bool, const repository::Stop&) override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<std::string> Push(const repository::Stop&) override {
    played_.calls.push_back("push");
    if (!played_.push.ok()) return played_.push;
    return std::string("head");
  }
  void Release(repository::Release release) override {
    played_.calls.push_back(release == repository::Release::kKeep ? "keep" : "remove");
  }

 private:
  Played& played_;
  repository::WorktreeFacts facts_;
};

class PlayedWorktrees final : public repository::Worktrees {
 public:
  explicit PlayedWorktrees(Played& played) : played_(played) {}
  absl::Status Check(const std::string&, const RepositoryWork&) const override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<repository::Worktree>> Prepare(const std::string& task, const RepositoryWork&,
                                                                const repository::Stop&) override {
    if (!played_.prepare.ok()) return played_.prepare;
    return std::make_unique<PlayedWorktree>(played_, task);
  }
  void Sweep() override {}
  absl::Status Probe() override { return absl::OkStatus(); }

 private:
  Played& played_;
};

// Answers every question for a confirmation.
class AnsweringSink final : public BackendSink {
 public:
  explicit AnsweringSink(Confirmation answer) : answer_(answer) {}
  void OnPhase(WorkPhase) override {}
  void OnLog(LogChunk) override {}
  void OnConfirmationWanted() override {
    MutexLock lock(mutex_);
    ++wanted_;
    changed_.NotifyAll();
  }
  void OnFinished(Evidence evidence) override {
    MutexLock lock(mutex_);
    evidence_ = std::move(evidence);
    changed_.NotifyAll();
  }
  Evidence Wait(BackendRun& run) {
    int answered = 0;
    for (;;) {
      {
        MutexLock lock(mutex_);
        while (!evidence_.has_value() && wanted_ == answered) changed_.Wait(mutex_);
        if (evidence_.has_value()) return *evidence_;
        ++answered;
      }
      run.OnConfirmation(answer_);
    }
  }
  int wanted() {
    MutexLock lock(mutex_);
    return wanted_;
  }

 private:
  const Confirmation answer_;
  Mutex mutex_;
  CondVar changed_;
  int wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Evidence> evidence_ ABSL_GUARDED_BY(mutex_);
};

class ExternalRepositoryTest : public ExternalFixture {
 protected:
  void SetUp() override {
    ExternalFixture::SetUp();
    SY_ASSERT_OK_AND_ASSIGN(played_.folder, programs_->MakeFolder("worktree", 1, ""));
    worktrees_ = &played_worktrees_;
    Use(Entry("[work]", "  result: {summary: {json: /result}, output_tokens: {json: /usage/out}}\n"));
  }
  Work RepositoryTask(bool push) {
    Work work = Task();
    work.repository = {.repository = "app", .push = push, .title = "Make a file\nand more"};
    return work;
  }
  Evidence Try(const Work& work, Confirmation answer = Confirmation::kCurrent) {
    AnsweringSink sink(answer);
    const auto run = external_->Start(work, sink);
    EXPECT_TRUE(run.ok()) << run.status();
    if (!run.ok()) return {};
    const Evidence evidence = sink.Wait(**run);
    wanted_ = sink.wanted();
    return evidence;
  }
  static verification::v1::Change ChangeOf(const Evidence& evidence) {
    verification::v1::CheckReport report;
    EXPECT_TRUE(report.ParseFromString(evidence.checks));
    return report.change();
  }

  Played played_;
  PlayedWorktrees played_worktrees_{played_};
  int wanted_ = 0;
};

TEST_F(ExternalRepositoryTest, WhatItMadeIsCommittedConfirmedAndPushed) {
  const Evidence evidence = Try(RepositoryTask(true));
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_THAT(played_.calls, ElementsAre("commit", "push", "remove"));
  EXPECT_THAT(played_.message, HasSubstr("Make a file\n\nBy fake with m:7b."));
  EXPECT_EQ(wanted_, 1);
  const verification::v1::Change change = ChangeOf(evidence);
  EXPECT_EQ(change.head_commit(), "head");
  EXPECT_TRUE(change.pushed());
  EXPECT_EQ(change.files_added(), 1);
  EXPECT_THAT(change.paths(), ElementsAre("made.txt"));
  EXPECT_THAT(evidence.output, HasSubstr("+by the agent")) << "what is judged is the change";
  EXPECT_THAT(evidence.state_summary, HasSubstr("made a file"));
  EXPECT_THAT(evidence.state_summary, HasSubstr("at head"));
}

TEST_F(ExternalRepositoryTest, WithoutDeliveryItStaysOnItsBranch) {
  const Evidence evidence = Try(RepositoryTask(false));
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
  EXPECT_THAT(played_.calls, ElementsAre("commit", "keep"));
  EXPECT_FALSE(ChangeOf(evidence).pushed());
}

TEST_F(ExternalRepositoryTest, StaleWorkIsNotPushed) {
  const Evidence evidence = Try(RepositoryTask(true), Confirmation::kStale);
  EXPECT_NE(evidence.outcome, Outcome::kSucceeded);
  EXPECT_EQ(evidence.reason, "STALE_GENERATION");
  EXPECT_THAT(played_.calls, ElementsAre("commit", "keep"));
}

TEST_F(ExternalRepositoryTest, AnUnconfirmedModelCommitsNothing) {
  Use(Entry("[work]", "  model: {name: another}\n"));
  EXPECT_EQ(Try(RepositoryTask(true)).reason, "MODEL_NOT_CONFIRMED");
  EXPECT_THAT(played_.calls, ElementsAre("keep"));
}

TEST_F(ExternalRepositoryTest, AWorktreeThatCannotBeHadEndsTheAttemptBeforeAnythingIsSpent) {
  played_.prepare = MakeError(absl::StatusCode::kUnavailable, "FETCH_FAILED", "no way there");
  Evidence evidence = Try(RepositoryTask(true));
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "FETCH_FAILED");
  EXPECT_EQ(evidence.usage, "");
  EXPECT_THAT(played_.calls, IsEmpty());
  played_.prepare = MakeError(absl::StatusCode::kFailedPrecondition, "WORKTREE_BUSY", "another attempt");
  evidence = Try(RepositoryTask(true));
  EXPECT_EQ(evidence.outcome, Outcome::kGivenBack);
  EXPECT_GT(evidence.retry_after, absl::ZeroDuration());
}

TEST_F(ExternalRepositoryTest, WhatGitRefusesIsTheAttemptsFailure) {
  played_.commit = MakeError(absl::StatusCode::kFailedPrecondition, "EMBEDDED_REPOSITORY", "sub/.git");
  EXPECT_EQ(Try(RepositoryTask(true)).reason, "EMBEDDED_REPOSITORY");
  played_.commit = absl::OkStatus();
  played_.push = MakeError(absl::StatusCode::kFailedPrecondition, "PUSH_REJECTED", "no");
  const Evidence evidence = Try(RepositoryTask(true));
  EXPECT_EQ(evidence.reason, "PUSH_REJECTED");
  EXPECT_EQ(played_.calls.back(), "keep");
}

TEST_F(ExternalRepositoryTest, ItsCredentialIsNeverCommitted) {
  credentials_ = Policy({"env:KEY https://api.example/v1"});
  const std::string more =
      "  environment: {SCRATCH: '{scratch}', AGENT_KEY: '{credential}', MODEL: '{model}'}\n"
      "  model: {name: own-model, url: 'https://api.example/v1', credential: 'env:KEY'}\n";
  Use(Entry("[spill]", more));
  const Evidence evidence = Try(RepositoryTask(true));
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "CREDENTIAL_IN_CHANGES") << evidence.message;
  EXPECT_THAT(evidence.message, HasSubstr("made.txt"));
  EXPECT_FALSE(evidence.executor_fault);
  EXPECT_THAT(played_.calls, ElementsAre("remove")) << "nobody goes on with it";

  // Nor told: not by what checks found, not by the title.
  played_.calls.clear();
  Use(Entry("[work]", more));
  Work work = RepositoryTask(false);
  work.max_iterations = 2;
  work.repository.title = "Use value-of-KEY and password=hunter2hunter2";
  work.checks = {{.name = "key", .check = checks::FileContains{.path = "value-of-KEY", .text = "x"}}};
  const Evidence told = Try(work);
  EXPECT_THAT(played_.calls, ElementsAre("commit", "commit", "keep")) << told.reason << ": " << told.message;
  EXPECT_THAT(played_.message, Not(HasSubstr("value-of-KEY")));
  EXPECT_THAT(played_.message, Not(HasSubstr("hunter2hunter2")));
  verification::v1::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(told.checks));
  ASSERT_EQ(report.steps_size(), 1);
  EXPECT_THAT(report.steps(0).evidence(), Not(HasSubstr("value-of-KEY")));
  for (const verification::v1::Iteration& turn : report.iterations()) {
    EXPECT_THAT(turn.feedback(), Not(HasSubstr("value-of-KEY")));
  }
}

TEST_F(ExternalRepositoryTest, WhatTestsLeaveBehindIsTakenAway) {
  Work work = RepositoryTask(false);
  work.checks = {{.name = "tests", .optional = true, .check = checks::CommandSucceeds{{"probe"}}}};
  const Evidence evidence = Try(work);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_THAT(played_.calls, ElementsAre("commit", "save", "restore before", "keep"));
}

TEST_F(ExternalRepositoryTest, DeliveryReachesBeyond) {
  if (!sandboxed_) GTEST_SKIP() << "without a sandbox everything does";
  EXPECT_FALSE(external_->ReachesBeyond(RepositoryTask(false)));
  EXPECT_TRUE(external_->ReachesBeyond(RepositoryTask(true)));
}

TEST_F(ExternalRepositoryTest, APullRequestNeedsAForge) {
  Work work = RepositoryTask(true);
  work.repository.pull_request = true;
  EXPECT_THAT(external_->Check(work), IsError("FORGE_NOT_CONFIGURED"));
}

}  // namespace
}  // namespace switchyard::executor::external
