// Whole commands against services in memory, over a real socket.
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/help.h"
#include "tools/yard/output.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_services.h"
#include "tools/yard/tree.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class YardTest : public CommandTest {
 protected:
  YardTest() {
    server_.Register(queue_, tq::TaskQueueService::service_full_name());
    server_.Register(identity_, identity::v1::IdentityService::service_full_name());
    server_.Register(process_, admin::v1::ProcessService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_IDENTITY_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
  }
  ~YardTest() override { server_.Stop(); }

  FakeTaskQueue queue_{server_.gate()};
  FakeIdentity identity_{server_.gate()};
  FakeProcess process_{server_.gate()};
};

TEST_F(YardTest, SubmitPrintsTheIdAndSendsATimeOrderedRequestId) {
  const Result result = Run({"task", "submit", "--lane", "high", "--", "make", "test"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "task-1\n");
  ASSERT_EQ(queue_.submissions().size(), 1u);
  const std::string request_id = queue_.submissions()[0].request_id();
  ASSERT_EQ(request_id.size(), 36u);
  EXPECT_EQ(request_id[14], '7');
  EXPECT_EQ(queue_.submissions()[0].spec().lane(), tq::LANE_HIGH);
}

TEST_F(YardTest, SubmitReadsPromptsFromFilesAndStandardInput) {
  EXPECT_EQ(Run({"task", "submit", "--prompt", "@" + dir_.Write("p.md", "from file")}).code, 0);
  EXPECT_EQ(Run({"task", "submit", "--prompt", "-"}, "from input").code, 0);
  EXPECT_EQ(queue_.submissions()[0].spec().prompt().instruction(), "from file");
  EXPECT_EQ(queue_.submissions()[1].spec().prompt().instruction(), "from input");
  EXPECT_EQ(Run({"task", "submit", "--prompt", "@" + dir_.File("none")}).code, 3);
}

TEST_F(YardTest, SubmitSendsAFileOfSeveralDocumentsAsABatch) {
  const std::string file = dir_.Write("t.yaml", "command: {argv: [a]}\n---\ncommand: {argv: [b]}\nlane: low\n");
  const Result result = Run({"task", "submit", "-f", file, "-p", "web", "-o", "name"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "task-1\ntask-2\n");
  EXPECT_EQ(queue_.submissions()[1].spec().project(), "web");
  EXPECT_NE(queue_.submissions()[0].request_id(), queue_.submissions()[1].request_id());
}

TEST_F(YardTest, TheSameIdempotencyKeyIsStoredOnce) {
  Run({"task", "submit", "--idempotency-key", "k", "--", "true"});
  const Result again = Run({"task", "submit", "--idempotency-key", "k", "-o", "json", "--", "true"});
  EXPECT_EQ(queue_.submissions().size(), 1u);
  EXPECT_EQ(Json::parse(again.out)["replayed"], true);
}

TEST_F(YardTest, DryRunPrintsARequestThatCanBeSubmitted) {
  const Result shown = Run({"task", "submit", "--dry-run", "--run-limit", "5m", "--", "make"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(queue_.submissions(), IsEmpty());
  EXPECT_EQ(Run({"task", "submit", "-f", "-"}, shown.out).code, 0);
  EXPECT_EQ(queue_.submissions()[0].spec().time_limits().run().seconds(), 300);
}

TEST_F(YardTest, FieldViolationsComeOnePerLineWithCodeTwo) {
  const Result result = Run({"task", "submit", "--", "invalid"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("  spec.command.argv: not this\n"), HasSubstr("  spec.title: nor that\\x1b[31m\n")));
  EXPECT_THAT(result.out, IsEmpty());
}

TEST_F(YardTest, WaitEndsWithTheTask) {
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  const Result good = Run({"task", "submit", "--wait", "--", "true"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.err, HasSubstr("task-1 is succeeded"));
  queue_.SetFate(tq::TASK_STATE_DEAD_LETTER);
  const Result bad = Run({"task", "submit", "--wait", "-o", "json", "--", "false"});
  EXPECT_EQ(bad.code, 10);
  EXPECT_EQ(Json::parse(bad.out)["state"], "TASK_STATE_DEAD_LETTER");
  EXPECT_EQ(Json::parse(bad.err)["error"]["code"], "task.failed");
  EXPECT_EQ(Json::parse(bad.err)["error"]["next"], "yard task show task-2");
}

TEST_F(YardTest, WaitForAcceptanceEndsWhenTheTaskRuns) {
  queue_.SetFate(tq::TASK_STATE_RUNNING);
  EXPECT_EQ(Run({"task", "submit", "--wait=accepted", "--", "true"}).code, 0);
}

TEST_F(YardTest, WaitTimesOutWithCodeNine) {
  const Result result = Run({"task", "submit", "--wait", "--timeout", "300ms", "--", "sleep"});
  EXPECT_EQ(result.code, 9);
  EXPECT_EQ(result.out, "task-1\n");
  EXPECT_THAT(result.err, HasSubstr("task-1 is queued"));
}

TEST_F(YardTest, WaitWorksWithoutAWatch) {
  queue_.ForbidWatch();
  queue_.Add("a", tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Run({"task", "wait", "a"}).code, 0);
  queue_.Add("b", tq::TASK_STATE_CANCELLED);
  EXPECT_EQ(Run({"task", "wait", "a", "b"}).code, 10);
  EXPECT_EQ(Run({"task", "wait", "none"}).code, 3);
}

TEST_F(YardTest, FollowPrintsEveryEventOnceAcrossDrops) {
  queue_.DropNextWatches(2);
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  const Result result = Run({"task", "submit", "--follow", "-o", "jsonl", "--", "true"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(queue_.watches(), 3);
  std::istringstream lines(result.out);
  std::string line;
  int ordinal = 0;
  while (std::getline(lines, line)) EXPECT_EQ(Json::parse(line)["ordinal"], ++ordinal);
  EXPECT_EQ(ordinal, 4);
}

TEST_F(YardTest, EventsOfAllTasksStreamUntilTheTimeout) {
  queue_.Add("a", tq::TASK_STATE_QUEUED);
  const Result result = Run({"task", "events", "--follow", "--timeout", "200ms"});
  EXPECT_EQ(result.code, 9);
  EXPECT_EQ(Run({"task", "events"}).code, 2);
}

TEST_F(YardTest, EventsShowTheTimeline) {
  queue_.Add("a", tq::TASK_STATE_DEAD_LETTER);
  const Result result = Run({"task", "events", "a", "-o", "table"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("submitted"), HasSubstr("finished dead-letter cause EXIT_STATUS")));
}

TEST_F(YardTest, ListFollowsPagesUpToTheLimitAndFilters) {
  for (const char* id : {"a", "b", "c", "d", "e"}) queue_.Add(id, tq::TASK_STATE_QUEUED);
  queue_.Add("f", tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Run({"task", "list", "-o", "name"}).out, "a\nb\nc\nd\ne\nf\n");
  EXPECT_EQ(Run({"task", "list", "-o", "name", "--limit", "3"}).out, "a\nb\nc\n");
  EXPECT_EQ(Run({"task", "list", "-o", "name", "--state", "succeeded"}).out, "f\n");
  EXPECT_EQ(Json::parse(Run({"task", "list", "-o", "json"}).out)["tasks"].size(), 6u);
}

TEST_F(YardTest, APipeGetsTabsAndNoHeadingATerminalGetsATable) {
  queue_.Add("a", tq::TASK_STATE_QUEUED, "evil\x1b[2J\ttitle");
  const Result pipe = Run({"task", "list"});
  EXPECT_THAT(pipe.out, StartsWith("a\tqueued\tnormal\tdefault\t2030-01-01T00:00:00.000Z\tevil\\x1b[2J\\ttitle\n"));
  terminal_ = true;
  variables_["NO_COLOR"] = "1";
  const Result terminal = Run({"task", "list"});
  EXPECT_THAT(terminal.out, AllOf(StartsWith("ID"), Not(HasSubstr("\x1b"))));
  variables_.erase("NO_COLOR");
  EXPECT_THAT(Run({"task", "list"}).out, HasSubstr("\x1b["));
  EXPECT_THAT(Run({"task", "list", "--color", "never"}).out, Not(HasSubstr("\x1b")));
}

TEST_F(YardTest, WatchListsAgainUntilInterrupted) {
  queue_.Add("a", tq::TASK_STATE_QUEUED);
  pauses_ = 2;
  EXPECT_EQ(Run({"task", "list", "--watch", "-o", "name"}).out, "a\na\n");
}

TEST_F(YardTest, ShowIsACardOrTheWholeTask) {
  queue_.Add("a", tq::TASK_STATE_DEAD_LETTER, "Fix it");
  EXPECT_THAT(Run({"task", "show", "a"}).out,
              AllOf(HasSubstr("Fix it"), HasSubstr("dead-letter"), HasSubstr("EXIT_STATUS")));
  EXPECT_THAT(Run({"task", "show", "a", "-o", "yaml"}).out, HasSubstr("state: TASK_STATE_DEAD_LETTER"));
  const Result missing = Run({"task", "show", "none", "-o", "json"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_EQ(Json::parse(missing.err)["error"]["code"], "task.not_found");
}

TEST_F(YardTest, CancelByIdTellsWhatWasRefused) {
  queue_.Add("a", tq::TASK_STATE_QUEUED);
  EXPECT_EQ(Run({"task", "cancel", "a"}).code, 0);
  EXPECT_EQ(queue_.task("a").state(), tq::TASK_STATE_CANCELLED);
  const Result mixed = Run({"task", "cancel", "a", "none"});
  EXPECT_EQ(mixed.code, 3);
  EXPECT_THAT(mixed.out, AllOf(HasSubstr("a\tcancelled\n"), HasSubstr("none\tTASK_NOT_FOUND")));
}

TEST_F(YardTest, AFilterShowsTheCountAndAsks) {
  queue_.Add("a", tq::TASK_STATE_QUEUED);
  queue_.Add("b", tq::TASK_STATE_QUEUED);
  queue_.Add("c", tq::TASK_STATE_SUCCEEDED);
  const Result dry = Run({"task", "cancel", "-p", "default", "--dry-run"});
  EXPECT_EQ(dry.out, "would cancel 2 tasks\n");
  const Result refused = Run({"task", "cancel", "-p", "default"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  terminal_ = true;
  const Result declined = Run({"task", "cancel", "-p", "default"}, "n\n");
  EXPECT_EQ(declined.code, 1);
  EXPECT_THAT(declined.err, HasSubstr("cancel 2 tasks? [y/N]"));
  EXPECT_EQ(queue_.task("a").state(), tq::TASK_STATE_QUEUED);
  EXPECT_EQ(Run({"task", "cancel", "-p", "default"}, "y\n").code, 0);
  EXPECT_EQ(queue_.task("b").state(), tq::TASK_STATE_CANCELLED);
  EXPECT_EQ(queue_.task("c").state(), tq::TASK_STATE_SUCCEEDED);
}

TEST_F(YardTest, AChangedCountIsAConflict) {
  queue_.Add("a", tq::TASK_STATE_DEAD_LETTER);
  queue_.ChangeCounts();
  EXPECT_EQ(Run({"task", "retry", "--state", "dead-letter", "--yes"}).code, 5);
  EXPECT_EQ(Run({"dead-letter", "discard", "--project", "default", "--yes"}).code, 5);
  EXPECT_EQ(queue_.task("a").state(), tq::TASK_STATE_DEAD_LETTER);
}

TEST_F(YardTest, BulkVerbsWantIdsOrAFilter) {
  EXPECT_EQ(Run({"task", "cancel"}).code, 2);
  EXPECT_EQ(Run({"task", "retry", "a", "-p", "x"}).code, 2);
}

TEST_F(YardTest, DeadLettersAreListedRetriedAndDiscarded) {
  queue_.Add("a", tq::TASK_STATE_DEAD_LETTER);
  queue_.Add("b", tq::TASK_STATE_DEAD_LETTER);
  queue_.Add("c", tq::TASK_STATE_QUEUED);
  EXPECT_EQ(Run({"dead-letter", "list", "-o", "name"}).out, "a\nb\n");
  EXPECT_EQ(Run({"dead-letter", "retry", "a"}).code, 0);
  EXPECT_EQ(queue_.task("a").state(), tq::TASK_STATE_QUEUED);
  EXPECT_EQ(Run({"dead-letter", "discard", "--project", "default", "--yes", "--reason", "old"}).code, 0);
  EXPECT_EQ(queue_.task("b").state(), tq::TASK_STATE_DISCARDED);
  EXPECT_EQ(queue_.task("c").state(), tq::TASK_STATE_QUEUED);
}

TEST_F(YardTest, QueuesArePausedShownAndResumed) {
  EXPECT_EQ(Run({"queue", "pause", "low", "--reason", "night"}).code, 0);
  EXPECT_THAT(queue_.paused(), HasSubstr("LANE_LOW"));
  EXPECT_THAT(Run({"queue", "list", "-o", "table"}).out,
              AllOf(HasSubstr("urgent"), HasSubstr("paused: lane low, night\\x1b[0m")));
  EXPECT_THAT(Run({"queue", "show", "low", "-o", "table"}).out, HasSubstr("low"));
  EXPECT_EQ(Run({"queue", "resume", "--project", "web"}).out, "project web is offered again\n");
  EXPECT_EQ(Run({"queue", "resume", "low"}).out, "lane low was not paused\n");
  EXPECT_EQ(Run({"queue", "pause"}).code, 2);
  EXPECT_EQ(Run({"queue", "pause", "low", "--project", "x"}).code, 2);
}

TEST_F(YardTest, AuthenticationFailuresAreCodeFourWithAdvice) {
  variables_["YARD_TOKEN"] = "wrong";
  EXPECT_EQ(Run({"task", "list"}).code, 4);
  variables_["YARD_TOKEN"] = "read-token";
  const Result scope = Run({"task", "submit", "-o", "json", "--", "true"});
  EXPECT_EQ(scope.code, 4);
  EXPECT_EQ(Json::parse(scope.err)["error"]["code"], "scope.missing");
  variables_.erase("YARD_TOKEN");
  const Result missing = Run({"task", "list"});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err, HasSubstr("--token-file"));
}

TEST_F(YardTest, TokensComeFromPrivateFilesOrStandardInput) {
  variables_.erase("YARD_TOKEN");
  const std::string file = dir_.Write("t", "admin-token\n");
  chmod(file.c_str(), 0644);
  EXPECT_EQ(Run({"task", "list", "--token-file", file}).code, 4);
  chmod(file.c_str(), 0600);
  EXPECT_EQ(Run({"task", "list", "--token-file", file}).code, 0);
  EXPECT_EQ(Run({"task", "list", "--token-stdin"}, "admin-token\n").code, 0);
  EXPECT_EQ(Run({"task", "list", "--token-stdin"}).code, 2);
}

TEST_F(YardTest, AnUnreachableServerIsCodeEleven) {
  variables_["YARD_ADDRESS"] = "unix:" + dir_.File("nobody.sock");
  const Result result = Run({"task", "list", "-o", "json"});
  EXPECT_EQ(result.code, 11);
  const Json error = Json::parse(result.err)["error"];
  EXPECT_EQ(error["code"], "server.unreachable");
  EXPECT_EQ(error["retryable"], true);
  EXPECT_THAT(std::string(error["message"]), HasSubstr("nobody.sock does not answer"));
  EXPECT_EQ(Run({"task", "wait", "a"}).code, 11);
  EXPECT_EQ(Run({"admin", "status"}).code, 11);
  EXPECT_EQ(Run({"admin", "doctor"}).code, 11);
  EXPECT_EQ(Run({"task", "events", "--follow"}).code, 11);
}

TEST_F(YardTest, TokensAreIssuedListedAndRevoked) {
  const Result issued = Run({"token", "issue", "ci", "--scope", "submit"});
  EXPECT_EQ(issued.code, 0) << issued.err;
  EXPECT_EQ(issued.out, "sy_text\n");
  const std::string file = dir_.File("ci.token");
  const Result written = Run({"token", "issue", "ci2", "--write-to", file, "-o", "json"});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, Not(HasSubstr("sy_text")));
  struct stat facts = {};
  ASSERT_EQ(stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(Run({"token", "issue", "ci3", "--write-to", file}).code, 1);
  EXPECT_EQ(Run({"token", "list", "-o", "name"}).out, "token-1\ntoken-2\n");
  const Result rotated = Run({"token", "rotate", "token-2", "--grace", "1h"});
  EXPECT_EQ(rotated.code, 0) << rotated.err;
  EXPECT_EQ(rotated.out, "sy_rotated\n");
  EXPECT_THAT(rotated.err, HasSubstr("the old one ends at"));
  EXPECT_EQ(Run({"token", "rotate", "none"}).code, 3);
  EXPECT_EQ(Run({"token", "revoke", "token-1"}).code, 0);
  EXPECT_EQ(Run({"token", "list", "-o", "name"}).out, "token-2\n");
  EXPECT_EQ(Run({"token", "revoke", "none"}).code, 3);
}

TEST_F(YardTest, StatusAndDoctorAreContentWithAHealthyInstallation) {
  const Result status = Run({"admin", "status", "-o", "json"});
  EXPECT_EQ(status.code, 0) << status.err;
  EXPECT_EQ(Json::parse(status.out)["services"][0]["status"], "ready");
  const Result doctor = Run({"admin", "doctor", "-o", "json"});
  EXPECT_EQ(doctor.code, 0) << doctor.err;
  EXPECT_EQ(Json::parse(doctor.out)["ok"], true);
  variables_.erase("YARD_TOKEN");
  EXPECT_EQ(Run({"admin", "doctor"}).code, 4);
}

TEST_F(YardTest, StatusShowsTheVersionOfEachService) {
  const Json first = Json::parse(Run({"admin", "status", "-o", "json"}).out)["services"][0];
  EXPECT_EQ(first["process"]["version"], "9.9.9");
  EXPECT_EQ(first["process"]["program"], "switchyard run");
  EXPECT_THAT(Run({"admin", "status", "-o", "wide"}).out,
              AllOf(HasSubstr("VERSION"), HasSubstr("9.9.9"), HasSubstr("switchyard.admin.v1.ProcessService")));
  EXPECT_THAT(Run({"admin", "doctor", "-o", "table"}).out, HasSubstr("switchyard run 9.9.9, but yard is"));
}

TEST_F(YardTest, ContextsAreAddedUsedShownAndTested) {
  const std::string address = server_.server().address();
  variables_.erase("YARD_ADDRESS");
  EXPECT_EQ(Run({"context", "add", "one", "--address", address, "--token-file", "one.token"}).code, 0);
  EXPECT_EQ(Run({"context", "add", "two", "--address", "127.0.0.1:1"}).code, 0);
  EXPECT_EQ(Run({"context", "list", "-o", "name"}).out, "one\ntwo\n");
  EXPECT_THAT(Run({"context", "show"}).out, HasSubstr("address\t" + address + "\tcontext one"));
  EXPECT_THAT(Run({"context", "test", "-o", "json"}).out, HasSubstr("\"ok\": true"));
  EXPECT_EQ(Run({"context", "test", "two"}).code, 11);
  EXPECT_EQ(Run({"context", "use", "two"}).code, 0);
  EXPECT_THAT(Run({"context", "list"}).out, HasSubstr("*\ttwo"));
  EXPECT_EQ(Run({"context", "use", "three"}).code, 3);
  EXPECT_EQ(Run({"context", "add", "bare"}).code, 2);
}

TEST_F(YardTest, UsageErrorsAreCodeTwoAndSpeakTheFormatAskedFor) {
  EXPECT_EQ(Run({"task"}).code, 2);
  EXPECT_EQ(Run({}).code, 0);
  const Result text = Run({"task", "lits"});
  EXPECT_EQ(text.code, 2);
  EXPECT_THAT(text.err, HasSubstr("did you mean 'yard task list'?"));
  const Result json = Run({"task", "list", "-o", "json", "--nonsense"});
  EXPECT_EQ(Json::parse(json.err)["error"]["code"], "usage.unknown_flag");
  variables_["YARD_OUTPUT"] = "xml";
  EXPECT_EQ(Run({"task", "list"}).code, 2);
}

TEST_F(YardTest, HelpVersionAndCompletionNeedNoServer) {
  variables_["YARD_ADDRESS"] = "unix:" + dir_.File("nobody.sock");
  EXPECT_THAT(Run({"task", "submit", "--help"}).out,
              AllOf(HasSubstr("Usage: yard task submit"), HasSubstr("Examples:")));
  EXPECT_THAT(Run({"help", "queue"}).out, HasSubstr("pause"));
  EXPECT_EQ(Run({"help", "tsk"}).code, 2);
  EXPECT_GT(Json::parse(Run({"help", "--json"}).out)["commands"].size(), 20u);
  EXPECT_THAT(Run({"version"}).out, StartsWith("yard "));
  EXPECT_THAT(Run({"completion", "bash"}).out, HasSubstr("complete "));
  EXPECT_EQ(Run({"__complete", "--", "task", "show", ""}).code, 0);
}

TEST_F(YardTest, CompletionOffersIdsOfTheServer) {
  queue_.Add("a", tq::TASK_STATE_QUEUED);
  EXPECT_EQ(Run({"__complete", "--", "task", "show", ""}).out, "a\n");
}

TEST(ReferenceTest, DocsAreWhatTheProgramPrints) {
  std::ifstream file("docs/cli.md");
  const std::string committed(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(committed, TreeAsMarkdown(YardTree())) << "write it anew: yard help --markdown > docs/cli.md";
}

}  // namespace
}  // namespace switchyard::yard
