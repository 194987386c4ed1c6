#include "services/executor/local_exec.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "services/executor/executor_fixture.h"
#include "services/executor/output_keeper.h"

namespace switchyard::executor {
namespace {

using ::testing::HasSubstr;
using testing::IsError;
using ::testing::Not;

class LocalExecTest : public ExecutorFixture {
 protected:
  // Most cases are about running, not about confinement: they work on machines without a sandbox too.
  void SetUp() override {
    ExecutorFixture::SetUp();
    Rebuild("  sandbox: optional\n  stdin: true\n  environment: [GREETING]\n");
    sandboxed_ = HasSandbox();
  }
  bool sandboxed_ = false;
};

TEST_F(LocalExecTest, TellsHowAProgramEnded) {
  Evidence evidence = Try({"say", "hello"});
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_EQ(evidence.reason, "");
  EXPECT_EQ(evidence.exit_code, 0);
  EXPECT_EQ(evidence.output, "hello\n");
  EXPECT_EQ(evidence.output_bytes, 6u);
  EXPECT_EQ(evidence.rule, "probe");
  EXPECT_GT(evidence.max_rss_bytes, 0u);
  EXPECT_LE(evidence.started, evidence.ended);
  EXPECT_EQ(evidence.limits.empty(), false);

  evidence = Try({"fail", "3"});
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "EXIT_STATUS");
  EXPECT_EQ(evidence.exit_code, 3);
  EXPECT_FALSE(evidence.executor_fault);

  evidence = Try({"crash"});
  EXPECT_EQ(evidence.reason, "SIGNAL");
  EXPECT_EQ(evidence.signal, SIGABRT);
  EXPECT_EQ(evidence.exit_code, 128 + SIGABRT);

  evidence = Try({"fail", "137"});
  EXPECT_EQ(evidence.reason, "EXIT_STATUS") << "an exit status that looks like a signal is none";
  EXPECT_EQ(evidence.signal, 0);
}

TEST_F(LocalExecTest, EndsAtTheTimeLimitOfTheTask) {
  Work work = Of({"polite"});
  work.limits.time = absl::Milliseconds(300);
  const Evidence evidence = Run(work);
  EXPECT_EQ(evidence.outcome, Outcome::kTimedOut);
  EXPECT_EQ(evidence.reason, "RUN_TIMEOUT");
  EXPECT_THAT(evidence.output, HasSubstr("bye")) << "it was asked first";
  EXPECT_FALSE(evidence.executor_fault);
}

TEST_F(LocalExecTest, KillsWhatDoesNotListen) {
  limits_.kill_grace = absl::Milliseconds(200);
  limits_.time = absl::Milliseconds(300);
  Rebuild("  sandbox: optional\n");
  const Evidence evidence = Try({"stubborn"});
  EXPECT_EQ(evidence.outcome, Outcome::kTimedOut);
  EXPECT_EQ(evidence.signal, SIGKILL);
}

TEST_F(LocalExecTest, ATaskCannotExtendItsTime) {
  limits_.time = absl::Milliseconds(200);
  Rebuild("  sandbox: optional\n");
  Work work = Of({"polite"});
  work.limits.time = absl::Hours(5);
  EXPECT_EQ(Run(work).reason, "RUN_TIMEOUT");
}

TEST_F(LocalExecTest, CancelEndsItAndAgainIsHarmless) {
  CollectingSink sink;
  SY_ASSERT_OK_AND_ASSIGN(const auto run, backend_->Start(Of({"polite"}), sink));
  ASSERT_TRUE(sink.WaitForText("polite ok"));
  run->Cancel();
  run->Cancel();
  const Evidence evidence = sink.Wait();
  run->Cancel();
  EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
  EXPECT_EQ(evidence.reason, "CANCELLED");
  EXPECT_THAT(evidence.output, HasSubstr("bye"));
}

TEST_F(LocalExecTest, WhatIgnoresACancelIsEndedAtOnceWhenThereIsNoTimeLeft) {
  limits_.kill_grace = absl::Hours(1);
  Rebuild();
  CollectingSink sink;
  SY_ASSERT_OK_AND_ASSIGN(const auto run, backend_->Start(Of({"stubborn"}), sink));
  ASSERT_TRUE(sink.WaitForText("stubborn"));
  run->Cancel();
  run->Kill();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
}

TEST_F(LocalExecTest, CancelRightAfterStartEndsItToo) {
  CollectingSink sink;
  SY_ASSERT_OK_AND_ASSIGN(const auto run, backend_->Start(Of({"stubborn"}), sink));
  run->Cancel();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
}

TEST_F(LocalExecTest, WhatTheRuleGrantsBeyondItsFolderIsToldAndRefusedToWorkThatMustStayInside) {
  Work work = Of({"sleep"});
  Rebuild();
  backend_->SelfTest();
  const bool sandboxed = backend_->Check(work).ok();
  EXPECT_FALSE(backend_->ReachesBeyond(work)) << "in the sandbox, or refused";
  Rebuild("  sandbox: optional\n  writable: [/srv]\n");
  EXPECT_TRUE(backend_->ReachesBeyond(work));
  SY_EXPECT_OK(backend_->Check(work));
  work.inside_only = true;
  EXPECT_THAT(backend_->Check(work), testing::IsError("REACHES_BEYOND"));
  CollectingSink sink;
  EXPECT_THAT(backend_->Start(work, sink), testing::IsError("REACHES_BEYOND"));
  work.inside_only = false;
  Rebuild("  sandbox: optional\n");
  backend_->SelfTest();
  EXPECT_EQ(backend_->ReachesBeyond(work), !sandboxed);
}

TEST_F(LocalExecTest, StoppingEndsAllThatRuns) {
  std::vector<std::unique_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 5; ++i) {
    sinks.push_back(std::make_unique<CollectingSink>());
    SY_ASSERT_OK(backend_->Start(Of({"stubborn"}), *sinks.back()).status());
  }
  runner_.Stop();
  for (const auto& sink : sinks) {
    const Evidence evidence = sink->Wait();
    EXPECT_EQ(evidence.reason, "EXECUTOR_STOPPED");
  }
  CollectingSink late;
  EXPECT_THAT(backend_->Start(Of({"say", "x"}), late), IsError("SHUTTING_DOWN"));
}

