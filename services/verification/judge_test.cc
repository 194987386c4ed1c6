#include "services/verification/judge.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/status_matchers.h"
#include "services/verification/work_fixture.h"

// Of judge_fuzz.cc.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::verification {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr char kLow[] = R"({"severity": "low", "where": "a.cc:1", "description": "looked at"})";
constexpr char kHigh[] = R"({"severity": "high", "where": "a.cc:9", "description": "drops errors"})";

std::string Answer(bool passed, const std::string& issues, const std::string& confidence = "0.9") {
  return absl::StrCat("{\"passed\": ", passed ? "true" : "false", ", \"issues\": [", issues,
                      "], \"confidence\": ", confidence, "}");
}

Policy Judged() {
  Policy policy;
  policy.judge = JudgeRule::kAlways;
  return policy;
}

Judgement WeighText(const std::string& text, const Policy& policy = Judged(), const std::string& model = "gpt-5") {
  return Weigh(ParseJudgeAnswer(text), model, {"qwen"}, policy);
}

Decision DecideOn(const Judgement& judgement, const Policy& policy = Judged()) {
  return Combine(Assess(HonestWork(), policy), judgement, policy);
}

TEST(JudgeTest, IsAskedWhereThePolicySaysSo) {
  Work work = HonestWork();
  Policy policy;
  const auto needed = [&] { return NeedsJudge(work, policy, Assess(work, policy)); };
  EXPECT_FALSE(needed()) << "built in: never";
  policy.judge = JudgeRule::kComplex;
  EXPECT_TRUE(needed());
  work.complexity = Complexity::kUnknown;
  EXPECT_TRUE(needed()) << "unknown counts as complex";
  work.complexity = Complexity::kStandard;
  EXPECT_FALSE(needed());
  policy.judge = JudgeRule::kAlways;
  EXPECT_TRUE(needed());
  work.complexity = Complexity::kTrivial;
  EXPECT_FALSE(needed()) << "trivial work skips it always";
  work.complexity = Complexity::kComplex;
  work.uses_model = false;
  EXPECT_FALSE(needed()) << "nobody to distrust";
  work.uses_model = true;
  work.report->steps[0].status = StepStatus::kFailed;
  EXPECT_FALSE(needed()) << "the checks have said all";
}

TEST(JudgeTest, KnowsTheFamiliesOfAllWhoTookPart) {
  Work work = HonestWork();
  EXPECT_THAT(AuthorFamilies(work), Optional(ElementsAre("qwen")));
  work.models.push_back("claude-sonnet-4-5");
  work.assigned_models = {"llama3.1:8b", "house-model"};
  EXPECT_THAT(AuthorFamilies(work), Optional(ElementsAre("claude", "llama", "qwen")));
  work.models.push_back("house-model");
  EXPECT_EQ(AuthorFamilies(work), std::nullopt) << "no judge can be shown to be of another family";
  work.models.clear();
  EXPECT_EQ(AuthorFamilies(work), std::nullopt);
  work.assigned_models = {"llama3.1:8b"};
  EXPECT_THAT(AuthorFamilies(work), Optional(ElementsAre("llama")));
  work.assigned_models.clear();
  EXPECT_EQ(AuthorFamilies(work), std::nullopt);
}

TEST(JudgeAnswerTest, ReadsTheObjectBareAndFenced) {
  SY_ASSERT_OK_AND_ASSIGN(const JudgeAnswer bare, ParseJudgeAnswer(Answer(false, kHigh, "0.75")));
  EXPECT_FALSE(bare.passed);
  EXPECT_EQ(bare.confidence, 0.75);
  EXPECT_THAT(bare.issues, ElementsAre(JudgeIssue{Severity::kHigh, "a.cc:9", "drops errors"}));
  for (const std::string& around :
       {std::string("```json\n%\n```"), std::string("```\n%\n```\n"), std::string(" \n%\n ")}) {
    std::string text = around;
    text.replace(text.find('%'), 1, Answer(true, kLow));
    SY_ASSERT_OK_AND_ASSIGN(const JudgeAnswer fenced, ParseJudgeAnswer(text));
    EXPECT_TRUE(fenced.passed);
  }
}

