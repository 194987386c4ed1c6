#include "services/executor/loop/build_loop.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "services/executor/loop/loop_fixture.h"

namespace switchyard::executor::loop {
namespace {

using switchyard::testing::Hangs;
using switchyard::testing::IsError;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using verification::v1::CheckReport;

std::string Change(const std::string& from, const std::string& to) {
  return Block("src/a.txt", from + "\n", to + "\n");
}

class BuildLoopTest : public LoopFixture {};

// ---- How it ends.

TEST_F(BuildLoopTest, IsDoneOnceTheChecksPass) {
  Script({Says("Here it is.\n\n" + Change("three", "four"))});
  const Evidence evidence = Do(MakeWork());
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_EQ(evidence.task_id, "t1");
  EXPECT_EQ(evidence.generation, 3);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(report.loop_end(), "PASSED");
  ASSERT_EQ(report.steps_size(), 1);
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_PASSED);
  ASSERT_EQ(report.iterations_size(), 1);
  EXPECT_EQ(report.iterations(0).model(), "m:7b");
  EXPECT_EQ(report.iterations(0).endpoint(), "one");
  EXPECT_EQ(report.iterations(0).edit_format(), "search_replace");
  EXPECT_EQ(report.iterations(0).files_changed(), 1);
  EXPECT_EQ(report.iterations(0).failed_at(), "");
  EXPECT_TRUE(report.iterations(0).kept());
  EXPECT_EQ(report.change().branch(), "agent/t1");
  EXPECT_EQ(report.change().base_branch(), "main");
  EXPECT_NE(report.change().head_commit(), report.change().base_commit());
  EXPECT_THAT(report.change().paths(), ElementsAre("src/a.txt"));
  EXPECT_FALSE(report.change().pushed());
  EXPECT_THAT(evidence.output, HasSubstr("+four"));
  EXPECT_EQ(evidence.outputs.at("loop_end"), "PASSED");
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour\n");
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), "");
}

TEST_F(BuildLoopTest, FixesItInTheThirdIteration) {
  Work work = MakeWork();
  work.checks.push_back(LoopFixture::Contains("src/a.txt", "one"));
  Script({Says(Change("three", "tree")), Says(Block("src/a.txt", "one\n", "") + Change("tree", "five")),
          Says(Change("five", "four") + Block("src/a.txt", "two\n", "one\ntwo\n"))});
  const Evidence evidence = Do(work);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message << sink_->text();
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 3);
  EXPECT_EQ(report.iterations(0).failed_at(), "VERIFY");
  EXPECT_EQ(report.iterations(0).steps_failed(), 1);
  EXPECT_EQ(report.iterations(1).steps_failed(), 2);
  EXPECT_NE(report.iterations(0).fingerprint(), report.iterations(1).fingerprint());
  EXPECT_THAT(report.iterations(0).feedback(), HasSubstr("has four"));
  EXPECT_EQ(report.iterations(2).failed_at(), "");
  EXPECT_FALSE(report.iterations(0).kept());
  EXPECT_TRUE(report.iterations(2).kept());
  EXPECT_EQ(UsageOf(evidence).input_tokens(), 300);
  EXPECT_EQ(UsageOf(evidence).output_tokens(), 30);
  EXPECT_THAT(sink_->text(), AllOf(HasSubstr("[iteration 1 of 3: 1 of 2 checks failed: has four]"),
                                   HasSubstr("[iteration 2 of 3: 2 of 2 checks failed"),
                                   HasSubstr("[iteration 3 of 3: all 2 checks passed]")));
  EXPECT_THAT(sink_->steps(), SizeIs(6));
}

TEST_F(BuildLoopTest, KeepsTheBestStateWhenTheBudgetEnds) {
  Work work = MakeWork();
  work.checks = {LoopFixture::Contains("src/a.txt", "four"), LoopFixture::Contains("src/a.txt", "five"),
                 LoopFixture::Contains("README", "hello")};
  Script(
      {Says(Change("three", "nothing")), Says(Change("nothing", "four")), Says(Block("README", "hello\n", "bye\n"))});
  const Evidence evidence = Do(work);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason;
  EXPECT_EQ(report.loop_end(), "BUDGET_EXHAUSTED") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 3);
  EXPECT_TRUE(report.iterations(1).kept());
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_PASSED);
  EXPECT_EQ(report.steps(1).status(), verification::v1::STEP_STATUS_FAILED);
  EXPECT_EQ(report.steps(2).status(), verification::v1::STEP_STATUS_PASSED);
  EXPECT_EQ(InBranch("t1", "README"), "hello\n");
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour\n");
  EXPECT_THAT(evidence.state_summary, AllOf(HasSubstr("src/a.txt"), HasSubstr("has five"), HasSubstr("iteration 3")));
  EXPECT_THAT(evidence.summary, HasSubstr("1 of 3 checks failed"));
}

