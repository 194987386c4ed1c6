#include "services/executor/loop/loop_report.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Evidence Call(const std::string& model, std::int64_t input, std::int64_t cost, bool unknown = false,
              int observations = 1) {
  task_queue::v1::Usage usage;
  usage.set_model(model);
  usage.set_input_tokens(input);
  usage.set_output_tokens(1);
  usage.set_cost_micros(cost);
  usage.set_cost_unknown(unknown);
  usage.mutable_generation_time()->set_seconds(2);
  router::v1::RouteReport report;
  for (int i = 0; i < observations; ++i) report.add_observations()->set_endpoint(absl::StrCat(model, i));
  Evidence evidence;
  evidence.usage = usage.SerializeAsString();
  evidence.route_report = report.SerializeAsString();
  return evidence;
}

TEST(SpendingTest, SumsWhatAllCallsUsed) {
  Spending spending;
  EXPECT_EQ(spending.usage(), "");
  EXPECT_EQ(spending.route_report(), "");
  EXPECT_EQ(spending.Add(Call("a", 100, 5)).input_tokens, 100);
  EXPECT_EQ(spending.Add(Call("b", 50, 7)).cost_micros, 7);
  task_queue::v1::Usage usage;
  ASSERT_TRUE(usage.ParseFromString(spending.usage()));
  EXPECT_EQ(usage.model(), "b");
  EXPECT_EQ(usage.input_tokens(), 150);
  EXPECT_EQ(usage.output_tokens(), 2);
  EXPECT_EQ(usage.cost_micros(), 12);
  EXPECT_EQ(usage.generation_time().seconds(), 4);
  EXPECT_FALSE(usage.cost_unknown());
  router::v1::RouteReport report;
  ASSERT_TRUE(report.ParseFromString(spending.route_report()));
  EXPECT_EQ(report.observations_size(), 2);
  EXPECT_EQ(report.usage().input_tokens(), 150);
}

TEST(SpendingTest, AnUnknownPriceStaysUnknown) {
  Spending spending;
  EXPECT_TRUE(spending.Add(Call("a", 1, 0, true)).cost_unknown);
  EXPECT_FALSE(spending.Add(Call("a", 1, 5)).cost_unknown);
  task_queue::v1::Usage usage;
  ASSERT_TRUE(usage.ParseFromString(spending.usage()));
  EXPECT_TRUE(usage.cost_unknown());
}

TEST(SpendingTest, KeepsTheLastObservations) {
  Spending spending;
  spending.Add(Call("a", 1, 0, false, 12));
  spending.Add(Call("b", 1, 0, false, 12));
  router::v1::RouteReport report;
  ASSERT_TRUE(report.ParseFromString(spending.route_report()));
  ASSERT_EQ(report.observations_size(), 16);
  EXPECT_EQ(report.observations(15).endpoint(), "b11");
}

TEST(LoopReportTest, BoundsAndRedactsWhatItTells) {
  Work work;
  work.checks = {{.name = "tests", .check = checks::TestPasses{{"make"}}}};
  LoopCore core({.iterations = 20}, false, absl::UnixEpoch());
  for (int i = 0; i < 20; ++i) {
    core.Generated({});
    core.ApplyFailed({.fingerprint = absl::StrCat(i),
                      .feedback = absl::StrCat("password=hunter2hunter2\n", std::string(5'000, 'x'), "\xff")},
                     absl::UnixEpoch() + absl::Seconds(i));
  }
  repository::WorktreeFacts worktree{.task_id = "t", .repository = "https://x/y", .folder = "", .branch = "agent/t"};
  checks::Changes changes;
  for (int i = 0; i < 500; ++i) {
    changes.paths.push_back(
        {.path = absl::StrCat("f", i), .kind = checks::ChangedPath::Kind::kAdded, .lines_added = 2});
  }
  const std::vector<TurnFacts> turns(20, {.model = "m", .endpoint = "e", .format = "whole_file"});
  const std::vector<checks::StepResult> results;
  const LoopFacts facts{.work = work,
                        .core = core,
                        .turns = turns,
                        .results = results,
                        .worktree = &worktree,
                        .changes = &changes,
                        .head_commit = "c"};
  const verification::v1::CheckReport report = MakeReport(facts);
  EXPECT_EQ(report.loop_end(), "BUDGET_EXHAUSTED");
  ASSERT_EQ(report.iterations_size(), 20);
  for (const verification::v1::Iteration& turn : report.iterations()) {
    EXPECT_LE(turn.feedback().size(), 1'024u);
    EXPECT_THAT(turn.feedback(), Not(HasSubstr("hunter2")));
    EXPECT_TRUE(text::IsValidUtf8(turn.feedback()));
  }
  ASSERT_EQ(report.steps_size(), 1);
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_SKIPPED);
  EXPECT_EQ(report.change().files_added(), 500);
  EXPECT_EQ(report.change().lines_added(), 1'000);
  EXPECT_EQ(report.change().paths_size(), 200);
  const std::string state = StateSummary(facts);
  EXPECT_LE(state.size(), 16u * 1024);
  EXPECT_THAT(state, Not(HasSubstr("hunter2")));
  EXPECT_THAT(state, HasSubstr("iteration 20 failed at APPLY"));
  EXPECT_LE(Summary(facts).size(), 1'000u);
}

TEST(LoopReportTest, NamesACommitByTheTasksTitle) {
  Work work;
  work.prompt.instruction = "Mend it.\nAll of it.";
  EXPECT_EQ(CommitText(work, 2, 3), "Mend it.\n\nIteration 2 of 3.");
  EXPECT_EQ(CommitText(work, 0, 3), "Mend it.");
  work.repository.title = "Title";
  EXPECT_EQ(CommitText(work, 0, 3), "Title");
}

}  // namespace
}  // namespace switchyard::executor::loop
