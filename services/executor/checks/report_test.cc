#include "services/executor/checks/report.h"

#include <string>

#include "gmock/gmock.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::checks {
namespace {

namespace proto = verification::v1;
using ::testing::HasSubstr;

std::vector<Step> Steps(int count) {
  std::vector<Step> steps;
  for (int i = 0; i < count; ++i) steps.push_back({.name = "step " + std::to_string(i), .check = NoSecrets{}});
  return steps;
}

TEST(ReportTest, HasOneEntryForEachStepInOrder) {
  const std::vector<Step> steps = {{.name = "there", .check = FileExists{"a"}},
                                   {.name = "tests", .check = TestPasses{{"t"}}},
                                   {.name = "never", .check = GitClean{}}};
  std::vector<StepResult> results(2);
  results[0] = {.status = StepStatus::kPassed, .evidence = "seen", .duration = absl::Milliseconds(1500)};
  results[0].facts["bytes"] = "7";
  results[1] = {.status = StepStatus::kFailed,
                .evidence =
                    "a\xFF"
                    "b",
                .exit_code = 2,
                .sandboxed = true};
  const proto::CheckReport report = ToReport(steps, results);
  EXPECT_EQ(report.schema_version(), 1);
  ASSERT_EQ(report.steps_size(), 3);
  EXPECT_EQ(report.steps(0).name(), "there");
  EXPECT_EQ(report.steps(0).check(), "file_exists");
  EXPECT_EQ(report.steps(0).status(), proto::STEP_STATUS_PASSED);
  EXPECT_EQ(report.steps(0).duration().seconds(), 1);
  EXPECT_EQ(report.steps(0).facts().at("bytes"), "7");
  EXPECT_FALSE(report.steps(0).has_exit_code());
  EXPECT_EQ(report.steps(1).exit_code(), 2);
  EXPECT_TRUE(report.steps(1).sandboxed());
  EXPECT_TRUE(text::IsValidUtf8(report.steps(1).evidence()));
  EXPECT_EQ(report.steps(2).step(), 2);
  EXPECT_EQ(report.steps(2).check(), "git_clean");
  EXPECT_EQ(report.steps(2).status(), proto::STEP_STATUS_SKIPPED);
  proto::CheckReport back;
  ASSERT_TRUE(back.ParseFromString(SerialiseReport(steps, results)));
  EXPECT_EQ(back.steps_size(), 3);
}

TEST(ReportTest, LongEvidenceIsShortenedAndShortEvidenceStays) {
  std::vector<StepResult> results(64);
  for (StepResult& result : results) result = {.status = StepStatus::kFailed, .evidence = std::string(16 * 1024, 'x')};
  results[10].evidence = "short";
  results[11].evidence = std::string(2000, 'y');
  const std::string bytes = SerialiseReport(Steps(64), results);
  EXPECT_LE(bytes.size(), kReportBytes);
  EXPECT_GT(bytes.size(), kReportBytes * 9 / 10) << "no more is left out than has to be";
  proto::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(bytes));
  EXPECT_EQ(report.steps(10).evidence(), "short");
  EXPECT_EQ(report.steps(10).omitted_bytes(), 0);
  EXPECT_EQ(report.steps(11).evidence().size(), 2000u);
  EXPECT_THAT(report.steps(0).evidence(), HasSubstr("bytes left out"));
  EXPECT_GT(report.steps(0).omitted_bytes(), 10'000);
}

TEST(ReportTest, FitsWhateverItHolds) {
  std::vector<StepResult> results(64);
  for (StepResult& result : results) {
    result = {.status = StepStatus::kPassed, .evidence = std::string(16 * 1024, 'x')};
    for (int i = 0; i < 30; ++i) result.facts[std::string(300, static_cast<char>('a' + i))] = std::string(300, 'f');
  }
  proto::CheckReport report = ToReport(Steps(64), results);
  EXPECT_EQ(report.steps(0).facts_size(), 16);
  for (int i = 0; i < 20; ++i) report.add_iterations()->set_feedback(std::string(1024, 'i'));
  for (int i = 0; i < 200; ++i) report.mutable_change()->add_paths(std::string(1024, 'p'));
  report.mutable_change()->set_files_added(200);
  const std::string bytes = Serialise(report);
  EXPECT_LE(bytes.size(), kReportBytes);
  proto::CheckReport back;
  ASSERT_TRUE(back.ParseFromString(bytes));
  EXPECT_EQ(back.steps_size(), 64);
  for (const proto::StepReport& step : back.steps()) EXPECT_FALSE(step.evidence().empty());
  EXPECT_EQ(back.change().files_added(), 200);
}

}  // namespace
}  // namespace switchyard::executor::checks
