#include "services/router/decide.h"

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Decision& Of(const DecideResult& result) { return std::get<Decision>(result); }
const Hold& HoldIn(const DecideResult& result) { return std::get<Hold>(result); }

TaskFacts StandardTask() {
  TaskFacts facts = TestPrompt();
  facts.complexity = Complexity::kStandard;
  return facts;
}

TaskFacts Local(TaskFacts facts) {
  facts.local_only = true;
  return facts;
}

TaskFacts Pinned(std::string model, std::string endpoint = "", bool allow_fallback = false) {
  TaskFacts facts = TestPrompt();
  facts.pin = {.model = std::move(model), .endpoint = std::move(endpoint), .allow_fallback = allow_fallback};
  return facts;
}

TaskFacts After(TaskFacts facts, std::string model, AttemptOutcome outcome) {
  facts.former.push_back({.model = std::move(model), .endpoint = "", .outcome = outcome, .tier = 0});
  return facts;
}

BudgetState Spent(std::string name, BudgetPolicy policy, std::string provider = "") {
  BudgetState state;
  state.spec = {.name = std::move(name), .provider = std::move(provider), .limit_micros = 10, .policy = policy};
  state.bounds = BoundsOf(BudgetPeriod::kDay, kTestNow);
  state.spent_micros = 10;
  return state;
}

TEST(DecideTest, CommandsAreDecidedWithoutAModel) {
  TaskFacts facts = TestPrompt();
  facts.kind = WorkKind::kCommand;
  const DecideResult result = TestYard(Catalogue()).Ask(facts);
  EXPECT_EQ(Of(result).strategy, Strategy::kLocalExec);
  EXPECT_EQ(Show(result), "no model");
  EXPECT_EQ(ReasonOf(Of(result)), "it needs no model");
}

TEST(DecideTest, StandardWorkGoesToAHealthyLocalEndpointWithTheModelLoaded) {
  const DecideResult result = TestYard().Ask(StandardTask());
  EXPECT_EQ(Best(result), "mid at box");
  EXPECT_EQ(Of(result).strategy, Strategy::kLocalLlm);
  EXPECT_EQ(Of(result).tier, ModelTier::kMedium);
}

TEST(DecideTest, UnknownWorkGoesToTheStrongest) {
  const DecideResult result = TestYard().Ask(TestPrompt());
  EXPECT_EQ(Best(result), "vast at beta");
  EXPECT_EQ(Of(result).strategy, Strategy::kCloudLlm);
  EXPECT_EQ(Of(result).cause, Cause::kUnknown);
}

TEST(DecideTest, AModelThatALocalEndpointPassesOnIsNotLocal) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints = {Box("box", {"mid", "strong"})};
  for (PlacedModel& placed : catalogue.endpoints[0].models) placed.remote = true;
  const TestYard yard(catalogue);
  EXPECT_EQ(Of(yard.Ask(StandardTask())).strategy, Strategy::kCloudLlm);
  const Explanation why = yard.AskWhy(Local(StandardTask()));
  ASSERT_TRUE(why.hold.has_value());
  for (const ExplainedCandidate& one : why.candidates) EXPECT_NE(one.rejection, Rejection::kNone);
  catalogue.endpoints[0].models[0].remote = false;
  EXPECT_EQ(Best(TestYard(catalogue).Ask(Local(StandardTask()))), "mid at box");
}

TEST(DecideTest, TrivialPromptsGoToTheSmallestLocalModel) {
  TaskFacts facts = TestPrompt();
  facts.complexity = Complexity::kTrivial;
  EXPECT_EQ(Best(TestYard().Ask(facts)), "tiny at box");
}

TEST(DecideTest, OthersNeedNothingBeyondTheBestUntilTheAgentIsKnown) {
  TestYard yard;
  EXPECT_EQ(Show(yard.Ask(TestPrompt())), "vast at beta");
  EXPECT_EQ(Show(yard.Ask(StandardTask())), "mid at box");
  yard.OneAgent();
  EXPECT_EQ(Show(yard.Ask(TestPrompt())), "vast at beta, big at alpha");
  EXPECT_EQ(Show(yard.Ask(StandardTask())), "mid at box, flash at beta, vast at beta, big at alpha");
}

