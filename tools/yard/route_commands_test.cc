// The commands about routes and budgets against a router in memory, over a real socket; and what other commands say of
// models.
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/output.h"
#include "tools/yard/route_view.h"
#include "tools/yard/task_card.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_router.h"
#include "tools/yard/testing/fake_services.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;
namespace rt = router::v1;
namespace tq = task_queue::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kTask[] = "01920000-0000-7000-8000-000000000001";

rt::Candidate MakeCandidate(const std::string& endpoint, const std::string& model, double score, bool local) {
  rt::Candidate candidate;
  candidate.mutable_endpoint()->set_endpoint(endpoint);
  candidate.mutable_endpoint()->set_model(model);
  candidate.mutable_endpoint()->set_local(local);
  candidate.mutable_endpoint()->set_free(local);
  candidate.mutable_endpoint()->set_tier(mr::MODEL_TIER_LARGE);
  candidate.set_score(score);
  return candidate;
}

class RouteCommandsTest : public CommandTest {
 protected:
  RouteCommandsTest() {
    server_.Register(router_, rt::RouterService::service_full_name());
    server_.Register(queue_, tq::TaskQueueService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
    columns_ = 200;
    rt::Explanation& explanation = router_.explanation;
    explanation.set_strategy(rt::STRATEGY_CLOUD_LLM);
    explanation.set_tier(mr::MODEL_TIER_LARGE);
    explanation.set_cause(rt::CAUSE_INFERRED);
    explanation.set_reason("the instruction speaks of security");
    rt::Signal& signal = *explanation.add_signals();
    signal.set_name("WORD");
    signal.set_detail("security");
    signal.set_tier(mr::MODEL_TIER_LARGE);
    explanation.mutable_estimate()->set_input_tokens(100);
    explanation.mutable_estimate()->set_input_tokens_upper(120);
    explanation.mutable_estimate()->set_output_tokens_upper(8192);
    explanation.mutable_estimate()->set_cost_micros(10'000);
    explanation.mutable_estimate()->set_cost_micros_upper(130'000);
    rt::Candidate& first = *explanation.add_candidates() = MakeCandidate("cloud", "big", 0.81, false);
    first.mutable_endpoint()->mutable_rates()->set_input(3'000'000);
    first.mutable_endpoint()->mutable_rates()->set_output(15'000'000);
    (*first.mutable_parts())["health"] = 1;
    (*first.mutable_parts())["price"] = 0.2;
    rt::Candidate& second = *explanation.add_candidates() = MakeCandidate("gpu-1", "huge:70b", 0.5, true);
    (*second.mutable_parts())["health"] = 0.4;
    (*second.mutable_parts())["price"] = 1;
    rt::Candidate& third = *explanation.add_candidates() = MakeCandidate("gpu-2", "small:3b", 0, true);
    third.set_rejection("TIER_TOO_LOW");
    third.set_detail("small where large is asked for");
  }
  ~RouteCommandsTest() override { server_.Stop(); }

  void Hold(rt::HoldCode code, const std::string& message) {
    router_.explanation.mutable_hold()->set_code(code);
    router_.explanation.mutable_hold()->set_message(message);
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name)) << text;
    return dir_.File(name);
  }

  FakeRouter router_{server_.gate()};
  FakeTaskQueue queue_{server_.gate()};
};

TEST_F(RouteCommandsTest, ExplainShowsTheChoiceTheReasonsAndWhoIsOut) {
  const Result result =
      Run({"route", "explain", "--role", "coder", "--local-only", "-o", "table", "--", "Fix", "the race"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("big at cloud"), HasSubstr("inferred: the instruction speaks of security"),
                    HasSubstr("WORD: security, asks for large"), HasSubstr("$0.01, at most $0.13"),
                    HasSubstr("before huge:70b at gpu-1 by health (1.00 against 0.40), in spite of price")));
  EXPECT_THAT(result.out, AllOf(HasSubstr("chosen"), HasSubstr("fallback 1"), HasSubstr("TIER_TOO_LOW"),
                                HasSubstr("$3 / $15"), HasSubstr("0.810")));
  ASSERT_EQ(router_.explained.size(), 1u);
  const tq::TaskSpec& spec = router_.explained[0].spec();
  EXPECT_EQ(spec.prompt().instruction(), "Fix the race");
  EXPECT_EQ(spec.role(), "coder");
  EXPECT_TRUE(spec.local_only());
  EXPECT_THAT(queue_.submissions(), IsEmpty());
}

TEST_F(RouteCommandsTest, ExplainsATaskThatIsThere) {
  EXPECT_EQ(Run({"route", "explain", kTask, "--offers", "credential:env:KEY", "-o", "name"}).out, "cloud/big\n");
  EXPECT_EQ(router_.explained[0].task_id(), kTask);
  EXPECT_EQ(router_.explained[0].offered(0), "credential:env:KEY");
  EXPECT_EQ(Run({"route", "explain", kTask, "--role", "coder"}).code, 2);
  const Result prompt = Run({"route", "explain", "Fix it"});
  EXPECT_EQ(prompt.code, 2);
  EXPECT_THAT(prompt.err, HasSubstr("a prompt stands after '--'"));
  EXPECT_EQ(Run({"route", "explain"}).code, 2);
}

TEST_F(RouteCommandsTest, ExplainSaysWhatATaskWouldWaitFor) {
  Hold(rt::HOLD_CODE_BUDGET_SPENT, "budget all is spent");
  router_.explanation.mutable_hold()->set_permanent(true);
  const Result result = Run({"route", "explain", "-o", "table", "--", "x"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("none: it would wait"), HasSubstr("budget-spent: budget all is spent"),
                                HasSubstr("waiting does not help"), Not(HasSubstr("chosen"))));
  EXPECT_EQ(Json::parse(Run({"route", "explain", "-o", "json", "--", "x"}).out)["hold"]["code"],
            "HOLD_CODE_BUDGET_SPENT");
}

TEST_F(RouteCommandsTest, AnUnknownPriceIsNotFree) {
  router_.explanation.mutable_estimate()->clear_cost_micros();
  router_.explanation.mutable_estimate()->clear_cost_micros_upper();
  EXPECT_THAT(Run({"route", "explain", "-o", "table", "--", "x"}).out,
              AllOf(HasSubstr("price unknown"), Not(HasSubstr("$0"))));
}

TEST_F(RouteCommandsTest, SaysThatNoRouterAnswers) {
  variables_["YARD_ROUTER_ADDRESS"] = "127.0.0.1:1";
  const Result away = Run({"route", "explain", "--timeout", "5s", "--", "x"});
  EXPECT_EQ(away.code, 11);
  EXPECT_THAT(away.err, AllOf(HasSubstr("no router answers at 127.0.0.1:1"), HasSubstr("switchyard-router")));
  variables_.erase("YARD_ROUTER_ADDRESS");
  router_.explain_error = MakeError(absl::StatusCode::kUnavailable, "REGISTRY_UNKNOWN", "not heard yet");
  EXPECT_EQ(Run({"route", "explain", "--timeout", "1s", "--", "x"}).code, 11);
}

TEST_F(RouteCommandsTest, SimulatesEachLine) {
  const std::string file = Write("prompts.txt", "Fix the race\n\n@not a file\r\n");
  const Result result = Run({"route", "simulate", file, "--project", "web"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Fix the race"), HasSubstr("$0.01, at most $0.13")));
  EXPECT_THAT(result.err, HasSubstr("2 tasks: 2 large; $0.02 expected, at most $0.26"));
  ASSERT_EQ(router_.explained.size(), 2u);
  EXPECT_EQ(router_.explained[1].spec().prompt().instruction(), "@not a file");
  EXPECT_EQ(router_.explained[1].spec().project(), "web");
}

TEST_F(RouteCommandsTest, SimulatesSpecificationsAndGoesOnAfterABadOne) {
  const std::string file = Write("specs.jsonl",
                                 "{\"prompt\": {\"instruction\": \"bad\"}}\n"
                                 "{\"prompt\": {\"instruction\": \"good\"}, \"role\": \"coder\"}\n");
  const Result result = Run({"route", "simulate", file, "-o", "json"});
  EXPECT_EQ(result.code, 2);
  const Json json = Json::parse(result.out);
  EXPECT_THAT(json["results"][0]["error"].get<std::string>(), HasSubstr("it is bad"));
  EXPECT_EQ(json["results"][1]["explanation"]["tier"], "MODEL_TIER_LARGE");
  EXPECT_EQ(router_.explained[1].spec().role(), "coder");
  EXPECT_EQ(Run({"route", "simulate", Write("broken.jsonl", "{\"prmpt\": 1}\n")}).code, 2);
  EXPECT_NE(Run({"route", "simulate", dir_.File("nothing")}).code, 0);
}

TEST_F(RouteCommandsTest, ListsDecisionsOverPagesWithTheirMarks) {
  for (int i = 0; i < 3; ++i) {
    rt::Decision& decision = router_.decisions.emplace_back();
    decision.set_decision_id("d" + std::to_string(i));
    decision.set_task_id(kTask);
    decision.set_state(rt::DECISION_STATE_SETTLED);
    decision.set_settled_micros(12'000);
    decision.mutable_routing()->mutable_endpoint()->set_model("big");
  }
  router_.decisions[0].mutable_routing()->set_fallback(true);
  router_.decisions[0].mutable_routing()->set_fallback_reason("QUEUE_FULL");
  router_.decisions[2].set_mismatch(true);
  router_.decisions[2].mutable_usage()->set_model("little");
  const Result result = Run({"route", "list", "--task", kTask, "--project", "web", "--model", "big", "--fallbacks"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("FALLBACK (QUEUE_FULL)"), HasSubstr("MISMATCH (little answered)"),
                                HasSubstr("$0.012"), HasSubstr("settled")));
  ASSERT_EQ(router_.listed.size(), 2u);
  EXPECT_EQ(router_.listed[1].page_token(), "2");
  EXPECT_EQ(router_.listed[0].task_id(), kTask);
  EXPECT_EQ(router_.listed[0].model(), "big");
  EXPECT_TRUE(router_.listed[0].fallbacks_only());
  EXPECT_FALSE(router_.listed[0].mismatches_only());
  EXPECT_EQ(Run({"route", "list", "-n", "2", "-o", "name"}).out, "d0\nd1\n");
}

TEST_F(RouteCommandsTest, ABudgetIsSetChangedListedAndRemoved) {
  EXPECT_EQ(Run({"budget", "set", "all", "--limit", "5"}).code, 2);
  Result result = Run({"budget", "set", "all", "--limit", "5.00", "--per", "day", "--project", "web", "--policy",
                       "local-only", "--warn", "70"});
  EXPECT_EQ(result.code, 0) << result.err;
  rt::BudgetState& state = router_.budgets["all"];
  EXPECT_EQ(state.budget().limit_micros(), 5'000'000);
  EXPECT_EQ(state.budget().period(), rt::BUDGET_PERIOD_DAY);
  EXPECT_EQ(state.budget().policy(), rt::BUDGET_POLICY_LOCAL_ONLY);
  EXPECT_EQ(state.budget().warn_percent(), 70);

  state.set_spent_micros(4'000'000);
  state.set_held_micros(1'500'000);
  state.set_warned(true);
  EXPECT_THAT(Run({"budget", "list"}).out,
              AllOf(HasSubstr("all\tday\t$5\t$4\t$1.50\t-$0.50\tSPENT\tlocal-only"), HasSubstr("project web")));
  EXPECT_EQ(Run({"budget", "set", "all", "--limit", "7.25"}).code, 0);
  EXPECT_EQ(state.budget().limit_micros(), 7'250'000);
  EXPECT_EQ(state.budget().project(), "web") << "what is not named stays";
  EXPECT_THAT(Run({"budget", "list"}).out, HasSubstr("warned"));

  EXPECT_EQ(Run({"budget", "set", "all", "--limit", "much"}).code, 2);
  EXPECT_EQ(Run({"budget", "set", "all", "--warn", "0"}).code, 2);
  EXPECT_EQ(Run({"budget", "remove", "all"}).code, 0);
  result = Run({"budget", "remove", "all"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("yard budget list"));
}

TEST_F(RouteCommandsTest, FlagsOfASubmissionReachTheSpecification) {
  EXPECT_EQ(
      Run({"task", "submit", "--prompt", "x", "--model", "big", "--endpoint", "gpu-1", "--allow-fallback", "--routine",
           "--free-fallback", "--max-cost", "0.50", "--max-tokens", "900", "--complexity", "complex"})
          .code,
      0);
  ASSERT_EQ(queue_.submissions().size(), 1u);
  const tq::TaskSpec spec = queue_.submissions()[0].spec();
  EXPECT_EQ(spec.model_pin().model(), "big");
  EXPECT_EQ(spec.model_pin().endpoint(), "gpu-1");
  EXPECT_TRUE(spec.model_pin().allow_fallback() && spec.routine() && spec.free_fallback());
  EXPECT_EQ(spec.resource_limits().max_cost_micros(), 500'000);
  EXPECT_EQ(spec.resource_limits().max_tokens(), 900);
  EXPECT_EQ(Run({"task", "submit", "--prompt", "x", "--allow-fallback"}).code, 2);
  EXPECT_EQ(Run({"task", "submit", "--prompt", "x", "--max-cost", "lots"}).code, 2);
}

tq::Usage MakeUsage() {
  tq::Usage usage;
  usage.set_model("little");
  usage.set_assigned_model("big");
  usage.set_endpoint("cloud");
  usage.set_provider("acme");
  usage.set_input_tokens(1204);
  usage.set_cached_input_tokens(800);
  usage.set_output_tokens(300);
  usage.set_cost_micros(12'300);
  usage.mutable_first_token_time()->set_nanos(340'000'000);
  usage.set_fallback_reason("QUEUE_FULL");
  usage.set_model_mismatch(true);
  return usage;
}

TEST(UsageTextTest, SaysWhatWasUsedAndMarksWhatWasNotAsChosen) {
  tq::Usage usage = MakeUsage();
  EXPECT_EQ(TokensText(usage), "1204 in (800 from a cache), 300 out");
  EXPECT_EQ(CostText(usage), "$0.0123");
  EXPECT_EQ(TimesText(usage), "first token 340ms");
  EXPECT_THAT(UsageText(usage), AllOf(HasSubstr("FALLBACK (QUEUE_FULL)"),
                                      HasSubstr("MODEL MISMATCH (big was assigned, little answered)")));
  usage.set_cost_unknown(true);
  EXPECT_EQ(CostText(usage), "price unknown");
  usage.set_cost_unknown(false);
  usage.set_cost_micros(0);
  EXPECT_EQ(CostText(usage), "free");
  EXPECT_EQ(UsageText({}), "");
  EXPECT_EQ(CostText({}), "");
}

TEST(TaskCardTest, ShowsModelCostTimesAndLoudMarks) {
  tq::Task task;
  task.set_id(kTask);
  task.set_state(tq::TASK_STATE_SUCCEEDED);
  task.mutable_spec()->mutable_prompt()->set_instruction("x");
  *task.mutable_result()->mutable_usage() = MakeUsage();
  *task.add_history()->mutable_usage() = MakeUsage();
  google::protobuf::RepeatedPtrField<tq::TaskEvent> events;
  const auto add = [&](tq::EventKind kind, tq::Phase phase, int second, const std::string& message) {
    tq::TaskEvent& event = *events.Add();
    event.set_kind(kind);
    event.set_state(tq::TASK_STATE_RUNNING);
    event.set_phase(phase);
    event.mutable_time()->set_seconds(1'700'000'000 + second);
    event.set_message(message);
    event.set_agent_id("alpha");
  };
  add(tq::EVENT_KIND_ASSIGNED, tq::PHASE_UNSPECIFIED, 0, "huge:70b at gpu-1: the role's first");
  add(tq::EVENT_KIND_PHASE, tq::PHASE_LOADING, 1, "");
  add(tq::EVENT_KIND_ROUTE_CHANGED, tq::PHASE_LOADING, 3, "big at cloud");
  events.rbegin()->set_cause("QUEUE_FULL");
  add(tq::EVENT_KIND_PHASE, tq::PHASE_GENERATING, 4, "");
  const std::string card = TaskCard(task, events, {absl::FromUnixSeconds(1'700'000'009), TimeForm::kIso},
                                    {.format = Format::kTable}, [](const std::string& id) { return id; });
  EXPECT_THAT(card, AllOf(HasSubstr("ATTENTION  FALLBACK (QUEUE_FULL)"), HasSubstr("ATTENTION  MODEL MISMATCH"),
                          HasSubstr("model      little"), HasSubstr("assigned   big"), HasSubstr("cloud, acme"),
                          HasSubstr("$0.0123"), HasSubstr("first token 340ms"), HasSubstr("route      big at cloud")));
  EXPECT_THAT(card, AllOf(HasSubstr("loading"), HasSubstr("generating"),
                          HasSubstr("alpha, ROUTE CHANGED (QUEUE_FULL): big at cloud")));
}

TEST(WhyChosenTest, SpeaksOnlyOfAChoice) {
  rt::Explanation explanation;
  EXPECT_EQ(WhyChosen(explanation), "");
  *explanation.add_candidates() = MakeCandidate("a", "m", 0.5, true);
  EXPECT_EQ(WhyChosen(explanation), "the only one that serves it");
  *explanation.add_candidates() = MakeCandidate("b", "m", 0.5, true);
  EXPECT_EQ(WhyChosen(explanation), "scores no worse than m at b");
  explanation.mutable_hold()->set_code(rt::HOLD_CODE_NO_CAPACITY);
  EXPECT_EQ(WhyChosen(explanation), "");
}

}  // namespace
}  // namespace switchyard::yard