TEST(JudgeAnswerTest, TakesNothingElse) {
  for (const std::string& text : std::vector<std::string>{
           "looks good to me",
           "null",
           "[]",
           "[" + Answer(true, kLow) + "]",
           "Here it is: " + Answer(true, kLow),
           Answer(true, kLow) + " I hope this helps",
           Answer(true, kLow) + Answer(false, kHigh),
           "{}",
           R"({"passed": true, "issues": []})",
           R"({"passed": "true", "issues": [], "confidence": 1})",
           R"({"passed": 1, "issues": [], "confidence": 1})",
           R"({"passed": true, "issues": {}, "confidence": 1})",
           R"({"passed": true, "issues": [], "confidence": "high"})",
           R"({"passed": true, "issues": [], "confidence": 1, "note": "x"})",
           R"({"passed": false, "passed": true, "issues": [], "confidence": 1})",
           Answer(true, kLow, "1.01"),
           Answer(true, kLow, "-0.1"),
           Answer(true, kLow, "1e999"),
           Answer(true, kLow, "NaN"),
           Answer(true, "1"),
           Answer(true, R"({"severity": "critical", "where": "a", "description": "b"})"),
           Answer(true, R"({"severity": 3, "where": "a", "description": "b"})"),
           Answer(true, R"({"severity": "low", "where": "", "description": "b"})"),
           Answer(true, R"({"severity": "low", "where": "a", "description": " "})"),
           Answer(true, R"({"severity": "low", "where": "a"})"),
           Answer(true, R"({"severity": "low", "where": "a", "description": "b", "x": 1})"),
           "{\"passed\": true, \"issues\": " + std::string(50'000, '[') + std::string(50'000, ']') + "}",
           std::string(70'000, ' ') + Answer(true, kLow),
           "\xff\xfe",
       }) {
    EXPECT_THAT(ParseJudgeAnswer(text), IsError("JUDGE_MALFORMED")) << text.substr(0, 200);
  }
  for (const char* text : {"", " \n\t", "```\n```"})
    EXPECT_THAT(ParseJudgeAnswer(text), IsError("JUDGE_EMPTY")) << text;
  std::string many;
  for (int i = 0; i < 65; ++i) absl::StrAppend(&many, i == 0 ? "" : ",", kLow);
  EXPECT_THAT(ParseJudgeAnswer(Answer(true, many)), IsError("JUDGE_MALFORMED"));
}

TEST(JudgeAnswerTest, BoundsWhatItKeeps) {
  const std::string huge(20'000, 'x');
  SY_ASSERT_OK_AND_ASSIGN(const JudgeAnswer answer,
                          ParseJudgeAnswer(Answer(true, absl::StrCat(R"({"severity": "LOW", "where": ")", huge,
                                                                     R"(", "description": ")", huge, R"(\u0000"})"))));
  EXPECT_EQ(answer.issues[0].where.size(), 500u);
  EXPECT_EQ(answer.issues[0].description.size(), 1'000u);
}

TEST(JudgeAnswerTest, KeepsItsBoundsWhateverComes) {
  const std::uint64_t seed = MakeSystemRng()->Next();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
  const std::vector<std::string> words = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "\"passed\"",
                                          "\"issues\"",
                                          "true",
                                          "false",
                                          "0.9",
                                          "1e9",
                                          "-1",
                                          "null",
                                          "\"where\"",
                                          "\"low\"",
                                          "\"high\"",
                                          "\"\\u0000",
                                          "\xff",
                                          "```\n",
                                          " ",
                                          "\"confidence\"",
                                          "\"severity\"",
                                          "\"description\""};
  for (int i = 0; i < 3'000; ++i) {
    std::string text = Answer(rng->Below(2) == 0, rng->Below(2) == 0 ? kLow : kHigh);
    for (std::uint64_t changes = rng->Below(6); changes > 0; --changes) {
      const std::size_t at = rng->Below(text.size());
      const std::string& word = words[rng->Below(words.size())];
      text.replace(at, rng->Below(std::min<std::size_t>(12, text.size() - at)), word);
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
}

TEST(JudgeTest, HoldsBackWhatItRejectsWithReasons) {
  const Judgement judgement = WeighText(Answer(false, kHigh));
  EXPECT_EQ(judgement.state, JudgeState::kRejected);
  const Decision decision = DecideOn(judgement);
  EXPECT_EQ(decision.verdict, Verdict::kFailed);
  EXPECT_EQ(decision.reason, "JUDGE_REJECTED");
  EXPECT_THAT(decision.findings, ElementsAre(HasSubstr("high: a.cc:9: drops errors")));
  EXPECT_FALSE(decision.permanent);
}

TEST(JudgeTest, LetsPassWhatItFoundNothingAgainst) {
  const Judgement judgement = WeighText(Answer(true, kLow));
  EXPECT_EQ(judgement.state, JudgeState::kPassed);
  EXPECT_EQ(DecideOn(judgement).verdict, Verdict::kSucceeded);
  EXPECT_EQ(DecideOn(judgement).reason, "CHECKS_PASSED");
}

TEST(JudgeTest, DoesNotHoldBackForWhatThePolicyDoesNotMind) {
  const Judgement judgement = WeighText(Answer(false, kLow));
  EXPECT_EQ(judgement.state, JudgeState::kRejected);
  EXPECT_EQ(DecideOn(judgement).verdict, Verdict::kSucceeded);
  EXPECT_THAT(DecideOn(judgement).findings, Contains(HasSubstr("does not mind")));
}

TEST(JudgeTest, CountsNoVerdictThatShowsNothing) {
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {Answer(true, ""), "shows nothing"},           // The flatterer.
      {Answer(false, ""), "names no issue"},         // Who rejects everything.
      {Answer(true, kLow, "0.59"), "not certain"},   //
      {Answer(false, kHigh, "0.2"), "not certain"},  //
      {Answer(true, kHigh), "would hold it back"},   // Says two things.
      {"All good!", "no JSON"},                      //
      {"", "empty"},
  };
  for (const auto& one : cases) {
    const Judgement judgement = WeighText(one.text);
    EXPECT_EQ(judgement.state, JudgeState::kInconclusive) << one.text;
    EXPECT_THAT(judgement.message, HasSubstr(one.message));
    Decision decision = DecideOn(judgement);
    EXPECT_EQ(decision.verdict, Verdict::kSucceeded);
    EXPECT_EQ(decision.reason, "JUDGE_INCONCLUSIVE") << "does not pretend";
    EXPECT_THAT(decision.findings, Contains(HasSubstr("unjudged")));
    Policy required = Judged();
    required.judge_required = true;
    EXPECT_EQ(DecideOn(judgement, required).verdict, Verdict::kFailed);
  }
}

TEST(JudgeTest, CountsNoVerdictOfTheAuthorsFamily) {
  const Judgement own = WeighText(Answer(true, kLow), Judged(), "Qwen/QwQ-32B");
  EXPECT_EQ(own.state, JudgeState::kUnjudged);
  EXPECT_TRUE(own.same_family);
  const Judgement unknown = WeighText(Answer(false, kHigh), Judged(), "house-model");
  EXPECT_EQ(unknown.state, JudgeState::kUnjudged);
  EXPECT_FALSE(unknown.same_family);
  for (const Judgement& judgement : {own, unknown, Unjudged("nobody was to be had")}) {
    EXPECT_EQ(DecideOn(judgement).verdict, Verdict::kSucceeded);
    EXPECT_EQ(DecideOn(judgement).reason, "UNJUDGED");
    Policy required = Judged();
    required.judge_required = true;
    EXPECT_EQ(DecideOn(judgement, required).verdict, Verdict::kFailed);
    EXPECT_EQ(DecideOn(judgement, required).reason, "UNJUDGED");
  }
}

TEST(JudgeTest, NeverPassesWhatTheChecksFailed) {
  Work work = HonestWork();
  work.report->steps[0].status = StepStatus::kFailed;
  const Decision decision = Combine(Assess(work, Judged()), WeighText(Answer(true, kLow)), Judged());
  EXPECT_EQ(decision.verdict, Verdict::kFailed);
  EXPECT_EQ(decision.reason, "CHECK_FAILED");
}

TEST(JudgeTest, KeepsPartialWorkPartial) {
  Work work = HonestWork();
  work.report->steps[2].status = StepStatus::kFailed;
  const Assessment assessment = Assess(work, Judged());
  EXPECT_TRUE(NeedsJudge(work, Judged(), assessment));
  EXPECT_EQ(Combine(assessment, WeighText(Answer(true, kLow)), Judged()).verdict, Verdict::kPartial);
  EXPECT_EQ(Combine(assessment, WeighText(Answer(false, kHigh)), Judged()).verdict, Verdict::kFailed);
}

}  // namespace
}  // namespace switchyard::verification
