// Checks made where the work was, with real programs.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "services/executor/executor_fixture.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor {
namespace {

namespace proto = verification::v1;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsError;
using ::testing::Not;

// In the sandbox where there is one, and without.
class LocalExecChecksTest : public ExecutorFixture, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    ExecutorFixture::SetUp();
    if (!GetParam()) host_->bubblewrap = "/nonexistent/bwrap";
    Rebuild("  sandbox: optional\n");
    if (HasSandbox() != GetParam()) GTEST_SKIP() << "no sandbox on this machine";
  }

  checks::Step Program(std::vector<std::string> arguments, absl::Duration timeout = absl::ZeroDuration()) {
    arguments.insert(arguments.begin(), "probe");
    return {.name = arguments[1], .timeout = timeout, .check = checks::CommandSucceeds{std::move(arguments)}};
  }
  static checks::Step Look(checks::Check check) { return {.name = "look", .check = std::move(check)}; }
  Work With(std::vector<std::string> arguments, std::vector<checks::Step> steps) {
    Work work = Of(std::move(arguments));
    work.checks = std::move(steps);
    return work;
  }
  static proto::CheckReport Report(const Evidence& evidence) {
    proto::CheckReport report;
    EXPECT_TRUE(report.ParseFromString(evidence.checks));
    return report;
  }
  static std::vector<proto::StepStatus> Statuses(const Evidence& evidence) {
    std::vector<proto::StepStatus> all;
    const proto::CheckReport report = Report(evidence);
    for (const proto::StepReport& step : report.steps()) all.push_back(step.status());
    return all;
  }
  void ExpectNoFolderLeft() {
    // What removes it runs on one thread, in order.
    Mutex mutex;
    CondVar changed;
    bool done = false;
    SY_ASSERT_OK(slow_.Run([&] {
      MutexLock lock(mutex);
      done = true;
      changed.NotifyAll();
    }));
    MutexLock lock(mutex);
    while (!done) changed.Wait(mutex);
    EXPECT_TRUE(std::filesystem::is_empty(work_));
  }
};

INSTANTIATE_TEST_SUITE_P(All, LocalExecChecksTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Sandboxed" : "Plain"; });

TEST_P(LocalExecChecksTest, SeeWhatTheProgramLeftAndTellOfEach) {
  CollectingSink sink;
  const Work work = With({"write", "out.txt"},
                         {Program({"read", "out.txt"}), Look(checks::FileContains{"out.txt", "x"}),
                          Look(checks::FileExists{"other.txt"}), Program({"fail", "3"}), Look(checks::GitClean{})});
  SY_ASSERT_OK(backend_->Start(work, sink).status());
  const Evidence evidence = sink.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_EQ(evidence.exit_code, 0);
  EXPECT_THAT(Statuses(evidence),
              ElementsAre(proto::STEP_STATUS_PASSED, proto::STEP_STATUS_PASSED, proto::STEP_STATUS_FAILED,
                          proto::STEP_STATUS_FAILED, proto::STEP_STATUS_ERROR));
  const proto::CheckReport report = Report(evidence);
  EXPECT_THAT(report.steps(0).evidence(), HasSubstr("read ok"));
  EXPECT_EQ(report.steps(0).sandboxed(), GetParam());
  EXPECT_EQ(report.steps(0).facts().at("rule"), "\"probe\"");
  EXPECT_EQ(report.steps(3).exit_code(), 3);
  EXPECT_THAT(sink.phases(), ElementsAre(WorkPhase::kExecuting, WorkPhase::kVerifying));
  std::vector<int> order;
  for (const StepNews& news : sink.steps()) order.push_back(news.step);
  EXPECT_THAT(order, ElementsAre(1, 2, 4, 0, 3)) << "what needs no program first";
  std::uint64_t sequence = 0;
  for (const LogChunk& chunk : sink.chunks()) EXPECT_EQ(chunk.sequence, sequence++) << "without a gap";
  EXPECT_THAT(sink.text(), HasSubstr("read ok"));
  ExpectNoFolderLeft();
}

TEST_P(LocalExecChecksTest, AreNotMadeWhenTheProgramFailed) {
  const Evidence evidence = Run(With({"fail", "2"}, {Look(checks::FileExists{"x"})}));
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.checks, "");
}

TEST_P(LocalExecChecksTest, ProgramsSeeTheFolderAndNothingElseOfTheHost) {
  const Evidence evidence = Run(With({"say", "x"}, {Program({"folder"}), Program({"read", token_})}));
  const proto::CheckReport report = Report(evidence);
  EXPECT_THAT(report.steps(0).evidence(), Not(HasSubstr("descriptor")));
  EXPECT_THAT(report.steps(0).evidence(), HasSubstr(GetParam() ? "/workspace\n" : work_));
  EXPECT_EQ(report.steps(1).status(), proto::STEP_STATUS_FAILED);
}

TEST_P(LocalExecChecksTest, AStepsTimeEndsItsProgramAndTheNextOnesRun) {
  const Evidence evidence =
      Run(With({"say", "x"}, {Program({"polite"}, absl::Milliseconds(300)), Program({"say", "after"})}));
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
  EXPECT_THAT(Statuses(evidence), ElementsAre(proto::STEP_STATUS_TIMED_OUT, proto::STEP_STATUS_PASSED));
}

TEST_P(LocalExecChecksTest, TheTimeOfAllEndsTheRest) {
  Work work = With({"say", "x"}, {Program({"polite"}), Program({"say", "after"})});
  work.checks_time = absl::Milliseconds(300);
  const Evidence evidence = Run(work);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
  EXPECT_THAT(Statuses(evidence), ElementsAre(proto::STEP_STATUS_TIMED_OUT, proto::STEP_STATUS_TIMED_OUT));
}