TEST_F(BuildLoopTest, EndsWhenTheSameFailureComesAgain) {
  Work work = MakeWork();
  work.max_iterations = 9;
  Script({Says(Change("three", "x")), Says(Change("x", "three")), Says(Change("three", "y"))});
  const Evidence evidence = Do(work);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(report.loop_end(), "REPEATED_FAILURE") << sink_->text();
  EXPECT_EQ(report.iterations_size(), 2);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
}

TEST_F(BuildLoopTest, EndsWhenTheModelChangesNothingTwice) {
  Script({Says("All is well as it is."), Says("Really, there is nothing to do.")});
  const CheckReport report = ReportOf(Do(MakeWork()));
  EXPECT_EQ(report.loop_end(), "NO_CHANGE") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 2);
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_FAILED);
  EXPECT_EQ(report.change().paths_size(), 0);
}

TEST_F(BuildLoopTest, SharesTheBudgetAmongRefusedEditsSyntaxAndChecks) {
  Script({Says(Change("thirteen", "four")), Says("data.json\n```\n{\"a\": \n```\n"), Says(Change("three", "tree"))});
  const CheckReport report = ReportOf(Do(MakeWork()));
  EXPECT_EQ(report.loop_end(), "BUDGET_EXHAUSTED") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 3);
  EXPECT_EQ(report.iterations(0).failed_at(), "APPLY");
  EXPECT_EQ(report.iterations(0).files_changed(), 0);
  EXPECT_EQ(report.iterations(1).failed_at(), "SYNTAX");
  EXPECT_EQ(report.iterations(2).failed_at(), "VERIFY");
  EXPECT_EQ(InBranch("t1", "data.json"), "");
}

TEST_F(BuildLoopTest, TellsTheModelWhatFailedAndWhatTheFilesSayNow) {
  Script({Says(Change("three", "tree")), Says(Change("tree", "four"))});
  Work work = MakeWork();
  work.prompt.edit_format = EditFormat::kSearchReplace;
  Do(work);
  const std::vector<http::HttpRequest> requests = http_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  const std::string& first = requests[0].body;
  EXPECT_THAT(first, AllOf(HasSubstr("Make src/a.txt say four."), HasSubstr("file src/a.txt"), HasSubstr("file README"),
                           HasSubstr("has four"), HasSubstr("SEARCH")));
  const std::string& second = requests[1].body;
  EXPECT_THAT(second, AllOf(HasSubstr("\"assistant\""), HasSubstr("Some checks failed"), HasSubstr("what failed"),
                            HasSubstr("one\\ntwo\\ntree")));
}

