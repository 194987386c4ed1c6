#include "tools/route_eval/evaluation.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "tools/route_eval/command_line.h"

namespace switchyard::route_eval {
namespace {

using ::testing::HasSubstr;

std::vector<Row> Rows(std::initializer_list<std::pair<double, double>> results) {
  std::vector<Row> rows;
  for (const auto& [weak, strong] : results) {
    rows.push_back({.prompt = "p", .task_type = "", .weak = weak, .strong = strong});
  }
  return rows;
}

TEST(EvaluationTest, TheCurveIsThatByHand) {
  // The first two need the strong model, and have the highest scores.
  const Evaluation out = Evaluate(Rows({{0, 1}, {0, 1}, {1, 1}, {1, 1}}), {0.9, 0.8, 0.3, 0.2});
  ASSERT_EQ(out.curve.size(), 5u);
  EXPECT_DOUBLE_EQ(out.curve[0].quality, 0.5);
  EXPECT_DOUBLE_EQ(out.curve[1].share, 0.25);
  EXPECT_DOUBLE_EQ(out.curve[1].quality, 0.75);
  EXPECT_DOUBLE_EQ(out.curve[1].threshold, 0.9);
  EXPECT_DOUBLE_EQ(out.curve[2].quality, 1);
  EXPECT_DOUBLE_EQ(out.curve[4].quality, 1);
  // 0.25 x (0.625 + 0.875 + 1 + 1).
  EXPECT_DOUBLE_EQ(out.area, 0.875);
  EXPECT_DOUBLE_EQ(out.random_area, 0.75);
  EXPECT_DOUBLE_EQ(out.best_area, 0.875);
  EXPECT_DOUBLE_EQ(out.gain, 1);
  EXPECT_DOUBLE_EQ(out.production.share, 0.5);
  EXPECT_DOUBLE_EQ(out.production.quality, 1);
  EXPECT_DOUBLE_EQ(Recovered(out, out.production), 1);
}

TEST(EvaluationTest, TheWorstOrderLosesAsMuchAsTheBestGains) {
  const Evaluation out = Evaluate(Rows({{0, 1}, {0, 1}, {1, 1}, {1, 1}}), {0.2, 0.3, 0.8, 0.9});
  EXPECT_DOUBLE_EQ(out.area, 0.625);
  EXPECT_DOUBLE_EQ(out.gain, -1);
  EXPECT_DOUBLE_EQ(Recovered(out, out.production), 0);
}

TEST(EvaluationTest, EqualScoresGoTogetherAndAreWorthNoMoreThanChance) {
  const Evaluation out = Evaluate(Rows({{0, 1}, {1, 1}, {0, 0}}), {0.5, 0.5, 0.5});
  ASSERT_EQ(out.curve.size(), 2u);
  EXPECT_DOUBLE_EQ(out.area, out.random_area);
  EXPECT_DOUBLE_EQ(out.gain, 0);
  EXPECT_DOUBLE_EQ(out.production.share, 1);
}

TEST(EvaluationTest, WhereTheStrongModelAddsNothingThereIsNothingToRecover) {
  const Evaluation out = Evaluate(Rows({{1, 1}, {0, 0}}), {0.9, 0.1});
  EXPECT_DOUBLE_EQ(out.gain, 0);
  EXPECT_DOUBLE_EQ(Recovered(out, out.production), 0);
}

TEST(EvaluationTest, CostGrowsWithTheShare) {
  EXPECT_DOUBLE_EQ(CostAt(0, 10), 1);
  EXPECT_DOUBLE_EQ(CostAt(0.5, 10), 5.5);
  EXPECT_DOUBLE_EQ(CostAt(1, 10), 10);
}

TEST(EvaluationTest, APointIsFoundByItsShare) {
  const Evaluation out = Evaluate(Rows({{0, 1}, {0, 1}, {1, 1}, {1, 1}}), {0.9, 0.8, 0.3, 0.2});
  EXPECT_DOUBLE_EQ(AtShare(out, 0).share, 0);
  EXPECT_DOUBLE_EQ(AtShare(out, 0.3).share, 0.5);
  EXPECT_DOUBLE_EQ(AtShare(out, 1).share, 1);
}

TEST(EvaluationTest, NoOrderIsBetterThanTheBest) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    std::vector<Row> rows;
    std::vector<double> scores;
    for (std::uint64_t i = 1 + rng->Below(30); i > 0; --i) {
      rows.push_back({.prompt = "", .task_type = "", .weak = rng->Unit(), .strong = rng->Unit()});
      scores.push_back(static_cast<double>(rng->Below(10)) / 10);
    }
    const Evaluation out = Evaluate(rows, scores);
    EXPECT_LE(out.area, out.best_area + 1e-9);
    EXPECT_LE(out.random_area, out.best_area + 1e-9);
    EXPECT_DOUBLE_EQ(out.curve.back().share, 1);
    EXPECT_FALSE(ToSvg(out, "t").empty());
  }
}

