#include "services/executor/verification_convert.h"

#include <string>
#include <variant>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/agent_convert.h"

namespace switchyard::executor {
namespace {

namespace queue = task_queue::v1;
using ::testing::ElementsAre;
using testing::IsError;

Assignment Assigned(const queue::TaskSpec& spec, const std::string& state = "") {
  agent::v1::Assignment message;
  message.set_task_id("t1");
  message.set_generation(3);
  *message.mutable_spec() = spec;
  message.set_routing("a route");
  message.set_state_summary(state);
  return ToAssignment(message);
}

TEST(VerificationConvertTest, KnowsEveryStepOfTheContract) {
  queue::TaskSpec spec;
  queue::VerificationStep* step = spec.add_verification();
  step->set_name("there");
  step->set_optional(true);
  step->mutable_timeout()->set_seconds(7);
  step->mutable_file_exists()->set_path("a");
  step = spec.add_verification();
  step->mutable_file_contains()->set_path("a");
  step->mutable_file_contains()->set_text("b");
  spec.add_verification()->mutable_test_passes()->add_argv("t");
  spec.add_verification()->mutable_command_succeeds()->add_argv("c");
  spec.add_verification()->mutable_git_clean();
  spec.add_verification()->mutable_diff_not_empty();
  spec.add_verification()->mutable_changed_only()->add_globs("*");
  spec.add_verification()->mutable_max_diff_lines()->set_lines(5);
  spec.add_verification()->mutable_json_valid()->set_schema_json("{}");
  spec.add_verification()->mutable_http_ok()->set_url("http://x");
  spec.add_verification()->mutable_no_secrets();
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<checks::Step> steps, ToSteps(spec));
  std::vector<std::string> names;
  const auto* const oneof = queue::VerificationStep::descriptor()->FindOneofByName("check");
  ASSERT_EQ(static_cast<int>(steps.size()), oneof->field_count());
  for (int i = 0; i < oneof->field_count(); ++i) EXPECT_EQ(checks::CheckName(steps[i].check), oneof->field(i)->name());
  EXPECT_EQ(steps[0].name, "there");
  EXPECT_TRUE(steps[0].optional);
  EXPECT_EQ(steps[0].timeout, absl::Seconds(7));
  EXPECT_EQ(std::get<checks::FileContains>(steps[1].check).text, "b");
  EXPECT_THAT(std::get<checks::TestPasses>(steps[2].check).argv, ElementsAre("t"));
  EXPECT_EQ(std::get<checks::MaxDiffLines>(steps[7].check).lines, 5);
  EXPECT_EQ(std::get<checks::JsonValid>(steps[8].check).schema_json, "{}");
  EXPECT_EQ(std::get<checks::HttpOk>(steps[9].check).expected_status, 200);
}

TEST(VerificationConvertTest, AStepOfALaterContractIsNotPassedOver) {
  queue::TaskSpec spec;
  spec.mutable_command()->add_argv("x");
  spec.add_verification()->set_name("of tomorrow");
  EXPECT_THAT(ToWork(Assigned(spec)), IsError("UNSUPPORTED"));
}

TEST(VerificationConvertTest, WorkSaysWhereItIsAndWhatBecomesOfIt) {
  queue::TaskSpec spec;
  spec.set_title("a title");
  spec.mutable_prompt()->set_instruction("do it");
  spec.mutable_prompt()->set_edit_format(queue::EDIT_FORMAT_WHOLE_FILE);
  spec.mutable_context()->set_repository("https://example.com/a.git");
  spec.mutable_context()->set_base_branch("main");
  spec.mutable_context()->add_files("src/a.cc");
  spec.mutable_delivery()->set_push(true);
  spec.mutable_delivery()->set_pull_request(true);
  spec.mutable_resource_limits()->set_max_iterations(4);
  spec.mutable_resource_limits()->set_max_cost_micros(9);
  spec.mutable_time_limits()->mutable_verification()->set_seconds(60);
  spec.add_verification()->mutable_git_clean();
  SY_ASSERT_OK_AND_ASSIGN(const Work work, ToWork(Assigned(spec, "so far")));
  EXPECT_EQ(work.kind, WorkKind::kPrompt);
  EXPECT_EQ(work.routing, "a route");
  EXPECT_EQ(work.prompt.edit_format, EditFormat::kWholeFile);
  EXPECT_EQ(work.repository.repository, "https://example.com/a.git");
  EXPECT_EQ(work.repository.base_branch, "main");
  EXPECT_THAT(work.repository.files, ElementsAre("src/a.cc"));
  EXPECT_TRUE(work.repository.push && work.repository.pull_request);
  EXPECT_FALSE(work.repository.draft || work.repository.auto_merge);
  EXPECT_EQ(work.repository.title, "a title");
  EXPECT_EQ(work.max_iterations, 4);
  EXPECT_EQ(work.max_cost_micros, 9);
  EXPECT_EQ(work.checks.size(), 1u);
  EXPECT_EQ(work.checks_time, absl::Minutes(1));
  EXPECT_EQ(work.state_summary, "so far");
  EXPECT_TRUE(work.inside_only);
  EXPECT_FALSE(work.network);
}

TEST(VerificationConvertTest, CommandsAndExternalAgentsHaveChecksToo) {
  queue::TaskSpec spec;
  spec.mutable_command()->add_argv("x");
  spec.set_effects(queue::EFFECTS_NETWORK);
  spec.add_verification()->mutable_no_secrets();
  SY_ASSERT_OK_AND_ASSIGN(Work work, ToWork(Assigned(spec)));
  EXPECT_EQ(work.kind, WorkKind::kCommand);
  EXPECT_EQ(work.checks.size(), 1u);
  EXPECT_TRUE(work.network);
  EXPECT_FALSE(work.inside_only);
  spec.mutable_external()->set_agent("helper");
  spec.mutable_external()->set_instruction("do it");
  SY_ASSERT_OK_AND_ASSIGN(work, ToWork(Assigned(spec)));
  EXPECT_EQ(work.kind, WorkKind::kExternal);
  EXPECT_EQ(work.external.agent, "helper");
  EXPECT_EQ(work.external.instruction, "do it");
  EXPECT_EQ(work.checks.size(), 1u);
  spec.mutable_action();
  EXPECT_THAT(ToWork(Assigned(spec)), IsError("UNSUPPORTED"));
}

TEST(VerificationConvertTest, TheReportAndTheStateStandInTheResult) {
  Evidence evidence{.outcome = Outcome::kSucceeded};
  evidence.checks = std::string("\x08\x01\xFF\x00", 4);
  evidence.state_summary = std::string(20'000, 's');
  queue::TaskResult result;
  ASSERT_TRUE(result.ParseFromString(ToEnded(evidence).report.result));
  EXPECT_EQ(result.checks(), evidence.checks);
  EXPECT_EQ(result.state_summary().size(), 16u * 1024);
}

}  // namespace
}  // namespace switchyard::executor
