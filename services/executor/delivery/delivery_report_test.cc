#include "services/executor/delivery/delivery_report.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace switchyard::executor::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(DeliveryReportTest, TheStoryIsWhatTheReportSays) {
  Work work;
  work.repository.title = "Mend the sum";
  work.repository.description = "Why.";
  work.checks.resize(2);
  work.checks[1].optional = true;
  verification::v1::CheckReport report;
  verification::v1::StepReport& first = *report.add_steps();
  first.set_name("unit tests");
  first.set_check("test_passes");
  first.set_status(verification::v1::STEP_STATUS_PASSED);
  first.mutable_duration()->set_seconds(2);
  verification::v1::StepReport& second = *report.add_steps();
  second.set_step(1);
  second.set_status(verification::v1::STEP_STATUS_TIMED_OUT);
  // Of no step.
  report.add_steps()->set_step(99);
  for (const char* model : {"small", "large", "large"}) {
    verification::v1::Iteration& iteration = *report.add_iterations();
    iteration.set_model(model);
    iteration.set_input_tokens(10);
    iteration.set_cost_micros(5);
    iteration.set_cost_unknown(iteration.model() == "small");
  }
  report.mutable_change()->set_files_added(1);
  report.mutable_change()->set_files_deleted(2);
  report.mutable_change()->set_lines_added(7);
  const Story story = StoryOf(work, report);
  EXPECT_EQ(story.title, "Mend the sum");
  ASSERT_EQ(story.steps.size(), 3u);
  EXPECT_EQ(story.steps[0].status, "passed");
  EXPECT_EQ(story.steps[0].duration, absl::Seconds(2));
  EXPECT_FALSE(story.steps[0].optional);
  EXPECT_EQ(story.steps[1].status, "timed out");
  EXPECT_TRUE(story.steps[1].optional);
  EXPECT_EQ(story.steps[2].status, "error");
  EXPECT_THAT(story.models, ElementsAre("small", "large"));
  EXPECT_EQ(story.iterations, 3);
  EXPECT_EQ(story.input_tokens, 30);
  EXPECT_EQ(story.cost_micros, 15);
  EXPECT_TRUE(story.cost_unknown);
  EXPECT_EQ(story.files_changed, 3);
  EXPECT_EQ(story.lines_added, 7);
}

TEST(DeliveryReportTest, TheChangeSaysWhatBecameOfTheBranch) {
  verification::v1::Change change;
  AddTo(DeliveryResult{.status = absl::OkStatus(), .pushed = true, .pull_request = {}}, change);
  EXPECT_TRUE(change.pushed());
  EXPECT_FALSE(change.has_pull_request());
  DeliveryResult result{.status = absl::OkStatus(),
                        .pushed = true,
                        .pull_request = DeliveredPullRequest{.url = "u", .number = 7, .found = true, .base_behind = 3}};
  AddTo(result, change);
  EXPECT_EQ(change.pull_request().url(), "u");
  EXPECT_EQ(change.pull_request().number(), 7);
  EXPECT_TRUE(change.pull_request().found());
  EXPECT_EQ(change.pull_request().base_behind(), 3);
  result.pull_request->base_behind.reset();
  AddTo(result, change);
  EXPECT_EQ(change.pull_request().base_behind(), std::numeric_limits<std::int32_t>::max());
}

TEST(DeliveryReportTest, AFailedDeliveryFailsAnAttemptThatWasFine) {
  Evidence evidence;
  evidence.outcome = Outcome::kSucceeded;
  DeliveryRequest request;
  request.branch = "agent/1";
  DeliveryResult result;
  result.pushed = true;
  result.status = MakeError(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED", "the forge answered 401");
  AddTo(request, result, evidence);
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "FORGE_UNAUTHORIZED");
  EXPECT_THAT(evidence.message, HasSubstr("401"));
  EXPECT_TRUE(evidence.permanent);
  EXPECT_THAT(evidence.outputs, ElementsAre(Pair("branch", "agent/1")));

  evidence = Evidence();
  evidence.outcome = Outcome::kSucceeded;
  result = {.status = absl::OkStatus(), .pushed = true, .pull_request = DeliveredPullRequest{.url = "https://f/1"}};
  AddTo(request, result, evidence);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded);
  EXPECT_THAT(evidence.outputs, ElementsAre(Pair("branch", "agent/1"), Pair("pull_request", "https://f/1")));
}

}  // namespace
}  // namespace switchyard::executor::delivery