TEST(DecideTest, AtMostEightAreNamed) {
  Catalogue catalogue;
  catalogue.models = TestRows();
  for (int i = 0; i < 20; ++i) catalogue.endpoints.push_back(Box("box" + std::to_string(10 + i), {"mid"}));
  EXPECT_EQ(Of(TestYard(catalogue, {.fallbacks = 0}).Ask(StandardTask())).candidates.size(), 8u);
}

TEST(DecideTest, LocalOnlyIsAbsolute) {
  TestYard yard;
  yard.OneAgent();
  EXPECT_EQ(Show(yard.Ask(Local(TestPrompt()))), "mid at box");
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.erase(catalogue.endpoints.begin());
  const DecideResult result = TestYard(catalogue).Ask(Local(TestPrompt()));
  EXPECT_EQ(Show(result), "hold LOCAL_ONLY for good");
}

TEST(DecideTest, AFamilyThatIsRuledOutGetsNothing) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints = {Box("box", {"qwen2.5-coder:7b", "llama3.1:8b", "homemade"})};
  for (const char* name : {"qwen2.5-coder:7b", "llama3.1:8b", "homemade"}) {
    catalogue.models.push_back(FreeRow(name, ModelTier::kMedium));
  }
  TaskFacts facts = Local(StandardTask());
  facts.excluded_families = {"qwen"};
  EXPECT_EQ(Best(TestYard(catalogue).Ask(facts)), "llama3.1:8b at box");
  facts.excluded_families = {"qwen", "llama"};
  // A name that tells no family may hide the author's.
  const DecideResult result = TestYard(catalogue).Ask(facts);
  EXPECT_EQ(Show(result), "hold NO_MODEL for good");
  EXPECT_THAT(HoldIn(result).message, HasSubstr("family"));
}

TEST(DecideTest, ALocalEndpointThatIsClosedIsWaitedFor) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].state = EndpointState::kOpen;
  catalogue.endpoints[0].cause = "connection refused";
  catalogue.endpoints[0].retry_time = kTestNow + absl::Seconds(20);
  const DecideResult result = TestYard(catalogue).Ask(Local(TestPrompt()));
  EXPECT_EQ(Show(result), "hold ENDPOINTS_CLOSED");
  EXPECT_EQ(HoldIn(result).retry_time, kTestNow + absl::Seconds(20));
  EXPECT_THAT(HoldIn(result).message, HasSubstr("connection refused"));
}

TEST(DecideTest, EachHoldSaysWhatIsInTheWay) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.resize(1);
  const auto ask = [&](const TaskFacts& facts) { return Show(TestYard(catalogue).Ask(facts)); };
  catalogue.endpoints[0].in_flight = 4;
  EXPECT_EQ(ask(StandardTask()), "hold NO_CAPACITY");
  catalogue.endpoints[0].in_flight = 0;
  catalogue.endpoints[0].state = EndpointState::kMisconfigured;
  EXPECT_EQ(ask(StandardTask()), "hold ENDPOINTS_CLOSED for good");
  catalogue.endpoints[0].state = EndpointState::kUnknown;
  EXPECT_EQ(ask(StandardTask()), "hold ENDPOINTS_CLOSED");
  catalogue.endpoints[0].state = EndpointState::kHealthy;
  EXPECT_EQ(ask(TestPrompt(40'000)), "hold TOO_LARGE for good");
  catalogue.endpoints[0].agent = "rig";
  EXPECT_EQ(ask(StandardTask()), "hold NO_AGENT_REACHES");
  catalogue.endpoints[0].models.clear();
  EXPECT_EQ(ask(StandardTask()), "hold NO_MODEL");
  catalogue.endpoints.clear();
  EXPECT_EQ(ask(StandardTask()), "hold NO_MODEL");
}

TEST(DecideTest, UrgentWorkFindsRoomWhereOtherWorkDoesNot) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.resize(1);
  catalogue.endpoints[0].urgent_slots = 1;
  catalogue.endpoints[0].in_flight = 3;
  TaskFacts facts = StandardTask();
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "hold NO_CAPACITY");
  facts.urgent = true;
  EXPECT_EQ(Best(TestYard(catalogue).Ask(facts)), "mid at box");
}

