// The commands about verification against a service in memory, over a real socket; and what the card of a task says of
// checks.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/output.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_services.h"
#include "tools/yard/testing/fake_verification.h"
#include "tools/yard/verify_view.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;
namespace tq = task_queue::v1;
namespace vf = verification::v1;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kTask[] = "01920000-0000-7000-8000-000000000001";

vf::CheckReport Report() {
  vf::CheckReport report;
  report.set_schema_version(1);
  vf::StepReport& first = *report.add_steps();
  first.set_name("unit tests");
  first.set_check("test_passes");
  first.set_status(vf::STEP_STATUS_FAILED);
  first.set_evidence("\n  2 of 7 failed\nmore words\n");
  first.set_exit_code(1);
  first.mutable_duration()->set_seconds(3);
  vf::StepReport& second = *report.add_steps();
  second.set_step(1);
  second.set_check("no_secrets");
  second.set_status(vf::STEP_STATUS_PASSED);
  second.set_evidence("3 files looked at");
  second.set_omitted_bytes(12);
  vf::Iteration& turn = *report.add_iterations();
  turn.set_number(1);
  turn.set_model("m:7b");
  turn.set_edit_format("search_replace");
  turn.set_failed_at("VERIFY");
  turn.set_steps_failed(1);
  turn.set_feedback("2 of 7 failed");
  turn.set_kept(true);
  report.set_loop_end("BUDGET_EXHAUSTED");
  vf::Change& change = *report.mutable_change();
  change.set_branch("agent/1");
  change.set_pushed(true);
  change.set_base_branch("main");
  change.set_base_commit("0123456789abcdef");
  change.set_files_changed(2);
  change.set_lines_added(10);
  change.add_paths("src/a.cc");
  change.mutable_pull_request()->set_number(7);
  change.mutable_pull_request()->set_url("https://forge.invalid/7");
  return report;
}

