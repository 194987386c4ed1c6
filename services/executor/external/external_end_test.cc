// Agents that do not do what they should.
#include <dirent.h>

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "services/executor/external/external_fixture.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::executor::external {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Whether a process of this machine has the mark among its arguments.
bool IsAlive(const std::string& mark) {
  DIR* const proc = opendir("/proc");
  bool found = false;
  while (const dirent* entry = readdir(proc)) {
    std::ifstream file(std::string("/proc/") + entry->d_name + "/cmdline");
    std::stringstream text;
    text << file.rdbuf();
    found = found || text.str().find(mark) != std::string::npos;
  }
  closedir(proc);
  return found;
}

class ExternalEndTest : public ExternalFixture {};

TEST_F(ExternalEndTest, OneThatNeverWakesIsTheExecutorsFault) {
  const Evidence evidence = Try("[silent]", "  wake: {within: 300ms}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "WAKE_TIMEOUT");
  EXPECT_TRUE(evidence.executor_fault);
  EXPECT_FALSE(evidence.permanent);
}

TEST_F(ExternalEndTest, OneThatEndsBeforeItWakesToo) {
  const Evidence evidence = Try("[die]");
  EXPECT_EQ(evidence.reason, "WAKE_FAILED");
  EXPECT_TRUE(evidence.executor_fault);
  EXPECT_EQ(evidence.exit_code, 3);
}

TEST_F(ExternalEndTest, AReadinessFileOrLineIsWaitedFor) {
  EXPECT_EQ(Try("[ready]", "  wake: {within: 10s, file: ready}\n").outcome, Outcome::kSucceeded);
  EXPECT_EQ(Try("[hang]", "  wake: {within: 300ms, file: ready}\n").reason, "WAKE_TIMEOUT") << "output is not enough";
  EXPECT_EQ(Try("[hang]", "  wake: {within: 300ms, output: '^(ready)'}\n").reason, "WAKE_TIMEOUT");
}

TEST_F(ExternalEndTest, AProbeThatFailsOrHangsStopsItBeforeTheWork) {
  const Evidence failed = Try("[work]", "  wake: {probe: [exit, '7']}\n");
  EXPECT_EQ(failed.reason, "WAKE_FAILED");
  EXPECT_TRUE(failed.executor_fault);
  EXPECT_THAT(failed.message, HasSubstr("ended with 7"));
  const Evidence hung = Try("[work]", "  wake: {within: 300ms, probe: [silent]}\n");
  EXPECT_EQ(hung.reason, "WAKE_TIMEOUT");
  EXPECT_TRUE(hung.executor_fault);
  EXPECT_EQ(hung.usage, "");
}

TEST_F(ExternalEndTest, OneThatWakesAndHangsIsStalled) {
  const Evidence evidence = Try("[hang]", "  inactivity: 300ms\n");
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "AGENT_STALLED");
  EXPECT_FALSE(evidence.executor_fault);
  EXPECT_EQ(evidence.outputs.at("model_confirmed"), "yes");
}

TEST_F(ExternalEndTest, OneThatNamesAnotherModelIsEndedAtOnce) {
  const Evidence evidence = Try("[hang]", "  model: {name: 'claude-x', aliases: [claude-y]}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "MODEL_NOT_CONFIRMED");
  EXPECT_THAT(evidence.message, HasSubstr("works with m:7b and was to work with claude-x"));
  EXPECT_EQ(evidence.outputs.at("model_confirmed"), "no");
  task_queue::v1::Usage usage;
  ASSERT_TRUE(usage.ParseFromString(evidence.usage));
  EXPECT_TRUE(usage.model_mismatch());
}

TEST_F(ExternalEndTest, OneThatNamesNoneHasDoneNothing) {
  const Evidence late = Try("[unnamed]");
  EXPECT_EQ(late.reason, "MODEL_NOT_CONFIRMED");
  EXPECT_EQ(late.outputs.at("model_confirmed"), "not said");
  EXPECT_EQ(Try("[silent]",
                "  wake: {probe: [exit, '0']}\n"
                "  names_model: {from: output, pattern: 'model: (\\S+)', within: 300ms}\n")
                .reason,
            "MODEL_NOT_CONFIRMED");
  EXPECT_EQ(Try("[unnamed]", "  names_model: {from: file, file: out.json, json: /model}\n").reason,
            "MODEL_NOT_CONFIRMED");
}

TEST_F(ExternalEndTest, ExitStatusesAreJudgedAsConfigured) {
  const Evidence evidence = Try("[exit, '5']");
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "EXIT_STATUS");
  EXPECT_EQ(evidence.exit_code, 5);
  EXPECT_FALSE(evidence.executor_fault);
  EXPECT_EQ(Try("[exit, '5']", "  success_exit_codes: [0, 5]\n").outcome, Outcome::kSucceeded);
  EXPECT_EQ(Try("[exit, '0']", "  success_exit_codes: [5]\n").reason, "EXIT_STATUS");
}