TEST(DecideTest, TheWindowHoldsTheUpperEstimateAndTheAnswer) {
  Catalogue catalogue;
  catalogue.models = {FreeRow("mid", ModelTier::kMedium, 10'000), FreeRow("wide", ModelTier::kMedium, 100'000)};
  catalogue.endpoints = {Box("a", {"mid"}), Box("b", {"wide"})};
  TaskFacts facts = StandardTask();
  // A quarter of the window is left for the answer.
  facts.prompt = {.expected = 7'000, .upper = 7'500};
  EXPECT_EQ(Best(TestYard(catalogue).Ask(facts)), "mid at a");
  facts.prompt.upper = 7'501;
  EXPECT_EQ(Best(TestYard(catalogue).Ask(facts)), "wide at b");
}

TEST(DecideTest, ALearntRatioCountsForTheWindow) {
  Catalogue catalogue;
  catalogue.models = {FreeRow("mid", ModelTier::kMedium, 10'000), FreeRow("wide", ModelTier::kMedium, 100'000)};
  catalogue.endpoints = {Box("a", {"mid"}), Box("b", {"wide"})};
  catalogue.ratios["mid"] = {.expected = 1.5, .upper = 2};
  TaskFacts facts = StandardTask();
  facts.prompt = {.expected = 4'000, .upper = 4'400};
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "wide at b");
}

TEST(DecideTest, ARoleMayAskForALongerAnswer) {
  Catalogue catalogue = TestCatalogue();
  catalogue.roles[0].max_output = 20'000;
  catalogue.roles[0].persona = "You write code.";
  TaskFacts facts = TestPrompt(1'000);
  facts.role = "coder";
  const TestYard yard(catalogue);
  const DecideResult result = yard.Ask(facts);
  EXPECT_EQ(Best(result), "mid at box");
  const Estimate& estimate = Of(result).best()->estimate;
  EXPECT_EQ(estimate.output_upper, 20'000);
  EXPECT_EQ(estimate.input, 1'000 + text::EstimateTokens("You write code.").expected);
  EXPECT_EQ(estimate.cost_upper, 0);
}

TEST(DecideTest, TheTasksOwnLimitsOfTokensAndMoneyBind) {
  TaskFacts facts = TestPrompt(1'000);
  facts.max_tokens = 1'500;
  EXPECT_EQ(Of(TestYard().Ask(facts)).best()->estimate.output_upper, 500);
  facts.max_tokens = 1'010;
  EXPECT_EQ(Show(TestYard().Ask(facts)), "hold TOO_LARGE for good");
  facts.max_tokens = 0;
  // 1,100 x 1.25 + 8,192 x 10 millionths.
  facts.max_cost_micros = 83'295;
  EXPECT_EQ(Best(TestYard().Ask(facts)), "vast at beta");
  facts.max_cost_micros = 83'294;
  EXPECT_EQ(Show(TestYard().Ask(facts)), "hold BUDGET_SPENT for good");
}

TEST(DecideTest, AnUnknownPriceMeetsNoLimitOfMoney) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints = {Cloud("alpha", {"big"})};
  catalogue.models[4].price = {};
  TaskFacts facts = TestPrompt();
  EXPECT_EQ(Best(TestYard(catalogue).Ask(facts)), "big at alpha");
  facts.max_cost_micros = 1'000'000'000;
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "hold PRICE_UNKNOWN for good");
  facts.max_cost_micros = 0;
  TestYard yard(catalogue);
  BudgetState state = Spent("all", BudgetPolicy::kHold);
  state.spec.limit_micros = 1'000'000'000;
  yard.SetBudgets({state});
  EXPECT_EQ(Show(yard.Ask(facts)), "hold PRICE_UNKNOWN for good");
}

TEST(DecideTest, ADeprecatedModelIsUsedAndSaid) {
  Catalogue catalogue = TestCatalogue();
  catalogue.models[5].deprecated = "vaster";
  const DecideResult result = TestYard(catalogue).Ask(TestPrompt());
  EXPECT_EQ(Best(result), "vast at beta");
  EXPECT_THAT(SignalsOf(Of(result)), HasSubstr("MODEL_DEPRECATED"));
  EXPECT_THAT(ReasonOf(Of(result)), HasSubstr("use vaster"));
}

TEST(DecideTest, AFirstChoiceThatIsMisconfiguredIsNotPassedByInSilence) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[2].state = EndpointState::kMisconfigured;
  catalogue.endpoints[2].capacity = 0;
  const DecideResult result = TestYard(catalogue).Ask(TestPrompt());
  EXPECT_EQ(Best(result), "big at alpha");
  EXPECT_THAT(SignalsOf(Of(result)), HasSubstr("MISCONFIGURED"));
  // It would not have been the first choice for standard work.
  EXPECT_THAT(SignalsOf(Of(TestYard(catalogue).Ask(StandardTask()))), ::testing::Not(HasSubstr("MISCONFIGURED")));
  // Nobody could have used it.
  TestYard poor(catalogue);
  poor.Offer({"credential:env:alpha"});
  EXPECT_THAT(SignalsOf(Of(poor.Ask(TestPrompt()))), ::testing::Not(HasSubstr("MISCONFIGURED")));
}

TEST(DecidePinTest, OnlyWhatIsPinnedIsUsed) {
  TestYard yard;
  yard.OneAgent();
  EXPECT_EQ(Show(yard.Ask(Pinned("TINY"))), "tiny at box");
  EXPECT_EQ(Show(yard.Ask(Pinned("", "alpha"))), "big at alpha");
  EXPECT_EQ(Show(yard.Ask(Pinned("vast", "alpha"))), "hold PIN_UNAVAILABLE");
}

TEST(DecidePinTest, AllEndpointsOfAPinnedModelServe) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"mid"}));
  EXPECT_EQ(Show(TestYard(catalogue).Ask(Pinned("mid"))), "mid at box, mid at den");
}