TEST_F(BuildLoopTest, CallsNoSecondTimeWhenTheTokensAreSpent) {
  Work work = MakeWork();
  work.prompt.max_tokens = 5'000;
  Script({Says(Change("three", "tree"), 4'900, 200), Says(Change("tree", "four"))});
  const CheckReport report = ReportOf(Do(work));
  EXPECT_EQ(report.loop_end(), "TOKEN_LIMIT") << sink_->text();
  EXPECT_THAT(http_.requests(), SizeIs(1));
}

TEST_F(BuildLoopTest, CallsNoSecondTimeWhenThePriceIsUnknownAndCostsAreLimited) {
  routing_.mutable_endpoint()->set_free(false);
  Work work = MakeWork();
  work.max_cost_micros = 1'000'000;
  Script({Says(Change("three", "tree")), Says(Change("tree", "four"))});
  const Evidence evidence = Do(work);
  EXPECT_EQ(ReportOf(evidence).loop_end(), "COST_LIMIT") << sink_->text();
  EXPECT_TRUE(ReportOf(evidence).iterations(0).cost_unknown());
  EXPECT_TRUE(UsageOf(evidence).cost_unknown());
  EXPECT_THAT(http_.requests(), SizeIs(1));
}

TEST_F(BuildLoopTest, FailsWorkWithoutChecksWhoseEditsCannotBeMade) {
  Work work = MakeWork();
  work.checks.clear();
  Script({Says(Change("thirteen", "four")), Says(Change("thirteen", "four"))});
  const Evidence evidence = Do(work);
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "REPEATED_FAILURE");
}

TEST_F(BuildLoopTest, IsDoneWithTheEditsWhereNoChecksAreAskedFor) {
  Work work = MakeWork();
  work.checks.clear();
  Script({Says(Change("three", "four"))});
  EXPECT_EQ(Do(work).outcome, Outcome::kSucceeded);
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour\n");
}

TEST_F(BuildLoopTest, WorksInAFolderOfItsOwnWithoutARepository) {
  Work work = MakeWork();
  work.repository = {};
  work.checks = {LoopFixture::Contains("hello.txt", "four"), LoopFixture::Contains("hello.txt", "five")};
  work.max_iterations = 2;
  Script({Says("hello.txt\n```\none four\n```\n"), Says(Block("hello.txt", "one four\n", "nothing\n"))});
  const Evidence evidence = Do(work);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(report.loop_end(), "BUDGET_EXHAUSTED") << sink_->text();
  EXPECT_TRUE(report.iterations(0).kept());
  EXPECT_FALSE(report.has_change());
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_PASSED);
}

TEST_F(BuildLoopTest, AsksAgainAfterAnAnswerThatWasCutOff) {
  // What is whole of it is not made either.
  FakeAnswer cut = Says(Change("two", "cut off") + "src/a.txt\n```\n<<<<<<< SEARCH\nthr");
  cut.chunks[0].replace(cut.chunks[0].find("\"stop\""), 6, "\"length\"");
  Script({cut, Says(Change("three", "four"))});
  const CheckReport report = ReportOf(Do(MakeWork()));
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 2);
  EXPECT_EQ(report.iterations(0).failed_at(), "GENERATE");
  EXPECT_EQ(report.iterations(0).files_changed(), 0);
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour\n");
}

TEST_F(BuildLoopTest, PassesOnWhatTheEndpointDoes) {
  Script({switchyard::testing::Answer(401, "{\"error\":\"no\"}")});
  const Evidence evidence = Do(MakeWork());
  EXPECT_NE(evidence.outcome, Outcome::kSucceeded);
  EXPECT_EQ(evidence.reason, "ENDPOINT_UNAUTHORIZED");
}

TEST_F(BuildLoopTest, LetsNoModelRewriteWhatItHasNotSeen) {
  std::string large;
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&large, "line ", i, "\n");
  PeopleWrite("large.txt", large);
  PeoplePush("large");
  Work work = MakeWork();
  work.max_iterations = 1;
  Script({Says("large.txt\n```\nall of it\n```\n")});
  const CheckReport report = ReportOf(Do(work));
  ASSERT_EQ(report.iterations_size(), 1);
  EXPECT_EQ(report.iterations(0).failed_at(), "APPLY");
  EXPECT_EQ(InBranch("t1", "large.txt"), large);
}

TEST_F(BuildLoopTest, LetsNoModelRewriteWhatItHasNotSeenByAnotherName) {
  std::string large;
  std::string other;
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&large, "line ", i, "\n");
  for (int i = 0; i < 6'000; ++i) absl::StrAppend(&other, "o", i, "\n");
  PeopleWrite("large.txt", large);
  PeoplePush("large");
  Work work = MakeWork();
  work.max_iterations = 1;
  Script({Says("RENAME FILE: large.txt -> moved.txt\n\nmoved.txt\n```\n" + other + "```\n")});
  const CheckReport report = ReportOf(Do(work));
  ASSERT_EQ(report.iterations_size(), 1);
  EXPECT_EQ(report.iterations(0).failed_at(), "APPLY");
  EXPECT_THAT(report.iterations(0).feedback(), HasSubstr("you have not seen all of them"));
  EXPECT_EQ(InBranch("t1", "large.txt"), large);
}