TEST_P(LocalExecChecksTest, CancelEndsThemAndTheRestIsSkipped) {
  CollectingSink sink;
  const Work work = With({"say", "x"}, {Program({"polite"}), Program({"say", "after"}), Look(checks::FileExists{"x"})});
  SY_ASSERT_OK_AND_ASSIGN(const auto run, backend_->Start(work, sink));
  ASSERT_TRUE(sink.WaitForText("polite ok"));
  run->Cancel();
  const Evidence evidence = sink.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
  EXPECT_EQ(evidence.reason, "CANCELLED");
  EXPECT_THAT(Statuses(evidence),
              ElementsAre(proto::STEP_STATUS_SKIPPED, proto::STEP_STATUS_SKIPPED, proto::STEP_STATUS_FAILED));
  run->Cancel();
  ExpectNoFolderLeft();
}

TEST_P(LocalExecChecksTest, KillEndsWhatIgnoresACancel) {
  limits_.kill_grace = absl::Hours(1);
  Rebuild("  sandbox: optional\n");
  HasSandbox();
  CollectingSink sink;
  SY_ASSERT_OK_AND_ASSIGN(const auto run, backend_->Start(With({"say", "x"}, {Program({"stubborn"})}), sink));
  ASSERT_TRUE(sink.WaitForText("stubborn ok"));
  run->Cancel();
  run->Kill();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
}

TEST_P(LocalExecChecksTest, AStoppingExecutorEndsThem) {
  for (const bool checker_first : {true, false}) {
    CollectingSink sink;
    SY_ASSERT_OK(backend_->Start(With({"say", "x"}, {Program({"stubborn"}), Program({"say", "y"})}), sink).status());
    ASSERT_TRUE(sink.WaitForText("stubborn ok"));
    if (checker_first) {
      checker_->Stop();
    } else {
      runner_.Stop();
    }
    const Evidence evidence = sink.Wait();
    EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
    EXPECT_EQ(evidence.reason, "EXECUTOR_STOPPED");
    EXPECT_THAT(Statuses(evidence), ElementsAre(proto::STEP_STATUS_SKIPPED, proto::STEP_STATUS_SKIPPED));
    if (checker_first) Rebuild("  sandbox: optional\n");
    if (checker_first) HasSandbox();
  }
}

TEST_P(LocalExecChecksTest, HugeOutputIsBoundedAndSecretsInItAreHidden) {
  const std::string secret = "ghp_" + std::string(36, 'A');
  const Evidence evidence = Run(With({"say", "x"}, {Program({"spew", "5000000"}), Program({"say", secret})}));
  const proto::CheckReport report = Report(evidence);
  EXPECT_EQ(report.steps(0).status(), proto::STEP_STATUS_PASSED);
  EXPECT_LE(report.steps(0).evidence().size(), 16u * 1024);
  EXPECT_GT(report.steps(0).omitted_bytes(), 0);
  EXPECT_THAT(report.steps(1).evidence(), HasSubstr("[redacted]"));
  EXPECT_THAT(report.steps(1).evidence(), Not(HasSubstr(secret)));
}

TEST_P(LocalExecChecksTest, LinksThatTheProgramLeftAreNotFollowed) {
  const Evidence evidence =
      Run(With({"symlink", "/etc"}, {Look(checks::FileExists{"out/passwd"}), Look(checks::NoSecrets{})}));
  EXPECT_THAT(Statuses(evidence), ElementsAre(proto::STEP_STATUS_FAILED, proto::STEP_STATUS_PASSED));
}

TEST_P(LocalExecChecksTest, ProgramsThatNoRuleAllowsAreRefusedBeforehand) {
  checks::Step foreign{.name = "id", .check = checks::CommandSucceeds{{"/bin/id"}}};
  EXPECT_THAT(backend_->Check(With({"say", "x"}, {foreign})), IsError("NOT_ALLOWED"));
  foreign.optional = true;
  const Evidence evidence = Run(With({"say", "x"}, {foreign}));
  EXPECT_THAT(Statuses(evidence), ElementsAre(proto::STEP_STATUS_ERROR));
}

TEST_P(LocalExecChecksTest, WhatAProgramOfACheckReachesBeyondTheFolderIsTold) {
  const Work work = With({"say", "x"}, {Program({"say", "y"})});
  EXPECT_EQ(backend_->ReachesBeyond(work), !GetParam());
  Work inside = work;
  inside.inside_only = true;
  if (GetParam()) {
    EXPECT_THAT(Statuses(Run(inside)), ElementsAre(proto::STEP_STATUS_PASSED));
  } else {
    EXPECT_THAT(backend_->Check(inside), IsError("REACHES_BEYOND"));
  }
}

TEST_P(LocalExecChecksTest, ManyAtOnceEndAll) {
  std::vector<std::unique_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 20; ++i) {
    sinks.push_back(std::make_unique<CollectingSink>());
    SY_ASSERT_OK(backend_
                     ->Start(With({"write", "f"},
                                  {Look(checks::FileExists{"f"}), Program({"read", "f"}), Look(checks::NoSecrets{})}),
                             *sinks.back())
                     .status());
  }
  for (const auto& sink : sinks) {
    EXPECT_THAT(Statuses(sink->Wait()), ::testing::Each(proto::STEP_STATUS_PASSED));
  }
}

}  // namespace
}  // namespace switchyard::executor