TEST(DecidePinTest, WhatIsPinnedAndClosedIsWaitedForUnlessAnotherWillDo) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].state = EndpointState::kOpen;
  EXPECT_EQ(Show(TestYard(catalogue).Ask(Pinned("mid"))), "hold PIN_UNAVAILABLE");
  EXPECT_EQ(Show(TestYard(catalogue).Ask(Pinned("", "box"))), "hold PIN_UNAVAILABLE");
  EXPECT_EQ(Best(TestYard(catalogue).Ask(Pinned("mid", "", true))), "vast at beta");
}

TEST(DecidePinTest, WhatIsPinnedComesFirstWhereAnotherWillDo) {
  TestYard yard;
  yard.OneAgent();
  EXPECT_EQ(Show(yard.Ask(Pinned("tiny", "", true))), "tiny at box, vast at beta, big at alpha");
}

TEST(DecidePinTest, ACloudPinDoesNotLeaveLocalEndpoints) {
  EXPECT_EQ(Show(TestYard().Ask(Local(Pinned("big")))), "hold LOCAL_ONLY for good");
  EXPECT_EQ(Best(TestYard().Ask(Local(Pinned("big", "", true)))), "mid at box");
}

TEST(DecidePinTest, NoModelGetsATaskAThirdTimePinnedOrNot) {
  TaskFacts facts = Pinned("mid");
  facts = After(facts, "mid", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Best(TestYard().Ask(facts)), "mid at box");
  facts = After(facts, "mid", AttemptOutcome::kFailed);
  EXPECT_EQ(Show(TestYard().Ask(facts)), "hold MODELS_TRIED for good");
  facts.pin.allow_fallback = true;
  EXPECT_EQ(Best(TestYard().Ask(facts)), "vast at beta");
}