TEST_F(BuildLoopTest, RefusesChangesThatNoCommitWouldHold) {
  PeopleWrite(".gitignore", "*.log\n");
  PeoplePush("ignore");
  Work work = MakeWork();
  work.checks.push_back(LoopFixture::Contains("notes.log", "four"));
  Script({Says(Change("three", "four") + "notes.log\n```\nfour\n```\n"),
          // Ignored only by the same answer, and back to what the base has.
          Says(Change("three", "four") + "new.tmp\n```\nfour\n```\n" + Block(".gitignore", "*.log\n", "*.tmp\n")),
          Says(Change("three", "four"))});
  const CheckReport report = ReportOf(Do(work));
  ASSERT_EQ(report.iterations_size(), 3) << sink_->text();
  EXPECT_EQ(report.iterations(0).failed_at(), "APPLY");
  EXPECT_THAT(report.iterations(0).feedback(), AllOf(HasSubstr("notes.log"), HasSubstr(".gitignore")));
  EXPECT_EQ(report.iterations(1).failed_at(), "APPLY");
  EXPECT_THAT(report.iterations(1).feedback(), HasSubstr("new.tmp"));
  EXPECT_EQ(report.iterations(2).failed_at(), "VERIFY");
  EXPECT_THAT(report.change().paths(), ElementsAre("src/a.txt"));
  EXPECT_EQ(InBranch("t1", "notes.log"), "");
  EXPECT_EQ(InBranch("t1", ".gitignore"), "*.log\n");
}

TEST_F(BuildLoopTest, TakesAFileThatIsAgainAsTheBaseHasIt) {
  Work work = MakeWork();
  work.checks = {LoopFixture::Contains("src/a.txt", "three"), LoopFixture::Contains("README", "four")};
  Script({Says(Change("three", "tree")), Says(Change("tree", "three") + Block("README", "hello\n", "four\n"))});
  const CheckReport report = ReportOf(Do(work));
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  EXPECT_EQ(report.iterations_size(), 2);
}

TEST_F(BuildLoopTest, MakesNoCallThatTheRestOfTheMoneyDoesNotPayFor) {
  routing_.mutable_endpoint()->set_free(false);
  routing_.mutable_endpoint()->mutable_rates()->set_input(3'000'000);
  routing_.mutable_endpoint()->mutable_rates()->set_output(15'000'000);
  Work work = MakeWork();
  work.max_cost_micros = 50;
  const Evidence evidence = Do(work);
  EXPECT_THAT(http_.requests(), IsEmpty());
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "COST_LIMIT");
  EXPECT_EQ(ReportOf(evidence).loop_end(), "COST_LIMIT");
  EXPECT_EQ(ReportOf(evidence).iterations_size(), 0);
}

TEST_F(BuildLoopTest, CallsNothingThatTheMoneyEndsTooLargeForTheModel) {
  routing_.mutable_endpoint()->set_free(false);
  routing_.mutable_endpoint()->mutable_rates()->set_input(3'000'000);
  routing_.mutable_endpoint()->mutable_rates()->set_output(15'000'000);
  Work work = MakeWork();
  std::set<std::string> reasons;
  for (std::int64_t cost = 2'000; cost <= 9'500; cost += 500) {
    work.task_id = absl::StrCat("t", cost);
    work.max_cost_micros = cost;
    work.max_iterations = 1;
    reasons.insert(Do(work).reason);
  }
  EXPECT_THAT(reasons, ElementsAre("", "COST_LIMIT"));
}

