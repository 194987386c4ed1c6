#include "services/verification/verdict.h"

#include <algorithm>
#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/verification/judge.h"
#include "services/verification/work_fixture.h"

namespace switchyard::verification {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Assessment AssessBuiltIn(const Work& work) { return Assess(work, BuiltInPolicy()); }

TEST(VerdictTest, PassesWhatPassedEveryCheck) {
  const Assessment assessment = AssessBuiltIn(HonestWork());
  EXPECT_EQ(assessment.verdict, Verdict::kSucceeded);
  EXPECT_EQ(assessment.reason, "CHECKS_PASSED");
  EXPECT_TRUE(assessment.passed);
  EXPECT_EQ(assessment.steps_passed, 3);
  EXPECT_THAT(assessment.findings, IsEmpty());
  EXPECT_THAT(assessment.passed_checks, ElementsAre("test_passes", "file_exists", "command_succeeds"));
}

TEST(VerdictTest, PassesWorkThatAskedForNoChecks) {
  Work work = HonestWork({});
  EXPECT_EQ(AssessBuiltIn(work).reason, "NO_CHECKS");
  work.report.reset();
  EXPECT_EQ(AssessBuiltIn(work).verdict, Verdict::kSucceeded);
}

struct Lie {
  const char* reason;
  std::function<void(Work&)> tell;
};

// Every way that we know of to say "done" without having done it.
std::vector<Lie> Lies() {
  return {
      {"REPORT_MISSING", [](Work& work) { work.report.reset(); }},
      {"REPORT_UNREADABLE",
       [](Work& work) {
         work.report.reset();
         work.report_unreadable = true;
       }},
      {"REPORT_UNREADABLE", [](Work& work) { work.report->schema_version = 2; }},
      {"REPORT_INCOMPLETE", [](Work& work) { work.report->steps.pop_back(); }},
      {"REPORT_INCOMPLETE", [](Work& work) { work.report->steps.clear(); }},
      {"REPORT_FOREIGN_STEP", [](Work& work) { work.report->steps[0].name = "other"; }},
      {"REPORT_FOREIGN_STEP", [](Work& work) { work.report->steps[0].check = "git_clean"; }},
      {"REPORT_FOREIGN_STEP", [](Work& work) { work.report->steps.push_back(work.report->steps[0]); }},
      {"REPORT_FOREIGN_STEP",
       [](Work& work) {
         work.report->steps.push_back({.step = 3, .name = "x", .check = "git_clean", .exit_code = std::nullopt});
       }},
      {"REPORT_FOREIGN_STEP", [](Work& work) { work.report->steps[1] = work.report->steps[0]; }},
      {"REPORT_OUT_OF_ORDER", [](Work& work) { std::swap(work.report->steps[0], work.report->steps[1]); }},
      {"REPORT_OUT_OF_ORDER", [](Work& work) { work.report->steps[0].step = 1; }},
      {"REPORT_OUT_OF_ORDER", [](Work& work) { work.report->steps[0].step = -1; }},
      {"STATUS_UNKNOWN", [](Work& work) { work.report->steps[0].status = StepStatus::kUnknown; }},
      {"REPORT_IMPLAUSIBLE", [](Work& work) { work.report->steps[0].duration = -absl::Nanoseconds(1); }},
      {"EVIDENCE_MISSING", [](Work& work) { work.report->steps[1].has_evidence = false; }},
      {"EXIT_CODE_CONTRADICTS", [](Work& work) { work.report->steps[0].exit_code = 1; }},
      {"EXIT_CODE_CONTRADICTS", [](Work& work) { work.report->steps[0].exit_code.reset(); }},
      {"CHECK_FAILED", [](Work& work) { work.report->steps[0].status = StepStatus::kFailed; }},
      {"CHECK_TIMED_OUT", [](Work& work) { work.report->steps[0].status = StepStatus::kTimedOut; }},
      {"CHECK_ERROR", [](Work& work) { work.report->steps[0].status = StepStatus::kError; }},
      {"CHECK_SKIPPED", [](Work& work) { work.report->steps[1].status = StepStatus::kSkipped; }},
  };
}

TEST(VerdictTest, CatchesEveryLieAndNamesIt) {
  for (const Lie& lie : Lies()) {
    Work work = HonestWork();
    lie.tell(work);
    const Assessment assessment = AssessBuiltIn(work);
    EXPECT_EQ(assessment.reason, lie.reason);
    EXPECT_EQ(assessment.verdict, Verdict::kFailed) << lie.reason;
    EXPECT_FALSE(assessment.passed) << lie.reason;
    EXPECT_FALSE(assessment.permanent) << "another agent may be honest: " << lie.reason;
    EXPECT_THAT(assessment.findings, Not(IsEmpty())) << lie.reason;
  }
}

TEST(VerdictTest, NeverFailsForWhatIsOptional) {
  for (const StepStatus status :
       {StepStatus::kFailed, StepStatus::kTimedOut, StepStatus::kError, StepStatus::kSkipped}) {
    Work work = HonestWork();
    work.report->steps[2].status = status;
    Assessment assessment = AssessBuiltIn(work);
    EXPECT_EQ(assessment.verdict, Verdict::kPartial);
    EXPECT_EQ(assessment.reason, "OPTIONAL_FAILED");
    EXPECT_THAT(assessment.findings, ElementsAre(HasSubstr("optional step 3 (command_succeeds \"lint\")")));
    Policy strict;
    strict.partial = false;
    assessment = Assess(work, strict);
    EXPECT_EQ(assessment.verdict, Verdict::kSucceeded) << "and says so";
    EXPECT_EQ(assessment.reason, "OPTIONAL_FAILED");
  }
}

TEST(VerdictTest, BelievesNoOptionalStepWithoutEvidence) {
  Work work = HonestWork();
  work.report->steps[2].has_evidence = false;
  EXPECT_EQ(AssessBuiltIn(work).reason, "OPTIONAL_FAILED");
}

TEST(VerdictTest, TakesNamesThatLookLikeSecretsAsTheExecutorShowsThem) {
  Work work = HonestWork({{.name = "password=hunter2hunter2", .check = "file_exists", .optional = false}});
  EXPECT_EQ(AssessBuiltIn(work).reason, "CHECKS_PASSED");
  work.report->steps[0].name = "password=[redacted]";
  EXPECT_EQ(AssessBuiltIn(work).reason, "CHECKS_PASSED");
}

TEST(VerdictTest, WantsTheChecksOfThePolicy) {
  Policy policy;
  policy.required_checks = {"no_secrets"};
  Assessment assessment = Assess(HonestWork(), policy);
  EXPECT_EQ(assessment.reason, "REQUIRED_STEP_MISSING");
  EXPECT_TRUE(assessment.permanent) << "no other attempt can help";
  policy.required_checks = {"command_succeeds"};
  Work work = HonestWork();
  EXPECT_EQ(Assess(work, policy).verdict, Verdict::kSucceeded);
  work.report->steps[2].status = StepStatus::kFailed;
  work.report->steps[2].exit_code = 1;
  EXPECT_EQ(Assess(work, policy).reason, "CHECK_FAILED") << "optional for the task, not for the policy";
}

// Three steps failed at first, one at last.
Work HalfFixed() {
  Work work = HonestWork({{.name = "a", .check = "file_exists", .optional = false},
                          {.name = "b", .check = "file_exists", .optional = false}});
  work.report->steps[1].status = StepStatus::kFailed;
  work.report->loop_end = "BUDGET_EXHAUSTED";
  work.report->turns = {{.model = "m", .failed_at = "VERIFY", .steps_failed = 2, .kept = false},
                        {.model = "m", .failed_at = "VERIFY", .steps_failed = 1, .kept = true}};
  return work;
}

TEST(VerdictTest, IsPartialWhereTheLoopMadeProgress) {
  const Assessment assessment = AssessBuiltIn(HalfFixed());
  EXPECT_EQ(assessment.verdict, Verdict::kPartial);
  EXPECT_EQ(assessment.reason, "PARTLY_FIXED");
  EXPECT_FALSE(assessment.passed);
  EXPECT_THAT(assessment.findings, SizeIs(1));
}

TEST(VerdictTest, IsPartialOnlyWhereItIsHonest) {
  const std::vector<std::function<void(Work&, Policy&)>> changes = {
      [](Work&, Policy& policy) { policy.partial = false; },
      [](Work&, Policy& policy) { policy.required_checks = {"file_exists"}; },
      [](Work& work, Policy&) { work.loops = false; },
      [](Work& work, Policy&) { work.report->turns[0].steps_failed = 99; },
      [](Work& work, Policy&) { work.report->loop_end = "PASSED"; },
      [](Work& work, Policy&) { work.report->loop_end = ""; },
      [](Work& work, Policy&) { work.report->turns[0].steps_failed = 1; },
      [](Work& work, Policy&) { work.report->turns[0].failed_at = "SYNTAX"; },
      [](Work& work, Policy&) { work.report->turns[1].kept = false; },
      [](Work& work, Policy&) { work.report->turns[1].steps_failed = 0; },
      [](Work& work, Policy&) { std::swap(work.report->turns[0], work.report->turns[1]); },
      [](Work& work, Policy&) { work.report->steps[1].status = StepStatus::kError; },
      [](Work& work, Policy&) { work.report->steps[0].status = StepStatus::kFailed; },
      [](Work& work, Policy&) { work.report->steps[0].has_evidence = false; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Work work = HalfFixed();
    Policy policy;
    changes[i](work, policy);
    EXPECT_EQ(Assess(work, policy).verdict, Verdict::kFailed) << i;
  }
}

TEST(VerdictTest, SaysNoMoreThanABoundedNumberOfFindings) {
  std::vector<AskedStep> asked;
  for (int i = 0; i < 64; ++i) asked.push_back({std::string(100, 'n'), "file_exists", false});
  Work work = HonestWork(asked);
  for (int i = 0; i < 2'000; ++i) {
    work.report->steps.push_back(
        {.step = i + 64, .name = std::string(5'000, 'x'), .check = "y", .exit_code = std::nullopt});
  }
  const Assessment assessment = AssessBuiltIn(work);
  EXPECT_THAT(assessment.findings, SizeIs(kMostFindings));
  for (const std::string& finding : assessment.findings) EXPECT_LE(finding.size(), kMostFindingBytes);
}

// Whatever executors and judges say, in whatever combination.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : rng_(MakeSeededRng(seed)) {}
  int Below(int bound) { return static_cast<int>(rng_->Below(static_cast<std::uint64_t>(bound))); }
  bool Of(int percent) { return Below(100) < percent; }

  Work AnyWork() {
    std::vector<AskedStep> asked;
    const int steps = 1 + Below(5);
    for (int i = 0; i < steps; ++i) {
      asked.push_back({.name = std::string(1, static_cast<char>('a' + Below(3))),
                       .check = std::string(kChecks.at(static_cast<std::size_t>(Below(11)))),
                       .optional = Of(30)});
    }
    Work work = HonestWork(std::move(asked));
    work.complexity = static_cast<Complexity>(Below(4));
    work.uses_model = Of(80);
    work.loops = Of(80);
    if (Of(3)) work.report.reset();
    if (!work.report.has_value()) return work;
    for (ReportedStep& step : work.report->steps) {
      if (Of(20)) step.status = static_cast<StepStatus>(Below(6));
      if (Of(5)) step.has_evidence = false;
      if (Of(5)) step.exit_code = Below(3) - 1;
      if (Of(3)) step.duration = -step.duration;
      if (Of(3)) step.step = Below(6) - 1;
    }
    if (Of(5)) work.report->steps.pop_back();
    if (Of(5))
      work.report->steps.push_back({.step = Below(7), .name = "a", .check = "git_clean", .exit_code = std::nullopt});
    if (Of(50)) work.report->loop_end = "BUDGET_EXHAUSTED";
    for (int i = Below(4); i > 0; --i) {
      work.report->turns.push_back({.model = "m", .failed_at = "VERIFY", .steps_failed = Below(5), .kept = Of(40)});
    }
    return work;
  }
  Policy AnyPolicy() {
    Policy policy;
    if (Of(20)) policy.required_checks = {std::string(kChecks.at(static_cast<std::size_t>(Below(11))))};
    policy.judge = static_cast<JudgeRule>(1 + Below(3));
    policy.least_severity = static_cast<Severity>(1 + Below(3));
    policy.judge_required = Of(50);
    policy.partial = Of(50);
    return policy;
  }
  Judgement AnyJudgement() {
    Judgement judgement;
    judgement.state = static_cast<JudgeState>(1 + Below(6));
    judgement.confidence = 1;
    for (int i = Below(3); i > 0; --i) {
      judgement.issues.push_back({static_cast<Severity>(1 + Below(3)), "somewhere", "something"});
    }
    return judgement;
  }

 private:
  std::unique_ptr<Rng> rng_;
};

// By the plainest reading of the report, apart from the rules: every compulsory step stands at its place, passed.
bool PlainlyPassed(const Work& work, const Policy& policy) {
  for (std::size_t i = 0; i < work.asked.size(); ++i) {
    const AskedStep& asked = work.asked[i];
    const bool required = std::count(policy.required_checks.begin(), policy.required_checks.end(), asked.check) > 0;
    if (asked.optional && !required) continue;
    if (!work.report.has_value() || i >= work.report->steps.size()) return false;
    const ReportedStep& step = work.report->steps[i];
    if (step.status != StepStatus::kPassed || step.step != static_cast<int>(i)) return false;
  }
  return true;
}

// A turn that failed at more steps than the one that is kept, and at no more than there are.
bool PlainlyBetter(const Work& work, const Policy& policy) {
  const auto steps = std::count_if(work.asked.begin(), work.asked.end(), [&](const AskedStep& asked) {
    return !asked.optional || std::count(policy.required_checks.begin(), policy.required_checks.end(), asked.check) > 0;
  });
  int worst = 0;
  for (const Turn& turn : work.report->turns) {
    if (turn.kept) return work.loops && worst > turn.steps_failed;
    if (turn.steps_failed <= steps) worst = std::max(worst, turn.steps_failed);
  }
  return false;
}

TEST(VerdictTest, IsPartialOnlyAfterTurnsThatCanHaveBeen) {
  const std::uint64_t seed = MakeSystemRng()->Next();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Chance chance(seed);
  int partly = 0;
  for (int i = 0; i < 20'000; ++i) {
    Work work = HalfFixed();
    work.loops = chance.Of(80);
    work.report->turns.clear();
    for (int turn = chance.Below(5); turn > 0; --turn) {
      work.report->turns.push_back(
          {.model = "m", .failed_at = "VERIFY", .steps_failed = chance.Below(5), .kept = chance.Of(40)});
    }
    const bool partial = AssessBuiltIn(work).verdict == Verdict::kPartial;
    ASSERT_TRUE(!partial || PlainlyBetter(work, BuiltInPolicy()));
    partly += partial;
  }
  EXPECT_GT(partly, 20) << "or this test says nothing";
}

TEST(VerdictTest, NeverPassesAFailedCompulsoryStepWhateverAnybodySays) {
  const std::uint64_t seed = MakeSystemRng()->Next();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Chance chance(seed);
  int succeeded = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Work work = chance.AnyWork();
    const Policy policy = chance.AnyPolicy();
    const Assessment assessment = Assess(work, policy);
    const Judgement judgement = chance.AnyJudgement();
    const Decision decision = Combine(assessment, judgement, policy);
    const bool passed = PlainlyPassed(work, policy);
    ASSERT_TRUE(passed || decision.verdict != Verdict::kSucceeded) << decision.reason;
    ASSERT_TRUE(passed || !NeedsJudge(work, policy, assessment)) << "no judge is asked about failures";
    ASSERT_TRUE(passed || decision.verdict == assessment.verdict) << "a judge has no say in failures";
    ASSERT_TRUE(assessment.reason != "PARTLY_FIXED" || PlainlyBetter(work, policy));
    ASSERT_NE(decision.verdict, Verdict::kNone);
    ASSERT_FALSE(decision.reason.empty());
    succeeded += decision.verdict == Verdict::kSucceeded;
  }
  EXPECT_GT(succeeded, 1'000) << "or this test says nothing";
}

}  // namespace
}  // namespace switchyard::verification