TEST(DecideHistoryTest, AFailedCheckGoesToAStrongerModel) {
  const TaskFacts facts = After(StandardTask(), "mid", AttemptOutcome::kVerificationFailed);
  const DecideResult result = TestYard().Ask(facts);
  EXPECT_EQ(Best(result), "vast at beta");
  EXPECT_EQ(Of(result).cause, Cause::kEscalated);
}

TEST(DecideHistoryTest, AmongTheStrongestOthersComeFirstThenItOnceMoreThenNone) {
  TestYard yard;
  yard.OneAgent();
  TaskFacts facts = After(TestPrompt(), "vast", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Show(yard.Ask(facts)), "big at alpha, vast at beta");
  facts = After(facts, "big", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Show(yard.Ask(facts)), "vast at beta, big at alpha");
  facts = After(facts, "vast", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Show(yard.Ask(facts)), "big at alpha");
  facts = After(facts, "big", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Show(yard.Ask(facts)), "hold MODELS_TRIED for good");
}

TEST(DecideHistoryTest, AStrongerModelThatIsClosedIsWaitedFor) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[1].state = catalogue.endpoints[2].state = EndpointState::kRateLimited;
  const TaskFacts facts = After(StandardTask(), "mid", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "hold ENDPOINTS_CLOSED");
}

TEST(DecideHistoryTest, EscalationLeavesARolesListOnlyWhenItIsUsedUp) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"strong"}));
  TestYard yard(catalogue);
  TaskFacts facts = TestPrompt();
  facts.role = "coder";
  facts = After(facts, "mid", AttemptOutcome::kVerificationFailed);
  EXPECT_EQ(Best(yard.Ask(facts)), "big at alpha");
  for (const char* const model : {"big", "vast", "big", "vast"}) {
    facts = After(facts, model, AttemptOutcome::kVerificationFailed);
  }
  EXPECT_EQ(Best(yard.Ask(facts)), "strong at den");
}

TEST(DecideHistoryTest, AResumedTaskKeepsItsModelAtAnyEndpointThatHasIt) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"mid"}));
  const TaskFacts facts = After(TestPrompt(), "mid", AttemptOutcome::kLost);
  const DecideResult result = TestYard(catalogue).Ask(facts);
  EXPECT_EQ(Show(result), "mid at box, mid at den");
  EXPECT_EQ(Of(result).cause, Cause::kKept);
  catalogue.endpoints[0].state = EndpointState::kOpen;
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "mid at den");
  catalogue.endpoints[3].state = EndpointState::kOpen;
  EXPECT_EQ(Show(TestYard(catalogue).Ask(facts)), "hold ENDPOINTS_CLOSED");
}

TEST(DecideBudgetTest, ASpentBudgetHoldsUntilTheNextPeriod) {
  TestYard yard;
  yard.SetBudgets({Spent("team", BudgetPolicy::kHold)});
  const DecideResult result = yard.Ask(TestPrompt());
  EXPECT_EQ(Show(result), "hold BUDGET_SPENT");
  EXPECT_THAT(HoldIn(result).message, HasSubstr("\"team\""));
  EXPECT_THAT(HoldIn(result).message, HasSubstr("the next period begins at"));
  EXPECT_LE(HoldIn(result).retry_time, BoundsOf(BudgetPeriod::kDay, kTestNow).end);
  EXPECT_GT(HoldIn(result).retry_time, kTestNow);
  // What costs nothing goes on.
  EXPECT_EQ(Best(yard.Ask(StandardTask())), "mid at box");
}

TEST(DecideBudgetTest, ARefusingBudgetHoldsForGood) {
  TestYard yard;
  yard.SetBudgets({Spent("team", BudgetPolicy::kRefuse)});
  EXPECT_EQ(Show(yard.Ask(TestPrompt())), "hold BUDGET_SPENT for good");
}