TEST_F(BuildLoopTest, BoundsAnAnswerByTheRestOfTheMoney) {
  routing_.mutable_endpoint()->set_free(false);
  routing_.mutable_endpoint()->mutable_rates()->set_input(3'000'000);
  routing_.mutable_endpoint()->mutable_rates()->set_output(15'000'000);
  Work work = MakeWork();
  work.max_cost_micros = 30'000;
  Script({Says(Change("three", "tree"), 1'000, 1'700)});
  const CheckReport report = ReportOf(Do(work));
  // 28'500 are spent; 100 tokens out, and none in, would be left.
  EXPECT_EQ(report.loop_end(), "COST_LIMIT") << sink_->text();
  ASSERT_THAT(http_.requests(), SizeIs(1));
  const std::optional<models::Json> body = models::ParseJson(http_.requests()[0].body);
  ASSERT_TRUE(body.has_value());
  const int most = body->at("options").at("num_predict").get<int>();
  EXPECT_GT(most, 1'000);
  EXPECT_LT(most, 2'000);
  EXPECT_EQ(report.iterations_size(), 1);
  EXPECT_EQ(report.steps_size(), 1);
}

// ---- Another tier.

TEST_F(BuildLoopTest, MovesUpATierWhenTheSameFailureComesAgain) {
  routing_.add_fallbacks()->set_endpoint("two");
  Work work = MakeWork();
  Script({Says(Change("three", "x")), Says(Change("x", "y")), Says(Change("y", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForQuestion()) << sink_->text();
  EXPECT_EQ(sink_->questions()[0].reason, "VERIFICATION_FAILED");
  run_->OnRouteAnswer(
      {.routing = models::TestRouting("http://two:1", "two").SerializeAsString(), .refusal = "", .message = ""});
  const CheckReport report = ReportOf(sink_->Wait());
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  ASSERT_EQ(report.iterations_size(), 3);
  EXPECT_EQ(report.iterations(1).endpoint(), "one");
  EXPECT_EQ(report.iterations(2).endpoint(), "two");
}

TEST_F(BuildLoopTest, EndsWhenNoOtherTierIsGranted) {
  routing_.add_fallbacks()->set_endpoint("two");
  Script({Says(Change("three", "x")), Says(Change("x", "y"))});
  Begin(MakeWork());
  ASSERT_TRUE(sink_->WaitForQuestion());
  run_->OnRouteAnswer({.routing = "", .refusal = "CHAIN_EXHAUSTED", .message = ""});
  EXPECT_EQ(ReportOf(sink_->Wait()).loop_end(), "REPEATED_FAILURE");
}

TEST_F(BuildLoopTest, EndsWhenNobodyAnswersForAnotherTier) {
  routing_.add_fallbacks()->set_endpoint("two");
  Script({Says(Change("three", "x")), Says(Change("x", "y"))});
  Begin(MakeWork());
  ASSERT_TRUE(sink_->WaitForQuestion());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(ReportOf(sink_->Wait()).loop_end(), "REPEATED_FAILURE");
}

// ---- Cancelled, stopped, out of time, in each phase.

// Prepares nothing until it is told to stop.
class HeldWorktrees final : public repository::Worktrees {
 public:
  absl::Status Check(const std::string&, const RepositoryWork&) const override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<repository::Worktree>> Prepare(const std::string&, const RepositoryWork&,
                                                                const repository::Stop& stop) override {
    while (!stop) {
    }
    return absl::CancelledError("stopped");
  }
  void Sweep() override {}
  absl::Status Probe() override { return absl::OkStatus(); }
};

TEST_F(BuildLoopTest, CanBeCancelledWhileItPrepares) {
  HeldWorktrees held;
  Rebuild(&held);
  Begin(MakeWork());
  run_->Cancel();
  EXPECT_EQ(sink_->Wait().reason, "CANCELLED");
  loop_->Stop();
}

TEST_F(BuildLoopTest, EndsWithTheTimeWhateverBlocks) {
  HeldWorktrees held;
  Rebuild(&held);
  Begin(MakeWork());
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kWorkspace));
  clock_.Advance(settings_.time);
  loop_->Tick();
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kTimedOut);
  EXPECT_EQ(evidence.reason, "RUN_TIMEOUT");
  loop_->Stop();
}

TEST_F(BuildLoopTest, CanBeCancelledWhileTheModelAnswers) {
  Script({Hangs()});
  Begin(MakeWork());
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kLoading));
  run_->Cancel();
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kCancelled);
  EXPECT_EQ(evidence.reason, "CANCELLED");
}

TEST_F(BuildLoopTest, CanBeCancelledWhileItVerifies) {
  Work work = MakeWork();
  work.checks.push_back(HangingCheck());
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kVerifying));
  run_->Cancel();
  EXPECT_EQ(sink_->Wait().reason, "CANCELLED");
}

TEST_F(BuildLoopTest, CanBeKilledWhileItVerifies) {
  Work work = MakeWork();
  work.checks.push_back(HangingCheck());
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kVerifying));
  run_->Cancel();
  run_->Kill();
  EXPECT_EQ(sink_->Wait().outcome, Outcome::kCancelled);
}

TEST_F(BuildLoopTest, CanBeCancelledWhileItWaitsForAConfirmation) {
  Work work = MakeWork();
  work.repository.push = true;
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForConfirmation());
  run_->Cancel();
  EXPECT_EQ(sink_->Wait().reason, "CANCELLED");
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), "");
}