TEST_F(ExternalEndTest, AFloodIsEnded) {
  const Evidence evidence = Try("[flood]", "  limits: {output: 4MiB, log: 128KiB}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kLimitExceeded);
  EXPECT_EQ(evidence.reason, "OUTPUT_LIMIT");
  EXPECT_LE(text_.size(), 256u * 1024);
  EXPECT_LE(evidence.output.size(), 64u * 1024);
}

TEST_F(ExternalEndTest, ItsScratchFolderIsBounded) {
  const Evidence evidence = Try("[fill]", "  limits: {disk: 1MiB}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kLimitExceeded);
  EXPECT_EQ(evidence.reason, "DISK_LIMIT");
}

TEST_F(ExternalEndTest, NothingThatItForkedOutlivesIt) {
  const std::string mark = "mark-" + std::to_string(getpid());
  EXPECT_EQ(Try("[forks, " + mark + "a]").outcome, Outcome::kSucceeded);
  EXPECT_FALSE(IsAlive(mark + "a"));
  Use(Entry("[forks, " + mark + "b, wait]"));
  CollectingSink sink;
  const auto run = external_->Start(Task(), sink);
  SY_ASSERT_OK(run.status());
  ASSERT_TRUE(sink.WaitForText("forked"));
  EXPECT_TRUE(IsAlive(mark + "b"));
  (*run)->Cancel();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
  EXPECT_FALSE(IsAlive(mark + "b"));
}

TEST_F(ExternalEndTest, ALinkInThePlaceOfItsResultIsNotFollowed) {
  const std::string secret = folder_.Write("secret.json", "{\"result\": \"not to be read\"}");
  const Evidence evidence = Try("[link, " + secret + "]", "  result: {file: out.json, summary: {json: /result}}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "RESULT_UNSAFE");
  EXPECT_THAT(evidence.summary, Not(HasSubstr("not to be read")));
}

TEST_F(ExternalEndTest, ACredentialThatItPrintsIsNowhereToBeSeen) {
  credentials_ = Policy({"env:ODDLY https://api.example"});
  const Evidence evidence = Try("[leak]",
                                "  environment: {SCRATCH: '{scratch}', AGENT_KEY: '{credential}'}\n"
                                "  model: {name: 'm:7b', url: 'https://api.example', credential: 'env:ODDLY'}\n"
                                "  result: {summary: {json: /result}}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  for (const std::string& text :
       {text_, evidence.output, evidence.summary, evidence.facts, evidence.state_summary, evidence.message}) {
    EXPECT_THAT(text, Not(HasSubstr("value-of-ODDLY")));
  }
  EXPECT_THAT(text_, HasSubstr("the key is [redacted]"));
}

TEST_F(ExternalEndTest, OneThatIgnoresATermIsKilledAfterTheGrace) {
  Use(Entry("[stubborn]", "  limits: {kill_grace: 200ms}\n"));
  CollectingSink sink;
  const auto run = external_->Start(Task(), sink);
  SY_ASSERT_OK(run.status());
  ASSERT_TRUE(sink.WaitForText("stubborn"));
  (*run)->Cancel();
  (*run)->Cancel();
  const Evidence evidence = sink.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
  EXPECT_EQ(evidence.reason, "CANCELLED");
  (*run)->Kill();
}

TEST_F(ExternalEndTest, AKillNeedsNoGrace) {
  Use(Entry("[stubborn]", "  limits: {kill_grace: 5m}\n"));
  CollectingSink sink;
  const auto run = external_->Start(Task(), sink);
  SY_ASSERT_OK(run.status());
  ASSERT_TRUE(sink.WaitForText("stubborn"));
  (*run)->Cancel();
  (*run)->Kill();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
}

TEST_F(ExternalEndTest, ItsTimeIsTheTasksWhenThatIsShorter) {
  Use(Entry("[hang]", "  limits: {time: 1h, kill_grace: 200ms}\n"));
  Work work = Task();
  work.limits.time = absl::Milliseconds(500);
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  EXPECT_EQ(evidence.outcome, Outcome::kTimedOut);
  EXPECT_EQ(evidence.reason, "RUN_TIMEOUT");
}

TEST_F(ExternalEndTest, StoppingEndsWhatRunsAndTakesNoMore) {
  Use(Entry("[stubborn]"));
  CollectingSink sink;
  SY_ASSERT_OK(external_->Start(Task(), sink).status());
  ASSERT_TRUE(sink.WaitForText("stubborn"));
  external_->Stop();
  const Evidence evidence = sink.Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
  EXPECT_EQ(evidence.reason, "EXECUTOR_STOPPED");
  EXPECT_EQ(external_->running(), 0u);
  CollectingSink late;
  EXPECT_THAT(external_->Start(Task(), late), testing::IsError("SHUTTING_DOWN"));
}

TEST_F(ExternalEndTest, CancelledBeforeItBeganItRunsNothing) {
  Use(Entry("[hang]"));
  CollectingSink sink;
  const auto run = external_->Start(Task(), sink);
  SY_ASSERT_OK(run.status());
  (*run)->Cancel();
  EXPECT_EQ(sink.Wait().outcome, Outcome::kCancelled);
}

}  // namespace
}  // namespace switchyard::executor::external