TEST(DecideBudgetTest, ALocalOnlyBudgetSendsWorkToLocalEndpoints) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"strong"}));
  catalogue.endpoints[3].models[0].warmth = Warmth::kCold;
  catalogue.endpoints[3].failure_rate = 0.9;
  TestYard yard(catalogue);
  yard.OneAgent();
  yard.SetBudgets({Spent("beta", BudgetPolicy::kLocalOnly, "beta")});
  const DecideResult result = yard.Ask(TestPrompt());
  EXPECT_EQ(Show(result), "strong at den");
  EXPECT_TRUE(Of(result).local_only);
  EXPECT_THAT(SignalsOf(Of(result)), HasSubstr("BUDGET_LOCAL_ONLY"));
}

TEST(DecideBudgetTest, WhereNoLocalEndpointServesTheBudgetIsTheReason) {
  TestYard yard;
  yard.SetBudgets({Spent("all", BudgetPolicy::kLocalOnly)});
  EXPECT_EQ(Show(yard.Ask(TestPrompt())), "hold BUDGET_SPENT");
}

TEST(DecideBudgetTest, FallbacksThatABudgetStandsAgainstAreLeftOut) {
  TestYard yard;
  yard.OneAgent();
  yard.SetBudgets({Spent("alpha", BudgetPolicy::kHold, "alpha")});
  EXPECT_EQ(Show(yard.Ask(TestPrompt())), "vast at beta");
}

TEST(ExplainTest, ListsEveryCandidateWithItsPartsOrItsRejection) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[1].state = EndpointState::kOpen;
  catalogue.endpoints[1].cause = "timeout";
  const Explanation why = TestYard(catalogue).AskWhy(TestPrompt());
  ASSERT_EQ(why.candidates.size(), 5u);
  EXPECT_EQ(why.candidates[0].slot->placed->model, "vast");
  EXPECT_EQ(why.candidates[0].rejection, Rejection::kNone);
  EXPECT_GT(why.candidates[0].score, 0);
  EXPECT_EQ(why.candidates[1].rejection, Rejection::kEndpointOpen);
  EXPECT_EQ(why.candidates[1].detail, "its breaker is open: timeout");
  EXPECT_EQ(why.candidates[1].score, 0);
  EXPECT_EQ(why.candidates[2].rejection, Rejection::kTierTooLow);
  EXPECT_FALSE(why.hold.has_value());
}

TEST(ExplainTest, SaysWhichWouldNeedMore) {
  const Explanation why = TestYard().AskWhy(TestPrompt());
  EXPECT_EQ(why.candidates[1].rejection, Rejection::kNeedsMore);
  EXPECT_EQ(why.candidates[1].slot->placed->model, "big");
}

TEST(ExplainTest, IsBoundedAndSaysHowManyAreLeftOut) {
  const Explanation why = TestYard().AskWhy(TestPrompt(), 2);
  EXPECT_EQ(why.candidates.size(), 2u);
  EXPECT_EQ(why.omitted_candidates, 3);
}

TEST(ExplainTest, AHoldHasItsCandidatesToo) {
  TestYard yard;
  yard.SetBudgets({Spent("team", BudgetPolicy::kHold)});
  const Explanation why = yard.AskWhy(TestPrompt());
  ASSERT_TRUE(why.hold.has_value());
  EXPECT_EQ(why.hold->code, HoldCode::kBudgetSpent);
  EXPECT_EQ(why.candidates[0].rejection, Rejection::kBudgetSpent);
  EXPECT_EQ(why.candidates[0].detail, "a budget stands against it: team");
  EXPECT_EQ(why.decision.cause, Cause::kUnknown);
  TaskFacts facts = TestPrompt();
  facts.role = "nobody";
  EXPECT_EQ(yard.AskWhy(facts).hold->code, HoldCode::kRoleUnknown);
}

TEST(ExplainTest, NamesTheBudgetsOfTheBest) {
  TestYard yard;
  BudgetState state = Spent("beta", BudgetPolicy::kHold, "beta");
  state.spec.limit_micros = 1'000'000'000;
  yard.SetBudgets({state, Spent("alpha", BudgetPolicy::kHold, "alpha")});
  const Explanation why = yard.AskWhy(TestPrompt());
  ASSERT_EQ(why.budgets.size(), 1u);
  EXPECT_EQ(why.budgets[0]->spec.name, "beta");
}

