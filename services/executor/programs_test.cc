#include "services/executor/programs.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "services/executor/executor_fixture.h"

namespace switchyard::executor {
namespace {

using ::testing::HasSubstr;
using testing::IsError;

class Waiter final : public RunObserver {
 public:
  void OnStarted() override {}
  void OnLog(LogChunk) override {}
  void OnEnded(Evidence evidence) override {
    MutexLock lock(mutex_);
    evidence_ = std::move(evidence);
    done_ = true;
    changed_.NotifyAll();
  }
  Evidence Wait() {
    MutexLock lock(mutex_);
    while (!done_) changed_.Wait(mutex_);
    return evidence_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  Evidence evidence_ ABSL_GUARDED_BY(mutex_);
};

class ProgramsTest : public ExecutorFixture {
 protected:
  void SetUp() override {
    ExecutorFixture::SetUp();
    Rebuild("  sandbox: optional\n");
    HasSandbox();
    rule_.name = "own";
    rule_.program = probe_;
    rule_.sandbox_optional = true;
  }
  ProgramRequest Request(std::vector<std::string> argv) {
    ProgramRequest request{.task_id = "t1", .generation = 4, .argv = std::move(argv)};
    const absl::StatusOr<std::string> folder = programs_->MakeFolder("t1", 4, "");
    EXPECT_TRUE(folder.ok());
    if (folder.ok()) request.folder = *folder;
    return request;
  }

  Rule rule_;
};

TEST_F(ProgramsTest, ARuleOfOnesOwnNeedsNoPatternsAndSetsEveryVariable) {
  Waiter waiter;
  ProgramRequest request = Request({"anything", "environment"});
  request.environment = {{"AGENT_TOKEN_FILE", "/x"}};
  EXPECT_THAT(programs_->Check(request), IsError("NOT_ALLOWED"));
  SY_ASSERT_OK(programs_->CheckRule(rule_));
  SY_ASSERT_OK_AND_ASSIGN(const StartedProgram started, programs_->StartByRule(rule_, request, waiter));
  const Evidence evidence = waiter.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_THAT(evidence.output, HasSubstr("AGENT_TOKEN_FILE=/x\n"));
  EXPECT_EQ(evidence.task_id, "t1");
  EXPECT_EQ(evidence.generation, 4);
  EXPECT_EQ(evidence.rule, "own");
  EXPECT_EQ(evidence.sandbox, started.confinement.sandbox);
}

TEST_F(ProgramsTest, ARuleThatIsUnsafeOrWithoutProgramIsToldSo) {
  rule_.read_only = {data_};
  EXPECT_THAT(programs_->CheckRule(rule_), IsError("ALLOWLIST_UNSAFE"));
  rule_.read_only.clear();
  rule_.program = "/nonexistent/agent";
  EXPECT_THAT(programs_->CheckRule(rule_), IsError("PROGRAM_MISSING"));
  rule_.program = folder_.File("agent");
  std::filesystem::create_symlink("/bin/sh", rule_.program);
  EXPECT_THAT(programs_->CheckRule(rule_), IsError("NOT_ALLOWED"));
}

TEST_F(ProgramsTest, WhatMustStayInsideDoes) {
  Waiter waiter;
  ProgramRequest request = Request({"probe", "say", "x"});
  request.inside_only = true;
  rule_.writable = {"/srv"};
  EXPECT_THAT(programs_->StartByRule(rule_, request, waiter), IsError("REACHES_BEYOND"));
}

TEST_F(ProgramsTest, FoldersAreNamedByTasksOnlyAndNeverTwiceTheSame) {
  for (const char* id : {"", "..", "a/b", "a b"}) {
    EXPECT_THAT(programs_->MakeFolder(id, 1, ""), IsError("INVALID_WORK")) << id;
  }
  SY_ASSERT_OK_AND_ASSIGN(const std::string first, programs_->MakeFolder("t", 1, "a/b"));
  SY_ASSERT_OK_AND_ASSIGN(const std::string second, programs_->MakeFolder("t", 1, ""));
  EXPECT_NE(first, second);
  EXPECT_TRUE(std::filesystem::is_directory(first + "/a/b"));
}

TEST_F(ProgramsTest, TheTimeOfARequestEndsItsProgram) {
  Waiter waiter;
  ProgramRequest request = Request({"probe", "polite"});
  request.time = absl::Milliseconds(200);
  SY_ASSERT_OK(programs_->Start(request, waiter).status());
  EXPECT_EQ(waiter.Wait().reason, "RUN_TIMEOUT");
}

}  // namespace
}  // namespace switchyard::executor
