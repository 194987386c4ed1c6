#include "services/executor/loop/loop_prompt.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

checks::Step Tests(const std::string& name, bool optional = false) {
  return {.name = name, .optional = optional, .check = checks::TestPasses{{"/usr/bin/make", "test"}}};
}
checks::StepResult Result(checks::StepStatus status, const std::string& evidence = "") {
  checks::StepResult result;
  result.status = status;
  result.evidence = evidence;
  return result;
}
constexpr auto kPassed = checks::StepStatus::kPassed;
constexpr auto kFailed = checks::StepStatus::kFailed;

TEST(LoopPromptTest, SaysWhatIsAskedAndShowsFilesAsData) {
  Work work{.kind = WorkKind::kPrompt};
  work.prompt.instruction = "Mend it.";
  work.prompt.system = "Be brief.";
  work.prompt.data = {{"description of the task", "text"}};
  work.checks = {Tests("unit"), Tests("slow", true)};
  work.state_summary = "half of it";
  const PromptWork prompt =
      OpeningPrompt(work, {.format = EditFormat::kSearchReplace,
                           .files = {{.path = "a.c", .text = "int a;\n"}, {.path = "b.c", .text = ""}},
                           .listing = "a.c\nb.c\n",
                           .feedback = ""});
  EXPECT_THAT(prompt.system, AllOf(HasSubstr("Be brief."), HasSubstr("SEARCH")));
  EXPECT_THAT(prompt.instruction, AllOf(HasSubstr("Mend it."), HasSubstr("- unit (test_passes: /usr/bin/make test)"),
                                        HasSubstr("[optional]"), Not(HasSubstr("int a;"))));
  EXPECT_THAT(prompt.data,
              ElementsAre(Pair("description of the task", "text"), Pair("what is known from before", "half of it"),
                          Pair("file a.c", "int a;\n"), Pair("file b.c", "[empty file]"),
                          Pair("paths of the files that there are", "a.c\nb.c\n")));
}

TEST(LoopPromptTest, SaysNothingOfFormatsWhereNoFileIsToChange) {
  Work work{.kind = WorkKind::kPrompt};
  work.prompt.instruction = "Tell.";
  const PromptWork prompt =
      OpeningPrompt(work, {.format = EditFormat::kNone, .files = {}, .listing = "", .feedback = ""});
  EXPECT_EQ(prompt.instruction, "Tell.");
  EXPECT_EQ(prompt.system, "");
}

TEST(LoopPromptTest, PutsWhatFailedBeforeEverythingElse) {
  Work work{.kind = WorkKind::kPrompt};
  work.prompt.instruction = "Mend it.";
  work.prompt.data = {{"description of the task", "text"}};
  const PromptWork prompt = OpeningPrompt(work, {.format = EditFormat::kWholeFile,
                                                 .files = {{.path = "a.c", .text = "int", .whole = false}},
                                                 .listing = "",
                                                 .feedback = "a.c:1: error"});
  ASSERT_THAT(prompt.data, SizeIs(3));
  EXPECT_THAT(prompt.data[0], Pair("what failed", "a.c:1: error"));
  EXPECT_EQ(prompt.data[2].first, "beginning of file a.c");
  EXPECT_THAT(prompt.instruction, HasSubstr("must not be written whole"));
}

TEST(LoopPromptTest, AnswersAnAnswerWithWhatFailed) {
  const models::PromptTurn turn =
      ReplyTo("my answer", Stage::kVerify, {.fingerprint = "f", .feedback = "2 tests failed"},
              {{.path = "a.c", .text = "int a;"}}, EditFormat::kSearchReplace);
  EXPECT_EQ(turn.answer, "my answer");
  ASSERT_THAT(turn.data, SizeIs(2));
  EXPECT_EQ(turn.data[0].text, "2 tests failed");
  EXPECT_EQ(turn.data[1].name, "file a.c");
  EXPECT_THAT(turn.ask, HasSubstr("Some checks failed"));
  EXPECT_THAT(ReplyTo("", Stage::kApply, {}, {}, EditFormat::kNone).data, IsEmpty());
  EXPECT_NE(ReplyTo("", Stage::kApply, {}, {}, EditFormat::kNone).answer, "");
}