TEST(WarmHostsTest, AreThoseWhereTheBestModelIsLoaded) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"mid"}));
  catalogue.endpoints.push_back(Box("attic", {"mid"}));
  catalogue.endpoints[4].models[0].warmth = Warmth::kCold;
  const TestYard yard(catalogue);
  EXPECT_THAT(WarmHosts(yard.snapshot(), Of(yard.Ask(StandardTask()))), ElementsAre("box", "den"));
  EXPECT_THAT(WarmHosts(yard.snapshot(), Of(yard.Ask(TestPrompt()))), IsEmpty());
}

TEST(FreeLocalSlotsTest, AreLocalAndExplicitlyFree) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("den", {"homemade", "big"}));
  catalogue.endpoints[1].free = true;
  const TestYard yard(catalogue);
  std::vector<std::string> names;
  for (const Slot* const slot : FreeLocalSlots(yard.snapshot())) names.push_back(slot->placed->model);
  EXPECT_THAT(names, ElementsAre("mid", "tiny"));
}

TEST(FreeLocalSlotsTest, AreNotClosed) {
  Catalogue catalogue = TestCatalogue();
  for (const EndpointState state :
       {EndpointState::kOpen, EndpointState::kMisconfigured, EndpointState::kRateLimited, EndpointState::kUnknown}) {
    catalogue.endpoints[0].state = state;
    EXPECT_THAT(FreeLocalSlots(TestYard(catalogue).snapshot()), IsEmpty());
  }
}

// Random installations and tasks: what must hold of every decision, and that explaining agrees with deciding.
class RandomYards {
 public:
  explicit RandomYards(std::uint64_t seed) : rng_(MakeSeededRng(seed)) {}

  Catalogue MakeCatalogue() {
    Catalogue catalogue = TestCatalogue();
    catalogue.endpoints.clear();
    if (Chance(3)) catalogue.models[rng_->Below(6)].price = {};
    for (int i = 0; i < 10; ++i) {
      Endpoint endpoint = Chance(2) ? Box("e" + std::to_string(i), {}) : Cloud("e" + std::to_string(i), {});
      if (Chance(2)) endpoint.state = static_cast<EndpointState>(1 + rng_->Below(10));
      if (Chance(4)) endpoint.agent = "agent" + std::to_string(rng_->Below(2));
      endpoint.in_flight = static_cast<int>(rng_->Below(6));
      for (const char* const model : kModels) {
        if (!Chance(3)) continue;
        endpoint.models.push_back(Placed(model, static_cast<Warmth>(1 + rng_->Below(4))));
        endpoint.models.back().remote = Chance(5);
      }
      catalogue.endpoints.push_back(std::move(endpoint));
    }
    return catalogue;
  }