TEST(RowsTest, ColumnsStandInAnyOrder) {
  const auto rows = ReadRows("id,Strong_Correct,prompt,weak_correct,task_type\n7,true,\"a\nb\",0.5,docs\n");
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].prompt, "a\nb");
  EXPECT_EQ((*rows)[0].task_type, "docs");
  EXPECT_EQ((*rows)[0].weak, 0.5);
  EXPECT_EQ((*rows)[0].strong, 1);
}

TEST(RowsTest, FaultsNameTheLineAndTheColumn) {
  const auto fault = [](std::string_view text) { return std::string(ReadRows(text).status().message()); };
  const std::string head = "prompt,weak_correct,strong_correct\n";
  EXPECT_THAT(fault(""), HasSubstr("empty"));
  EXPECT_THAT(fault("prompt,weak_correct\n"), HasSubstr("no column strong_correct"));
  EXPECT_THAT(fault("prompt,prompt\n"), HasSubstr("twice"));
  EXPECT_THAT(fault(head), HasSubstr("no rows"));
  EXPECT_THAT(fault(head + "a,1\n"), HasSubstr("line 2: has 2 fields"));
  EXPECT_THAT(fault(head + "a,1,2\n"), HasSubstr("line 2: strong_correct"));
  EXPECT_THAT(fault(head + "a,nan,1\n"), HasSubstr("line 2: weak_correct"));
}

TEST(ScoresTest, HardWordsAndUnknownKindsScoreAboveSimpleKinds) {
  const std::vector<Row> rows = {{.prompt = "fix a typo", .task_type = "docs"},
                                 {.prompt = "fix a typo", .task_type = ""},
                                 {.prompt = "fix a race, a deadlock and the migration", .task_type = ""}};
  const std::vector<double> scores = ScoresOf(rows, {});
  EXPECT_LT(scores[0], 0.5);
  EXPECT_GE(scores[1], 0.5);
  EXPECT_GT(scores[2], scores[1]);
}

TEST(SampleTest, TheSampleIsReadAndTheInferenceBeatsChanceThere) {
  std::ifstream in("tools/route_eval/sample.csv");
  std::ostringstream content;
  content << in.rdbuf();
  const auto rows = ReadRows(content.str());
  ASSERT_TRUE(rows.ok()) << rows.status();
  const Evaluation out = Evaluate(*rows, ScoresOf(*rows, {}));
  EXPECT_GT(out.area, out.random_area);
  EXPECT_THAT(ToText(out, 10), HasSubstr("<- the router"));
  EXPECT_THAT(ToJson(out, 10), HasSubstr("\"curve\":[{\"threshold\":null"));
  EXPECT_THAT(ToSvg(out, "a<b"), HasSubstr("a&lt;b"));
}

TEST(CommandLineTest, FlagsAreReadInBothForms) {
  const auto line =
      ParseCommandLine({"a.csv", "--svg=b.svg", "--cost-ratio", "25", "--json", "--raising-words", "x,y"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->file, "a.csv");
  EXPECT_EQ(line->svg, "b.svg");
  EXPECT_EQ(line->cost_ratio, 25);
  EXPECT_TRUE(line->json);
  EXPECT_EQ(line->rules.raising_words, (std::vector<std::string>{"x", "y"}));
}

TEST(CommandLineTest, FaultsAreNamed) {
  EXPECT_FALSE(ParseCommandLine({}).ok());
  EXPECT_FALSE(ParseCommandLine({"a", "b"}).ok());
  EXPECT_FALSE(ParseCommandLine({"a", "--svg"}).ok());
  EXPECT_FALSE(ParseCommandLine({"a", "--cost-ratio=0"}).ok());
  EXPECT_FALSE(ParseCommandLine({"a", "--colour=red"}).ok());
  EXPECT_TRUE(ParseCommandLine({"--help"})->help);
}

}  // namespace
}  // namespace switchyard::route_eval