class VerifyCommandsTest : public CommandTest {
 protected:
  VerifyCommandsTest() {
    server_.Register(verification_, vf::VerificationService::service_full_name());
    server_.Register(queue_, tq::TaskQueueService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
    columns_ = 240;
    vf::Verification one;
    one.set_task_id(kTask);
    one.set_generation(2);
    one.set_title("Fix the race");
    one.set_project("web");
    one.set_state(vf::VERIFICATION_STATE_CONCLUDED);
    one.set_verdict(tq::VERDICT_FAILED);
    one.set_reason("CHECK_FAILED");
    one.add_findings("step 1, unit tests: failed");
    one.set_model("m:7b");
    one.set_tier(mr::MODEL_TIER_SMALL);
    one.set_steps_passed(1);
    one.set_steps_failed(1);
    one.set_policy("built-in");
    one.mutable_merge()->add_against("off");
    vf::Judgement& judge = *one.mutable_judgement();
    judge.set_state(vf::JUDGE_STATE_REJECTED);
    judge.set_model("other:9b");
    judge.set_family("other");
    judge.set_author_family("m");
    judge.set_confidence(0.75);
    vf::JudgeIssue& issue = *judge.add_issues();
    issue.set_severity(vf::SEVERITY_HIGH);
    issue.set_where("src/a.cc:3");
    issue.set_description("the lock is never released");
    *one.mutable_report() = Report();
    verification_.verifications = {one};
    vf::Policy built_in;
    built_in.set_judge(vf::JUDGE_RULE_COMPLEX);
    built_in.set_partial(true);
    verification_.policies = {built_in};
  }
  ~VerifyCommandsTest() override { server_.Stop(); }

  FakeVerification verification_{server_.gate()};
  FakeTaskQueue queue_{server_.gate()};
};

TEST_F(VerifyCommandsTest, ListsOverAllPages) {
  for (int i = 0; i < 4; ++i) verification_.verifications.push_back(verification_.verifications[0]);
  const Result result =
      Run({"verify", "list", "--verdict", "failed", "--state", "concluded", "-p", "web", "-o", "table"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("failed"), HasSubstr("1/2"), HasSubstr("CHECK_FAILED"), HasSubstr("rejected"),
                                HasSubstr("Fix the race")));
  ASSERT_THAT(verification_.listed, SizeIs(3));
  EXPECT_EQ(verification_.listed[0].verdict(), tq::VERDICT_FAILED);
  EXPECT_EQ(verification_.listed[0].state(), vf::VERIFICATION_STATE_CONCLUDED);
  EXPECT_EQ(Json::parse(Run({"verify", "list", "-o", "json"}).out)["verifications"].size(), 5u);
}

TEST_F(VerifyCommandsTest, ShowsStepsIterationsJudgeAndChange) {
  const Result result = Run({"verify", "show", kTask, "-o", "table"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("failed (CHECK_FAILED)"), HasSubstr("✗"), HasSubstr("unit tests"),
                                HasSubstr("2 of 7 failed"), HasSubstr("✓"), HasSubstr("no_secrets"),
                                HasSubstr("rejected by other:9b (other, the author is m), confidence 0.75"),
                                HasSubstr("high, src/a.cc:3: the lock is never released")));
  EXPECT_THAT(result.out, AllOf(HasSubstr("BUDGET_EXHAUSTED"), HasSubstr("1*"), HasSubstr("agent/1 (pushed)"),
                                HasSubstr("#7 https://forge.invalid/7"), HasSubstr("+10 -0"),
                                HasSubstr("not by rule: off"), Not(HasSubstr("more words"))));
  EXPECT_THAT(Run({"verify", "show", kTask, "--evidence", "-o", "table"}).out,
              AllOf(HasSubstr("more words"), HasSubstr("12 bytes in its middle")));
}

TEST_F(VerifyCommandsTest, SaysThatATaskWasNeverVerified) {
  const Result result = Run({"verify", "show", "01920000-0000-7000-8000-000000000009"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("yard verify list"));
  EXPECT_EQ(Run({"verify", "show", kTask, "--generation", "9"}).code, 3);
}

TEST_F(VerifyCommandsTest, RunSaysWhatTheRulesOfTodayMakeOfIt) {
  verification_.reassessed.set_verdict(tq::VERDICT_PARTIAL);
  verification_.reassessed.set_reason("PARTLY_FIXED");
  verification_.reassessed.set_policy("web/small");
  const Result result = Run({"verify", "run", kTask, "-o", "table"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("failed (CHECK_FAILED), by built-in"),
                                HasSubstr("partial (PARTLY_FIXED), by web/small")));
  verification_.reassessed.set_verdict(tq::VERDICT_FAILED);
  EXPECT_EQ(Run({"verify", "run", kTask}).code, 10);
}

TEST_F(VerifyCommandsTest, MarksWhatBecameOfTheWork) {
  EXPECT_EQ(Run({"verify", "mark", kTask, "reverted", "--note", "broke the build"}).code, 0);
  ASSERT_THAT(verification_.outcomes, SizeIs(1));
  EXPECT_EQ(verification_.outcomes[0].kind(), vf::OUTCOME_KIND_REVERTED);
  EXPECT_EQ(verification_.outcomes[0].note(), "broke the build");
  EXPECT_EQ(Run({"verify", "mark", kTask, "splendid"}).code, 2);
}

TEST_F(VerifyCommandsTest, ShowsWhoIsARubberStamp) {
  vf::AuthorFigures& author = *verification_.calibration.add_authors();
  author.set_model("m:7b");
  author.set_verified(4);
  author.set_passed(3);
  author.set_cost_micros(3'000'000);
  vf::JudgeFigures& judge = *verification_.calibration.add_judges();
  judge.set_model("other:9b");
  judge.set_verdicts(60);
  judge.set_passed(59);
  judge.set_rubber_stamp(true);
  verification_.calibration.set_same_family_attempts(2);
  const Result result = Run({"verify", "calibration", "--within", "30d", "-p", "web", "-o", "table"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("3 (75 %)"), HasSubstr("$1"), HasSubstr("RUBBER STAMP"), HasSubstr("2 times a judge")));
  EXPECT_EQ(verification_.calibrations[0].window().seconds(), 30 * 24 * 3600);
  EXPECT_EQ(verification_.calibrations[0].project(), "web");
}

TEST_F(VerifyCommandsTest, SetsWhatIsNamedAndLeavesTheRest) {
  EXPECT_EQ(Run({"verify", "policy", "set", "-p", "web", "--require", "no_secrets", "--require", "git_clean", "--merge",
                 "yes", "--merge-path", "docs/**"})
                .code,
            0);
  ASSERT_THAT(verification_.policies, SizeIs(2));
  EXPECT_EQ(verification_.policies[0].project(), "web");
  EXPECT_THAT(verification_.policies[0].required_checks(), ElementsAre("no_secrets", "git_clean"));
  EXPECT_EQ(verification_.policies[0].judge(), vf::JUDGE_RULE_COMPLEX);
  EXPECT_TRUE(verification_.policies[0].partial());
  EXPECT_EQ(Run({"verify", "policy", "set", "-p", "web", "--judge", "always", "--partial", "no", "--least-confidence",
                 "80", "--judge-timeout", "2m"})
                .code,
            0);
  ASSERT_THAT(verification_.policies, SizeIs(2));
  const vf::Policy& policy = verification_.policies[0];
  EXPECT_THAT(policy.required_checks(), ElementsAre("no_secrets", "git_clean"));
  EXPECT_EQ(policy.judge(), vf::JUDGE_RULE_ALWAYS);
  EXPECT_FALSE(policy.partial());
  EXPECT_DOUBLE_EQ(policy.least_confidence(), 0.8);
  EXPECT_EQ(policy.judge_timeout().seconds(), 120);
  EXPECT_TRUE(policy.merge().enabled());
  EXPECT_THAT(policy.merge().paths(), ElementsAre("docs/**"));
  EXPECT_EQ(Run({"verify", "policy", "set", "--least-confidence", "101"}).code, 2);
}

TEST_F(VerifyCommandsTest, ListsAndRemovesPolicies) {
  EXPECT_EQ(Run({"verify", "policy", "set", "-p", "web", "--tier", "small", "--judge", "never"}).code, 0);
  EXPECT_THAT(Run({"verify", "policy", "list", "-o", "table"}).out,
              AllOf(HasSubstr("web"), HasSubstr("every"), HasSubstr("complex")));
  EXPECT_EQ(Run({"verify", "policy", "list", "-o", "name"}).out, "web/small\nevery/every\n");
  EXPECT_EQ(Run({"verify", "policy", "remove", "-p", "web"}).code, 3);
  EXPECT_EQ(Run({"verify", "policy", "remove", "-p", "web", "--tier", "small"}).code, 0);
  EXPECT_THAT(verification_.policies, SizeIs(1));
  EXPECT_EQ(Run({"verify", "policy", "forget"}).code, 2);
}

TEST_F(VerifyCommandsTest, SaysThatNoServiceAnswers) {
  variables_["YARD_VERIFICATION_ADDRESS"] = "127.0.0.1:1";
  const Result away = Run({"verify", "list", "--timeout", "5s"});
  EXPECT_EQ(away.code, 11);
  EXPECT_THAT(away.err,
              AllOf(HasSubstr("no verification service answers at 127.0.0.1:1"), HasSubstr("switchyard-verification")));
}

TEST_F(VerifyCommandsTest, TheCardOfATaskShowsItsChecks) {
  queue_.Add(kTask, tq::TASK_STATE_DEAD_LETTER);
  queue_.Edit(kTask, [](tq::Task& task) { task.mutable_result()->set_checks(Report().SerializeAsString()); });
  EXPECT_THAT(Run({"task", "show", kTask, "-o", "table"}).out,
              AllOf(HasSubstr("unit tests"), HasSubstr("2 of 7 failed"), HasSubstr("#7 https://forge.invalid/7"),
                    HasSubstr("BUDGET_EXHAUSTED")));
  queue_.Edit(kTask, [](tq::Task& task) { task.mutable_result()->set_checks("\xFF\xFF garbage"); });
  EXPECT_THAT(Run({"task", "show", kTask, "-o", "table"}).out, HasSubstr("cannot be read"));
}

// What an executor reports is not to be trusted by a terminal.
TEST_F(VerifyCommandsTest, EscapesWhatIsReported) {
  vf::CheckReport report;
  report.add_steps()->set_name("\x1b[2J");
  report.mutable_steps(0)->set_evidence("\x1b]0;title\x07\n");
  report.add_iterations()->set_feedback("\x1b[31m");
  report.mutable_change()->add_paths("a\x1b[1mb");
  EXPECT_THAT(ReportSections(report, {}), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace switchyard::yard