  TaskFacts MakeFacts() {
    TaskFacts facts = TestPrompt(static_cast<std::int64_t>(rng_->Below(50'000)));
    facts.complexity = static_cast<Complexity>(rng_->Below(4));
    facts.local_only = Chance(4);
    facts.routine = Chance(5);
    facts.urgent = Chance(2);
    if (Chance(3)) facts.role = std::vector<std::string>{"coder", "operator", "planner"}[rng_->Below(3)];
    if (Chance(4)) facts.pin.model = kModels[rng_->Below(7)];
    if (Chance(6)) facts.pin.endpoint = "e" + std::to_string(rng_->Below(10));
    facts.pin.allow_fallback = Chance(2);
    if (Chance(6)) facts.max_cost_micros = static_cast<std::int64_t>(rng_->Below(100'000));
    while (Chance(2)) {
      facts = After(facts, kModels[rng_->Below(7)], static_cast<AttemptOutcome>(1 + rng_->Below(9)));
    }
    return facts;
  }

  std::vector<BudgetState> MakeBudgets() {
    std::vector<BudgetState> states;
    while (Chance(2)) {
      BudgetState state = Spent("b" + std::to_string(states.size()), static_cast<BudgetPolicy>(1 + rng_->Below(3)));
      if (Chance(2)) state.spec.provider = Chance(2) ? "alpha" : "beta";
      if (Chance(2)) state.spec.limit_micros = 1'000'000'000;
      states.push_back(state);
    }
    return states;
  }

  std::vector<std::string> MakeOffers() {
    std::vector<std::string> offers = {"agent:agent0"};
    for (int i = 0; i < 10; ++i) {
      if (!Chance(3)) offers.push_back("credential:env:e" + std::to_string(i));
    }
    return offers;
  }
  bool Chance(std::uint64_t one_in) { return rng_->Below(one_in) == 0; }

 private:
  static constexpr const char* kModels[] = {"tiny", "mid", "strong", "flash", "big", "vast", "unlisted"};
  std::unique_ptr<Rng> rng_;
};

TEST(DecidePropertyTest, WhatMustHoldOfEveryDecision) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomYards random(seed);
    TestYard yard(random.MakeCatalogue(), {.reroute_gone_models = random.Chance(2)});
    yard.SetBudgets(random.MakeBudgets());
    yard.Offer(random.MakeOffers());
    if (random.Chance(2)) yard.OneAgent();
    for (int i = 0; i < 20; ++i) {
      const TaskFacts facts = random.MakeFacts();
      const DecideResult result = yard.Ask(facts);
      const Explanation why = yard.AskWhy(facts);
      if (const Hold* const hold = std::get_if<Hold>(&result)) {
        ASSERT_TRUE(why.hold.has_value());
        EXPECT_EQ(why.hold->code, hold->code);
        EXPECT_FALSE(hold->message.empty());
        EXPECT_GT(hold->retry_time, kTestNow);
        EXPECT_LT(hold->retry_time, absl::InfiniteFuture());
        continue;
      }
      const Decision& decision = Of(result);
      ASSERT_FALSE(why.hold.has_value());
      ASSERT_FALSE(decision.candidates.empty());
      EXPECT_FALSE(ReasonOf(decision).empty());
      // Those that a decision names are the first of the explained ones, but for what it had no room to name.
      std::set<const Slot*> seen;
      for (std::size_t j = 0; j < decision.candidates.size(); ++j) {
        const Slot& slot = *decision.candidates[j].slot;
        EXPECT_TRUE(seen.insert(&slot).second);
        EXPECT_EQ(why.candidates[j].slot, &slot);
        EXPECT_EQ(why.candidates[j].rejection, Rejection::kNone);
        EXPECT_EQ(decision.candidates[j].estimate, why.candidates[j].estimate);
        const bool stays = facts.local_only || facts.routine || facts.role == "operator" || decision.local_only;
        if (stays) {
          EXPECT_TRUE(slot.endpoint->local && !slot.placed->remote);
        }
        int tries = 0;
        for (const FormerAttempt& attempt : facts.former) {
          tries += CountsAsTry(attempt.outcome) && yard.snapshot().FindModel(attempt.model) == slot.model ? 1 : 0;
        }
        EXPECT_LT(tries, 2);
        if (!facts.pin.model.empty() && !facts.pin.allow_fallback) {
          EXPECT_EQ(slot.placed->model, facts.pin.model);
        }
        EXPECT_EQ(slot.closed, Rejection::kNone);
        EXPECT_EQ(slot.barred, Rejection::kNone);
        EXPECT_TRUE(slot.has_room[facts.urgent ? 1 : 0]);
      }
    }
  }
}

TEST(DecidePropertyTest, TheSameQuestionHasTheSameAnswer) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    RandomYards random(seed);
    Catalogue catalogue = random.MakeCatalogue();
    const TestYard yard(catalogue);
    std::reverse(catalogue.endpoints.begin(), catalogue.endpoints.end());
    const TestYard other(catalogue);
    for (int i = 0; i < 20; ++i) {
      const TaskFacts facts = random.MakeFacts();
      EXPECT_EQ(Show(yard.Ask(facts)), Show(other.Ask(facts)));
    }
  }
}

}  // namespace
}  // namespace switchyard::router