TEST_F(LocalExecTest, ManyRunAtOnce) {
  std::vector<std::unique_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 40; ++i) {
    sinks.push_back(std::make_unique<CollectingSink>());
    SY_ASSERT_OK(backend_->Start(Of({"say", std::to_string(i)}), *sinks.back()).status());
  }
  for (int i = 0; i < 40; ++i) {
    const Evidence evidence = sinks[i]->Wait();
    EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
    EXPECT_EQ(evidence.output, std::to_string(i) + "\n");
  }
  EXPECT_EQ(runner_.running(), 0u);
}

TEST_F(LocalExecTest, InputReachesTheProgram) {
  Work work = Of({"echo"});
  work.stdin_data = std::string(200 * 1024, 'a') + "end";
  const Evidence evidence = Run(work);
  EXPECT_EQ(evidence.output_bytes, work.stdin_data.size());
  EXPECT_THAT(evidence.output, HasSubstr("aaend"));
}

TEST_F(LocalExecTest, ATaskSetsOnlyWhatTheRuleNames) {
  Work work = Of({"environment"});
  work.environment = {{"GREETING", "good day"}};
  EXPECT_THAT(Run(work).output, HasSubstr("GREETING=good day\n"));
  for (const char* name : {"LD_PRELOAD", "PATH", "OTHER"}) {
    work.environment = {{name, "x"}};
    EXPECT_THAT(backend_->Check(work), IsError("NOT_ALLOWED")) << name;
  }
}

TEST_F(LocalExecTest, RunsInTheFolderThatWasAskedFor) {
  Work work = Of({"folder"});
  work.working_directory = "a/b";
  EXPECT_THAT(Run(work).output, HasSubstr("/a/b\n"));
  for (const char* path : {"..", "a/../../b", "/etc", "-x"}) {
    work.working_directory = path;
    EXPECT_THAT(backend_->Check(work), IsError("INVALID_WORK")) << path;
  }
}