TEST_F(BuildLoopTest, SaysThatTheExecutorStopped) {
  Script({Hangs()});
  Begin(MakeWork());
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kLoading));
  loop_->Stop();
  EXPECT_EQ(sink_->Wait().reason, "EXECUTOR_STOPPED");
  EXPECT_EQ(loop_->running(), 0u);
  LoopSink another;
  EXPECT_THAT(loop_->Start(MakeWork("t2"), another), IsError("SHUTTING_DOWN"));
}

TEST_F(BuildLoopTest, EndsWithTheTimeWhenNothingWasReached) {
  Script({Hangs()});
  Work work = MakeWork();
  work.limits.time = absl::Minutes(10);
  Begin(work);
  ASSERT_TRUE(sink_->WaitForPhase(WorkPhase::kLoading));
  // A tenth is kept for what comes behind the loop.
  clock_.Advance(absl::Minutes(9) + absl::Seconds(30));
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kTimedOut);
  EXPECT_EQ(evidence.reason, "RUN_TIMEOUT");
  EXPECT_EQ(ReportOf(evidence).loop_end(), "TIME_LIMIT");
}

TEST_F(BuildLoopTest, KeepsWhatWasReachedWhenTheTimeEnds) {
  Work work = MakeWork();
  work.checks.push_back(LoopFixture::Contains("src/a.txt", "five"));
  Script({Says(Change("three", "four")), Hangs()});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForText("iteration 1 of 3: 1 of 2 checks failed"));
  // The clock is looked at once the second call hangs, or before it is made.
  clock_.Advance(settings_.time - absl::Seconds(30));
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason;
  EXPECT_EQ(ReportOf(evidence).loop_end(), "TIME_LIMIT");
  EXPECT_EQ(ReportOf(evidence).steps(0).status(), verification::v1::STEP_STATUS_PASSED);
}

// ---- Begun again.

TEST_F(BuildLoopTest, GoesOnWithWhatAnEarlierAttemptLeft) {
  Work work = MakeWork();
  work.checks.push_back(LoopFixture::Contains("src/a.txt", "five"));
  Script({Says(Change("three", "four")), Hangs()});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForText("iteration 1 of 3: 1 of 2 checks failed"));
  loop_->Stop();
  sink_->Wait();
  worktrees_ = nullptr;
  worktrees_ = Open();
  Rebuild();
  Script({Says(Change("four", "four five"))});
  work.generation = 4;
  const Evidence evidence = Do(work);
  const CheckReport report = ReportOf(evidence);
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  EXPECT_EQ(report.iterations_size(), 1);
  EXPECT_THAT(sink_->text(),
              AllOf(HasSubstr("goes on with branch agent/t1"), HasSubstr("what an earlier attempt left")));
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour five\n");
}

TEST_F(BuildLoopTest, DropsWhatAnEarlierAttemptLeftHalfDone) {
  PeopleWrite(".gitignore", "*.log\n");
  PeoplePush("ignore");
  Work work = MakeWork();
  Script({Says(Change("three", "four"))});
  EXPECT_EQ(Do(work).outcome, Outcome::kSucceeded);
  {
    const std::unique_ptr<repository::Worktree> worktree = RepositoryTest::Prepare(*worktrees_, "t1");
    ASSERT_NE(worktree, nullptr);
    Write(*worktree, "src/a.txt", "half of four");
    Write(*worktree, "left/by/tests", "x");
    Write(*worktree, "old.log", "x");
  }
  work.generation = 4;
  const Evidence evidence = Do(work);
  EXPECT_EQ(ReportOf(evidence).loop_end(), "PASSED") << sink_->text();
  EXPECT_EQ(ReportOf(evidence).iterations_size(), 0);
  EXPECT_THAT(ReportOf(evidence).change().paths(), ElementsAre("src/a.txt"));
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour\n");
  EXPECT_EQ(InBranch("t1", "left/by/tests"), "");
  EXPECT_EQ(InBranch("t1", "old.log"), "");
}

TEST_F(BuildLoopTest, AsksNoModelWhenTheEarlierAttemptHadPassed) {
  Work work = MakeWork();
  work.repository.push = true;
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForConfirmation());
  loop_->Stop();
  sink_->Wait();
  worktrees_ = nullptr;
  worktrees_ = Open();
  Rebuild();
  work.generation = 4;
  Begin(work);
  ASSERT_TRUE(sink_->WaitForConfirmation());
  run_->OnConfirmation(Confirmation::kCurrent);
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_EQ(ReportOf(evidence).loop_end(), "PASSED");
  EXPECT_EQ(ReportOf(evidence).iterations_size(), 0);
  EXPECT_TRUE(ReportOf(evidence).change().pushed());
  EXPECT_THAT(http_.requests(), SizeIs(1));
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), ReportOf(evidence).change().head_commit());
}