TEST(LoopPromptTest, CountsOnlyCompulsoryChecks) {
  const std::vector<checks::Step> steps = {Tests("a"), Tests("b", true), Tests("c")};
  CheckSummary summary = Summarise(steps, {Result(kPassed, "x"), Result(kFailed, "y"), Result(kPassed, "z")}, 4096);
  EXPECT_EQ(summary.failed, 0);
  EXPECT_EQ(summary.compulsory, 2);
  EXPECT_EQ(summary.optional_failed, 1);
  EXPECT_EQ(summary.line, "all 2 compulsory checks passed");
  summary =
      Summarise(steps, {Result(kFailed, "error: one"), Result(kFailed, "error: two"), Result(kPassed, "z")}, 4096);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_EQ(summary.line, "1 of 3 checks failed: a");
  EXPECT_THAT(summary.failure.feedback,
              AllOf(HasSubstr("error: one"), Not(HasSubstr("error: two")), HasSubstr("Optional check b")));
}

TEST(LoopPromptTest, CountsChecksWithoutAResultAsFailed) {
  const CheckSummary summary = Summarise({Tests("a"), Tests("b")}, {Result(kPassed, "x")}, 4096);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_THAT(summary.failure.feedback, HasSubstr("was not made"));
}

TEST(LoopPromptTest, TellsFailuresApartByWhatFailedAndNotByWhere) {
  const std::vector<checks::Step> steps = {Tests("a"), Tests("b")};
  const auto print = [&](const std::string& a, checks::StepStatus b) {
    return Summarise(steps, {Result(kFailed, a), Result(b, "error: same")}, 4096).failure.fingerprint;
  };
  EXPECT_EQ(print("/x/a.c:1: error: bad", kPassed), print("/y/a.c:9: error: bad", kPassed));
  EXPECT_NE(print("/x/a.c:1: error: bad", kPassed), print("/x/a.c:1: error: worse", kPassed));
  EXPECT_NE(print("/x/a.c:1: error: bad", kPassed), print("/x/a.c:1: error: bad", kFailed));
}

TEST(LoopPromptTest, SharesTheRoomAmongWhatFailed) {
  std::vector<checks::Step> steps;
  std::vector<checks::StepResult> results;
  for (int i = 0; i < 5; ++i) {
    steps.push_back(Tests("step " + std::to_string(i)));
    std::string evidence;
    for (int n = 0; n < 200; ++n)
      evidence += "a.c:" + std::to_string(n) + ": error: number " + std::to_string(n) + "\n";
    results.push_back(Result(kFailed, evidence));
  }
  const CheckSummary summary = Summarise(steps, results, 4096);
  EXPECT_LE(summary.failure.feedback.size(), 4096u);
  for (const checks::Step& step : steps) EXPECT_THAT(summary.failure.feedback, HasSubstr(step.name));
}

TEST(LoopPromptTest, DescribesAStepInOneLine) {
  const checks::Step step{.name = "n\nm", .check = checks::FileContains{"a.txt", "x\ny"}};
  EXPECT_EQ(DescribeStep(step), "n m (file_contains: a.txt contains \"x y\")");
}

TEST(LoopPromptTest, ShowsFirstWhatTheTaskNamesThenWhatTextsName) {
  const std::vector<FileFact> all = {{"README.md", 50}, {"src/big.c", 9'000}, {"src/sum.c", 100},
                                     {"src/sum.h", 10}, {"src/tiny.c", 1},    {"docs/a.txt", 20},
                                     {"x.png", 5},      {"test_sum.py", 400}, {"lib/one/two.c", 30}};
  EXPECT_THAT(RankFiles(all, {"docs/", "lib/**/*.c"}, {"look at src/big.c", "see sum.c."}),
              ElementsAre("docs/a.txt", "lib/one/two.c", "src/big.c", "src/sum.c", "README.md", "test_sum.py",
                          "src/tiny.c", "src/sum.h"));
  EXPECT_THAT(RankFiles({{"checksum.c", 1}, {"sum.c", 900}}, {}, {"sum.c"}), ElementsAre("sum.c", "checksum.c"));
}

TEST(LoopPromptTest, FindsFilesThatAFailureNames) {
  const std::vector<FileFact> all = {{"src/sum.c", 1}, {"src/other.c", 1}, {"checksum.c", 1}};
  EXPECT_THAT(NamedIn(all, "/build/src/sum.c:3: error: bad"), ElementsAre("src/sum.c"));
}

TEST(LoopPromptTest, LeavesHalfOfTheWindowForTheRest) {
  EXPECT_GT(RoomForFiles(0), 0u);
  EXPECT_EQ(RoomForFiles(8'192), 12'288u);
  EXPECT_LE(RoomForFiles(10'000'000), std::size_t{1} << 20);
}

}  // namespace
}  // namespace switchyard::executor::loop