TEST_F(LocalExecTest, SecretsAreHiddenInLogAndResult) {
  CollectingSink sink;
  const std::string secret = "ghp_" + std::string(36, 'A');
  SY_ASSERT_OK(backend_->Start(Of({"say", "token " + secret + " end"}), sink).status());
  EXPECT_EQ(sink.Wait().output, "token [redacted] end\n");
  EXPECT_EQ(sink.text(), "token [redacted] end\n");
}

TEST_F(LocalExecTest, AFloodIsBoundedAndCounted) {
  limits_.log_bytes = 256 * 1024;
  Rebuild("  sandbox: optional\n");
  CollectingSink sink;
  SY_ASSERT_OK(backend_->Start(Of({"spew", "20000000"}), sink).status());
  const Evidence evidence = sink.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
  EXPECT_GE(evidence.output_bytes, 20000000u);
  EXPECT_LE(sink.text().size(), 256u * 1024);
  EXPECT_EQ(sink.text().size() + evidence.dropped_bytes, evidence.output_bytes);
  EXPECT_LE(evidence.output.size(), 64u * 1024);
  std::uint64_t sequence = 0;
  std::uint64_t dropped = 0;
  for (const LogChunk& chunk : sink.chunks()) {
    EXPECT_EQ(chunk.sequence, sequence++);
    EXPECT_LE(chunk.text.size(), OutputKeeper::kChunkBytes);
    dropped += chunk.dropped_before;
  }
  EXPECT_EQ(dropped, evidence.dropped_bytes);
}

TEST_F(LocalExecTest, EndlessOutputEndsTheTask) {
  limits_.output_bytes = 1 << 20;
  Rebuild("  sandbox: optional\n");
  const Evidence evidence = Try({"spew", "1000000000000"});
  EXPECT_EQ(evidence.outcome, Outcome::kLimitExceeded);
  EXPECT_EQ(evidence.reason, "OUTPUT_LIMIT");
}

TEST_F(LocalExecTest, RefusesWhatNoRuleAllows) {
  Work work = Of({});
  for (const std::vector<std::string>& argv : {std::vector<std::string>{"/bin/sh", "-c", "id"},
                                               {"sh"},
                                               {"../probe"},
                                               {"./probe"},
                                               {""},
                                               {},
                                               {std::string("probe\0x", 7)},
                                               {"/etc/../" + probe_}}) {
    work.argv = argv;
    CollectingSink sink;
    ASSERT_FALSE(backend_->Start(work, sink).ok());
  }
  for (const char* id : {"", "..", "a/b", "a b", "../../etc"}) {
    work = Of({"say", "x"});
    work.task_id = id;
    EXPECT_THAT(backend_->Check(work), IsError("INVALID_WORK")) << id;
  }
}

TEST_F(LocalExecTest, NothingIsAShell) {
  // What would mean something to a shell means nothing here.
  EXPECT_EQ(Try({"say", "$(id); `id` | cat > x && $HOME *"}).output, "$(id); `id` | cat > x && $HOME *\n");
}

TEST_F(LocalExecTest, AProgramThatIsGoneOrAShellInDisguiseIsRefused) {
  const std::string link = folder_.File("tool");
  std::filesystem::create_symlink("/bin/sh", link);
  SY_ASSERT_OK_AND_ASSIGN(Allowlist list, ParseAllowlist("rules:\n- {name: tool, program: " + link +
                                                         "}\n- {name: gone, program: /nonexistent/gone}\n"));
  SY_ASSERT_OK(programs_->SetAllowlist(list));
  Work work = Of({});
  work.argv = {"tool"};
  EXPECT_THAT(backend_->Check(work), IsError("NOT_ALLOWED"));
  work.argv = {"gone"};
  EXPECT_THAT(backend_->Check(work), IsError("PROGRAM_MISSING"));
  bool told = false;
  for (const ProbeResult& result : backend_->SelfTest()) {
    told = told || (result.name == "local_exec" && !result.ok && result.detail.find("gone") != std::string::npos);
  }
  EXPECT_TRUE(told);
}