TEST_F(BuildLoopTest, AsksAModelAgainWhereMoreIsKnownThanTheChecksTell) {
  Work work = MakeWork();
  Script({Says(Change("three", "four"))});
  Do(work);
  work.generation = 4;
  work.state_summary = "A judge says: four is not enough.";
  Script({Says(Change("four", "four and five"))});
  const CheckReport report = ReportOf(Do(work));
  EXPECT_EQ(report.loop_end(), "PASSED") << sink_->text();
  EXPECT_EQ(report.iterations_size(), 1);
  EXPECT_THAT(http_.requests().back().body, HasSubstr("four is not enough"));
  EXPECT_EQ(InBranch("t1", "src/a.txt"), "one\ntwo\nfour and five\n");
}

// ---- Delivery.

TEST_F(BuildLoopTest, PushesWhatPassedOnceItIsConfirmed) {
  Work work = MakeWork();
  work.repository.push = true;
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForConfirmation());
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), "");
  run_->OnConfirmation(Confirmation::kCurrent);
  const Evidence evidence = sink_->Wait();
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_TRUE(ReportOf(evidence).change().pushed());
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), evidence.outputs.at("commit"));
}

TEST_F(BuildLoopTest, PushesNothingThatIsNoLongerItsOwn) {
  Work work = MakeWork();
  work.repository.push = true;
  Script({Says(Change("three", "four"))});
  Begin(work);
  ASSERT_TRUE(sink_->WaitForConfirmation());
  run_->OnConfirmation(Confirmation::kStale);
  EXPECT_NE(sink_->Wait().outcome, Outcome::kSucceeded);
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), "");
}

TEST_F(BuildLoopTest, PushesNothingWhereNothingChanged) {
  Work work = MakeWork();
  work.repository.push = true;
  work.checks.clear();
  Script({Says("There is nothing to do.")});
  const Evidence evidence = Do(work);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason;
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), "");
}

// ---- Whose work it is.

TEST_F(BuildLoopTest, TakesPromptsThatChangeFilesAndLeavesTheOthers) {
  Work work = MakeWork();
  EXPECT_TRUE(loop_->Takes(work));
  EXPECT_FALSE(models_->Takes(work));
  work.repository = {};
  EXPECT_TRUE(loop_->Takes(work));
  work.checks.clear();
  EXPECT_FALSE(loop_->Takes(work));
  EXPECT_TRUE(models_->Takes(work));
  work.prompt.edit_format = EditFormat::kWholeFile;
  EXPECT_TRUE(loop_->Takes(work));
  EXPECT_FALSE(models_->Takes(work));
  work.kind = WorkKind::kCommand;
  EXPECT_FALSE(loop_->Takes(work));
  EXPECT_FALSE(models_->Takes(work));
}

TEST_F(BuildLoopTest, RefusesWhatItCouldNotFinish) {
  Work work = MakeWork();
  EXPECT_THAT(loop_->Check(work), switchyard::testing::IsOk());
  work.repository.repository = "https://example.org/other";
  EXPECT_THAT(loop_->Check(work), IsError("REPOSITORY_NOT_ALLOWED"));
  work = MakeWork();
  work.repository.pull_request = true;
  EXPECT_THAT(loop_->Check(work), IsError("FORGE_NOT_CONFIGURED"));
  work = MakeWork();
  work.routing.clear();
  EXPECT_THAT(loop_->Check(work), IsError("UNROUTED"));
  work = MakeWork();
  EXPECT_FALSE(loop_->ReachesBeyond(work));
  work.repository.push = true;
  EXPECT_TRUE(loop_->ReachesBeyond(work));
}

TEST_F(BuildLoopTest, TestsGit) {
  const std::vector<ProbeResult> results = loop_->SelfTest();
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(results[0].name, "build_loop");
  EXPECT_TRUE(results[0].ok);
  EXPECT_EQ(results[1].name, "git");
  EXPECT_TRUE(results[1].ok) << results[1].detail;
}

}  // namespace
}  // namespace switchyard::executor::loop