TEST_F(LocalExecTest, NoRuleShowsTheExecutorsData) {
  for (const std::string& path : {data_, folder_.path(), data_ + "/work"}) {
    for (const char* key : {"read_only", "writable"}) {
      SY_ASSERT_OK_AND_ASSIGN(Allowlist list, ParseAllowlist("rules:\n- {name: x, program: /usr/bin/true, " +
                                                             std::string(key) + ": ['" + path + "']}\n"));
      EXPECT_THAT(programs_->SetAllowlist(list), IsError("ALLOWLIST_UNSAFE")) << path;
    }
  }
  EXPECT_EQ(Try({"say", "x"}).outcome, Outcome::kSucceeded) << "the former list stays";
}

TEST_F(LocalExecTest, WithoutASandboxOnlyRulesThatSaySoRun) {
  host_->bubblewrap = "/nonexistent/bwrap";
  Rebuild();
  EXPECT_FALSE(HasSandbox());
  EXPECT_THAT(backend_->Check(Of({"say", "x"})), IsError("SANDBOX_UNAVAILABLE"));
  Rebuild("  sandbox: optional\n");
  EXPECT_FALSE(HasSandbox());
  const Evidence evidence = Try({"say", "x"});
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_EQ(evidence.sandbox, "none");
  EXPECT_THAT(Try({"uid"}).output, Not(HasSubstr("uid 0\n")));
}

TEST_F(LocalExecTest, WithoutASandboxDaemonsAreGoneTooAndNothingIsInherited) {
  host_->bubblewrap = "/nonexistent/bwrap";
  Rebuild("  sandbox: optional\n");
  EXPECT_FALSE(HasSandbox());
  const std::string mark = "plain-mark-" + std::to_string(getpid());
  EXPECT_EQ(Try({"daemon", mark}).outcome, Outcome::kSucceeded);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream line;
    line << file.rdbuf();
    EXPECT_THAT(line.str(), Not(HasSubstr(mark)));
  }
  EXPECT_THAT(Try({"folder"}).output, Not(HasSubstr("descriptor")));
  EXPECT_THAT(Try({"shim"}).output, Not(HasSubstr("ok")));
}

TEST_F(LocalExecTest, AFailureOfTheSandboxIsTheExecutorsFault) {
  if (!sandboxed_) GTEST_SKIP() << "no sandbox on this machine";
  host_->etc = "/nonexistent";
  Rebuild();
  const Evidence evidence = Try({"say", "x"});
  EXPECT_EQ(evidence.outcome, Outcome::kNotStarted);
  EXPECT_EQ(evidence.reason, "SANDBOX_UNAVAILABLE");
  EXPECT_TRUE(evidence.executor_fault);
  EXPECT_EQ(evidence.exit_code, -1);
  EXPECT_THAT(evidence.message, HasSubstr("/nonexistent"));
}

TEST_F(LocalExecTest, AProgramThatCannotBeExecutedSaysSo) {
  const std::string text = folder_.Write("no-program", "just text");
  chmod(text.c_str(), 0755);
  SY_ASSERT_OK_AND_ASSIGN(Allowlist list,
                          ParseAllowlist("rules:\n- {name: text, program: " + text + ", sandbox: optional}\n"));
  SY_ASSERT_OK(programs_->SetAllowlist(list));
  Work work = Of({});
  work.argv = {text};
  const Evidence evidence = Run(work);
  EXPECT_EQ(evidence.reason, "EXEC_FAILED");
  EXPECT_EQ(evidence.outcome, Outcome::kNotStarted);
  EXPECT_THAT(evidence.message, HasSubstr("format"));
}

TEST_F(LocalExecTest, TheSameTaskAgainFindsAnEmptyFolder) {
  Work work = Of({"hide"});
  EXPECT_THAT(Run(work).output, HasSubstr("hide ok"));
  EXPECT_THAT(Run(work).output, HasSubstr("hide ok"));
}

}  // namespace
}  // namespace switchyard::executor
