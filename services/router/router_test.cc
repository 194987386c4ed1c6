#include "services/router/router.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/router/router_test_yard.h"

namespace switchyard::router {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RouterTest : public ::testing::Test, protected RouterTestYard {};

TEST_F(RouterTest, KnowsNothingBeforeTheRegistryWasHeard) {
  RouteView deaf(clock, RouterRules());
  EXPECT_THAT(deaf.Get(), IsError("REGISTRY_UNKNOWN"));
}

TEST_F(RouterTest, RoutesATaskToTheBestOfWhatItKnows) {
  Put(Waiting(1));
  const v1::RouteResult result = Route(1);
  ASSERT_TRUE(result.has_decision()) << result.DebugString();
  EXPECT_EQ(result.decision().strategy(), v1::STRATEGY_CLOUD_LLM);
  EXPECT_EQ(result.decision().cause(), v1::CAUSE_COMPLEXITY);
  ASSERT_GT(result.decision().candidates_size(), 0);
  EXPECT_EQ(result.decision().needs_size(), 1);
  EXPECT_EQ(ToTime(result.decision().valid_until()), clock.Now() + absl::Seconds(15));
  EXPECT_THAT(Decisions(), IsEmpty()) << "advice is not stored";
}

TEST_F(RouterTest, AnAgentHasAModelOfItsOwnUnlessTheTaskAsksForOne) {
  task_queue::v1::Task task = Waiting(1);
  task.mutable_spec()->mutable_external()->set_agent("helper");
  task.mutable_spec()->mutable_external()->set_instruction("mend it");
  Put(task);
  EXPECT_EQ(Route(1).decision().strategy(), v1::STRATEGY_EXTERNAL);
  EXPECT_EQ(Route(1).decision().candidates_size(), 0);
  task = Waiting(2);
  const std::string model = [&] {
    Put(task);
    return Route(2).decision().candidates(0).model();
  }();
  task = Waiting(3);
  task.mutable_spec()->mutable_external()->set_agent("helper");
  task.mutable_spec()->mutable_external()->set_instruction("mend it");
  task.mutable_spec()->mutable_model_pin()->set_model(model);
  Put(task);
  const v1::RouteResult routed = Route(3);
  ASSERT_GT(routed.decision().candidates_size(), 0) << routed.DebugString();
  EXPECT_EQ(routed.decision().candidates(0).model(), model);
}

TEST_F(RouterTest, ReadsATaskOnceForEachGeneration) {
  task_queue::v1::Task task = Waiting(1);
  Put(task);
  Route(1);
  Route(1);
  EXPECT_EQ(tasks.reads(), 1);
  task.set_generation(1);
  Put(task);
  EXPECT_TRUE(Route(1, 1).has_decision());
  EXPECT_EQ(tasks.reads(), 2);
}

TEST_F(RouterTest, SaysWhyATaskWaits) {
  EXPECT_EQ(Route(9).hold().code(), v1::HOLD_CODE_TASK_GONE);
  task_queue::v1::Task running = Waiting(2);
  running.set_state(task_queue::v1::TASK_STATE_RUNNING);
  Put(running);
  EXPECT_EQ(Route(2).hold().code(), v1::HOLD_CODE_TASK_GONE);
  Put(Waiting(1));
  EXPECT_EQ(Route(1, 0, {}).hold().code(), v1::HOLD_CODE_NO_AGENT_REACHES);
  tasks.SetAway(true);
  const v1::RouteHold unread = Route(3).hold();
  EXPECT_EQ(unread.code(), v1::HOLD_CODE_UNREAD);
  EXPECT_FALSE(unread.permanent());
}

TEST_F(RouterTest, GoesByTheLastSnapshotForAMinuteAndThenWaits) {
  Put(Waiting(1));
  task_queue::v1::Task command = Waiting(2);
  command.mutable_spec()->mutable_command()->add_argv("true");
  Put(command);
  view.LostRegistry();
  clock.Advance(absl::Seconds(59));
  EXPECT_TRUE(Route(1).has_decision());
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(Route(1).hold().code(), v1::HOLD_CODE_REGISTRY_UNKNOWN);
  EXPECT_EQ(Route(2).decision().strategy(), v1::STRATEGY_LOCAL_EXEC) << "what needs no model goes on";
  SetCatalogue(TestCatalogue());
  EXPECT_TRUE(Route(1).has_decision());
}

TEST_F(RouterTest, ReservesCapacityAndMoneyUnderTheAssignment) {
  SetBudget("all", 10'000'000);
  const v1::Routing routing = Assign(1);
  ASSERT_TRUE(routing.has_endpoint());
  EXPECT_FALSE(routing.fallback());
  EXPECT_EQ(routing.endpoint().provider() == "alpha" || routing.endpoint().provider() == "beta", true);
  EXPECT_GT(routing.endpoint().max_output_tokens(), 0);
  EXPECT_LT(routing.ByteSizeLong(), 16u * 1024);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 1);
  EXPECT_EQ(Budget().held_micros(), routing.estimate().cost_micros_upper());
  const std::vector<v1::Decision> decisions = Decisions();
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_EQ(decisions[0].state(), v1::DECISION_STATE_HELD);
  EXPECT_EQ(decisions[0].decision_id(), routing.decision_id());
  EXPECT_GT(decisions[0].explanation().candidates_size(), 0);
  EXPECT_EQ(decisions[0].project(), "p");
}

TEST_F(RouterTest, LocalWorkNeverGetsAModelThatItsEndpointPassesOn) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints = {Box("box", {"strong"})};
  catalogue.endpoints[0].models[0].remote = true;
  SetCatalogue(catalogue);
  task_queue::v1::Task task = Waiting(1);
  task.mutable_spec()->set_local_only(true);
  Put(task);
  EXPECT_TRUE(Route(1).has_hold());
  const v1::Routing routing = Assign(2);
  EXPECT_EQ(routing.strategy(), v1::STRATEGY_CLOUD_LLM);
  EXPECT_EQ(routing.endpoint().endpoint(), "box");
  EXPECT_FALSE(routing.endpoint().local()) << "the executor goes by this";
}

TEST_F(RouterTest, AnswersARepeatedReservationAsBefore) {
  Put(Waiting(1));
  const v1::ReserveItem item = Item(1, 1, Route(1).decision().decision_id());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult first, Reserve(item));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult second, Reserve(item));
  EXPECT_EQ(first.routing().SerializeAsString(), second.routing().SerializeAsString());
  // The task runs by now, and the decision is forgotten.
  clock.Advance(absl::Seconds(20));
  task_queue::v1::Task running = Waiting(1);
  running.set_state(task_queue::v1::TASK_STATE_RUNNING);
  running.set_generation(1);
  Put(running);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult third, Reserve(item));
  EXPECT_EQ(third.routing().decision_id(), first.routing().decision_id());
  EXPECT_EQ(capacity.held(first.routing().endpoint().endpoint_id()), 1);
}

TEST_F(RouterTest, DecidesAnewWhatAnotherReplicaDecided) {
  Put(Waiting(1));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, "")));
  EXPECT_TRUE(result.routing().has_endpoint()) << result.DebugString();
}

TEST_F(RouterTest, GoesOnToTheNextCandidateWhenTheFirstIsFull) {
  SetBudget("all", 100'000'000);
  Put(Waiting(1));
  const v1::RouteDecision decision = Route(1).decision();
  // Both of the best ones' needs are offered by the agent, whoever comes first.
  capacity.SetCapacity(decision.candidates(0).endpoint_id(), 0);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, "")));
  ASSERT_TRUE(result.has_routing()) << result.DebugString();
  EXPECT_NE(result.routing().endpoint().endpoint_id(), decision.candidates(0).endpoint_id());
  EXPECT_TRUE(result.routing().fallback());
  EXPECT_EQ(result.routing().fallback_reason(), "NO_CAPACITY");
  EXPECT_EQ(Budget().held_micros(), result.routing().estimate().cost_micros_upper())
      << "the money of the first is back";
  EXPECT_THAT(Decisions(), SizeIs(1));
  EXPECT_THAT(metrics.Text(), HasSubstr("switchyard_router_fallbacks_total{reason=\"no_capacity\"} 1"));
}

TEST_F(RouterTest, OpensTheCandidatesThatTheAgentOfTheReservationHas) {
  Put(Waiting(1));
  const v1::RouteDecision decision = Route(1).decision();
  EXPECT_EQ(decision.candidates_size(), 1) << "no agent is known, so none may need another key";
  capacity.SetCapacity(decision.candidates(0).endpoint_id(), 0);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, decision.decision_id())));
  ASSERT_TRUE(result.has_routing()) << result.DebugString();
  EXPECT_EQ(result.routing().decision_id(), decision.decision_id());
  EXPECT_EQ(result.routing().fallback_reason(), "NO_CAPACITY");
}

TEST_F(RouterTest, HoldsATaskForWhichThereIsNoCapacityAndKeepsNothing) {
  SetBudget("all", 100'000'000);
  for (const char* const endpoint : {"box", "alpha", "beta"}) capacity.SetCapacity(IdOf(endpoint), 0);
  Put(Waiting(1));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, Route(1).decision().decision_id())));
  EXPECT_EQ(result.hold().code(), v1::HOLD_CODE_NO_CAPACITY);
  EXPECT_GT(ToTime(result.hold().retry_time()), clock.Now());
  EXPECT_EQ(Budget().held_micros(), 0);
  EXPECT_THAT(Decisions(), IsEmpty());
}

TEST_F(RouterTest, ASpentBudgetHoldsBeforeCapacityIsAskedFor) {
  Put(Waiting(1));
  const std::string decision = Route(1).decision().decision_id();
  SetBudget("all", 1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, decision)));
  EXPECT_EQ(result.hold().code(), v1::HOLD_CODE_BUDGET_SPENT);
  EXPECT_FALSE(result.hold().permanent());
  for (const char* const endpoint : {"box", "alpha", "beta"}) EXPECT_EQ(capacity.held(IdOf(endpoint)), 0);
  EXPECT_EQ(Route(1).hold().code(), v1::HOLD_CODE_BUDGET_SPENT) << "and the next decision knows";
}

TEST_F(RouterTest, ARegistryThatDoesNotAnswerCostsNothing) {
  SetBudget("all", 100'000'000);
  Put(Waiting(1));
  const std::string decision = Route(1).decision().decision_id();
  capacity.SetAway(true);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult result, Reserve(Item(1, 1, decision)));
  EXPECT_EQ(result.hold().code(), v1::HOLD_CODE_REGISTRY_UNKNOWN);
  EXPECT_EQ(Budget().held_micros(), 0);
}

TEST_F(RouterTest, GoesOnFromMemoryWhileTheDatabaseIsAway) {
  store.SetAway(true);
  Put(Waiting(1));
  const v1::RouteResult routed = Route(1);
  EXPECT_TRUE(routed.has_decision());
  EXPECT_THAT(Reserve(Item(1, 1, routed.decision().decision_id())), IsError("DATABASE_UNAVAILABLE"));
  store.SetAway(false);
  EXPECT_THAT(Reserve(Item(1, 1, routed.decision().decision_id())), testing::IsOk());
}

TEST_F(RouterTest, ReleasesBoth) {
  SetBudget("all", 100'000'000);
  const v1::Routing routing = Assign(1);
  v1::ReleaseRoutesRequest request;
  request.add_keys()->set_task_id(TaskName(1));
  request.mutable_keys(0)->set_generation(1);
  v1::ReleaseRoutesResponse response;
  SY_ASSERT_OK(router.Release(request, response));
  EXPECT_EQ(response.released(), 1);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 0);
  EXPECT_EQ(Budget().held_micros(), 0);
  v1::ReleaseRoutesResponse again;
  SY_ASSERT_OK(router.Release(request, again));
  EXPECT_EQ(again.released(), 0);
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_RELEASED);
}

TEST_F(RouterTest, RenewsWhatRunsAndNamesWhatIsLost) {
  const v1::Routing routing = Assign(1);
  capacity.Forget();
  v1::RenewRoutesRequest request;
  for (const int task : {1, 2}) {
    v1::RouteKey& key = *request.add_keys();
    key.set_task_id(TaskName(task));
    key.set_generation(1);
  }
  v1::RenewRoutesResponse response;
  SY_ASSERT_OK(router.Renew(request, response));
  ASSERT_EQ(response.lost_size(), 1);
  EXPECT_EQ(response.lost(0).task_id(), TaskName(2));
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 1) << "what runs takes its place again";
}

TEST_F(RouterTest, SettlesOnTheReportedCost) {
  SetBudget("all", 100'000'000);
  const v1::Routing routing = Assign(1);
  const auto used = [&](v1::RouteOutcome& outcome) {
    outcome.mutable_usage()->set_model(routing.endpoint().model());
    outcome.mutable_usage()->set_cost_micros(1'234);
    outcome.add_observations()->set_endpoint(routing.endpoint().endpoint());
  };
  SY_ASSERT_OK(Report(1, used));
  SY_ASSERT_OK(Report(1, used));
  EXPECT_EQ(Budget().spent_micros(), 1'234);
  EXPECT_EQ(Budget().held_micros(), 0);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 0);
  EXPECT_EQ(capacity.observed(), 1) << "told twice, it counts once";
  EXPECT_EQ(Decisions().at(0).usage().cost_micros(), 1'234);
}

TEST_F(RouterTest, WorksTheCostOutWhenTheExecutorDoesNotKnowIt) {
  SetBudget("all", 100'000'000);
  const v1::Routing routing = Assign(1);
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) {
    outcome.mutable_usage()->set_cost_unknown(true);
    outcome.mutable_usage()->set_input_tokens(1'000'000);
    outcome.mutable_usage()->set_output_tokens(0);
  }));
  EXPECT_EQ(Budget().spent_micros(), routing.endpoint().rates().input());
}

TEST_F(RouterTest, NothingWasUsedWhereNoUsageIsTold) {
  SetBudget("all", 100'000'000);
  Assign(1);
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) { outcome.set_outcome(task_queue::v1::ATTEMPT_OUTCOME_LOST); }));
  EXPECT_EQ(Budget().spent_micros(), 0);
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_SETTLED);
}

TEST_F(RouterTest, FindsOutThatAnotherModelAnswered) {
  const v1::Routing routing = Assign(1);
  v1::ReportOutcomesResponse response;
  SY_ASSERT_OK(Report(
      1, [](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_model("something-else"); }, &response));
  ASSERT_EQ(response.mismatches_size(), 1);
  EXPECT_EQ(response.mismatches(0).task_id(), TaskName(1));
  EXPECT_TRUE(Decisions().at(0).mismatch());
  EXPECT_THAT(metrics.Text(), HasSubstr("switchyard_router_model_mismatches_total{endpoint=\"" +
                                        routing.endpoint().endpoint() + "\"} 1"));
  Assign(2);
  v1::ReportOutcomesResponse none;
  SY_ASSERT_OK(Report(
      2,
      [&](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_model(routing.endpoint().model() + "-20260101"); },
      &none));
  EXPECT_EQ(none.mismatches_size(), 0);
}

TEST_F(RouterTest, GrantsTheNextEndpointOfTheChain) {
  SetBudget("all", 100'000'000);
  const v1::Routing first = Assign(1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::Routing second,
                          Grant(1, first, model_registry::v1::OUTCOME_FAILURE, "ENDPOINT_FAILED"));
  EXPECT_NE(second.endpoint().endpoint(), first.endpoint().endpoint());
  EXPECT_EQ(second.decision_id(), first.decision_id());
  EXPECT_TRUE(second.fallback());
  EXPECT_EQ(second.fallback_reason(), "ENDPOINT_FAILED");
  EXPECT_EQ(second.grants(), 1);
  ASSERT_EQ(second.left_size(), 1);
  EXPECT_EQ(capacity.held(first.endpoint().endpoint_id()), 0);
  EXPECT_EQ(capacity.held(second.endpoint().endpoint_id()), 1);
  EXPECT_EQ(Budget().held_micros(), second.estimate().cost_micros_upper());
  EXPECT_EQ(capacity.observed(), 1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::Routing again,
                          Grant(1, first, model_registry::v1::OUTCOME_FAILURE, "ENDPOINT_FAILED"));
  EXPECT_EQ(again.endpoint().endpoint(), second.endpoint().endpoint()) << "asked again for the same";
  EXPECT_EQ(again.grants(), 1);
  EXPECT_THAT(Grant(1, second, model_registry::v1::OUTCOME_FAILURE, "ENDPOINT_FAILED"), IsError("CHAIN_EXHAUSTED"));
}

TEST_F(RouterTest, RefusesGrantsThatTheReasonDoesNotPermit) {
  const v1::Routing routing = Assign(1);
  EXPECT_THAT(Grant(1, routing, model_registry::v1::OUTCOME_NEUTRAL, "BAD_REQUEST"), IsError("GRANT_REFUSED"));
  EXPECT_THAT(Grant(2, routing, model_registry::v1::OUTCOME_FAILURE, "ENDPOINT_FAILED"), IsError("ROUTE_NOT_HELD"));
}

TEST_F(RouterTest, KeepsWhatRunsThoughNobodyRenewedIt) {
  SetBudget("all", 100'000'000);
  const v1::Routing routing = Assign(1);
  task_queue::v1::Task running = Waiting(1);
  running.set_state(task_queue::v1::TASK_STATE_RUNNING);
  running.set_generation(1);
  Put(running);
  clock.Advance(absl::Seconds(61));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(0));
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_HELD);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 1);
}

TEST_F(RouterTest, RenewsWhatRunsBeforeItEnds) {
  Assign(1);
  Assign(2);
  task_queue::v1::Task running = Waiting(1);
  running.set_state(task_queue::v1::TASK_STATE_RUNNING);
  running.set_generation(1);
  Put(running);
  clock.Advance(absl::Seconds(45));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(2));
  for (const v1::Decision& decision : Decisions()) EXPECT_EQ(decision.state(), v1::DECISION_STATE_HELD);
  clock.Advance(absl::Seconds(16));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1)) << "the other one, which has ended by now";
  EXPECT_EQ(Decisions().at(0).task_id(), TaskName(2));
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_EXPIRED);
  EXPECT_EQ(Decisions().at(1).state(), v1::DECISION_STATE_HELD);
}

TEST_F(RouterTest, SettlesAnEndedAttemptThatNobodyReported) {
  SetBudget("all", 100'000'000);
  const v1::Routing routing = Assign(1);
  task_queue::v1::Task ended = Waiting(1);
  ended.set_state(task_queue::v1::TASK_STATE_SUCCEEDED);
  ended.set_generation(1);
  task_queue::v1::Attempt& attempt = *ended.add_history();
  attempt.set_generation(1);
  attempt.set_outcome(task_queue::v1::ATTEMPT_OUTCOME_SUCCEEDED);
  attempt.mutable_usage()->set_cost_micros(77);
  Put(ended);
  clock.Advance(absl::Seconds(61));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  EXPECT_EQ(Budget().spent_micros(), 77);
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_SETTLED);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 0);
}

TEST_F(RouterTest, ReturnsOrphansAndStillSettlesThemLate) {
  SetBudget("all", 100'000'000);
  Assign(1);
  clock.Advance(absl::Seconds(61));
  tasks.SetAway(true);
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  EXPECT_GT(Budget().held_micros(), 0) << "nothing is known of it";
  tasks.SetAway(false);
  clock.Advance(absl::Seconds(16));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  EXPECT_EQ(Budget().held_micros(), 0);
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_EXPIRED);
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_cost_micros(9); }));
  EXPECT_EQ(Budget().spent_micros(), 9);
}

TEST_F(RouterTest, GoesByWhatEarlierAttemptsRanOnEvenWhenTheyDoNotSay) {
  const v1::Routing routing = Assign(1);
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) { outcome.set_outcome(task_queue::v1::ATTEMPT_OUTCOME_LOST); }));
  task_queue::v1::Task retried = Waiting(1);
  retried.set_generation(1);
  retried.add_history()->set_generation(1);
  retried.mutable_history(0)->set_outcome(task_queue::v1::ATTEMPT_OUTCOME_LOST);
  Put(retried);
  const v1::RouteResult result = Route(1, 1);
  EXPECT_EQ(result.decision().cause(), v1::CAUSE_KEPT) << result.DebugString();
  EXPECT_EQ(result.decision().candidates(0).model(), routing.endpoint().model());
}

TEST_F(RouterTest, PublishesFreeLocalEndpointsUnderAVersionThatGrows) {
  v1::GetSnapshotResponse first, same, fewer;
  SY_ASSERT_OK(router.Snapshot(first));
  EXPECT_EQ(first.endpoints_size(), 2);
  EXPECT_EQ(first.endpoints(0).endpoint(), "box");
  clock.Advance(absl::Seconds(1));
  SY_ASSERT_OK(router.Snapshot(same));
  EXPECT_EQ(same.version(), first.version());
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].capacity = 0;
  SetCatalogue(std::move(catalogue));
  SY_ASSERT_OK(router.Snapshot(fewer));
  EXPECT_EQ(fewer.endpoints_size(), 0);
  EXPECT_GT(fewer.version(), same.version());
}

TEST_F(RouterTest, ExplainsASpecificationAndATask) {
  v1::ExplainRouteRequest request;
  *request.mutable_spec() = Waiting(1).spec();
  v1::ExplainRouteResponse response;
  SY_ASSERT_OK(router.Explain(request, response));
  EXPECT_GT(response.explanation().candidates_size(), 2);
  EXPECT_FALSE(response.explanation().has_hold());
  // As the schedulers told last.
  Put(Waiting(2));
  Route(2, 0, {"credential:env:alpha"});
  v1::ExplainRouteRequest by_id;
  by_id.set_task_id(TaskName(2));
  v1::ExplainRouteResponse narrowed;
  SY_ASSERT_OK(router.Explain(by_id, narrowed));
  EXPECT_EQ(narrowed.explanation().candidates(0).endpoint().endpoint(), "alpha");
  EXPECT_THAT(Decisions(), IsEmpty());
}

TEST_F(RouterTest, APaidCallThatNobodyCountedSettlesOnWhatWasReserved) {
  SetBudget("all", 100'000'000);
  const auto uncounted = [](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_cost_unknown(true); };
  const std::int64_t first = Assign(1).estimate().cost_micros_upper();
  ASSERT_GT(first, 0);
  SY_ASSERT_OK(Report(1, uncounted));
  EXPECT_EQ(Budget().spent_micros(), first);
  // Told of after the reservation ended by itself, it counts as much.
  const std::int64_t second = Assign(2).estimate().cost_micros_upper();
  clock.Advance(absl::Seconds(61));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  SY_ASSERT_OK(Report(2, uncounted));
  EXPECT_EQ(Budget().spent_micros(), first + second);
  // What is known to have used nothing costs nothing.
  Assign(3);
  SY_ASSERT_OK(Report(3, [](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_model(""); }));
  EXPECT_EQ(Budget().spent_micros(), first + second);
}

TEST_F(RouterTest, TokensOfALaterEndpointDoNotHideWhatAnEarlierOneMayHaveUsed) {
  SetBudget("all", 100'000'000);
  const v1::Routing first = Assign(1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::Routing second, Grant(1, first, model_registry::v1::OUTCOME_FAILURE, "STREAM_CUT"));
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) {
    outcome.mutable_usage()->set_cost_unknown(true);
    outcome.mutable_usage()->set_input_tokens(10);
    outcome.mutable_usage()->set_output_tokens(1);
  }));
  EXPECT_EQ(Budget().spent_micros(), second.estimate().cost_micros_upper());
}

TEST_F(RouterTest, MoneyForAPaidEndpointStaysHeldWhenAFreeOneFollows) {
  SetBudget("all", 100'000'000);
  task_queue::v1::Task task = Waiting(1);
  task.mutable_spec()->set_complexity(task_queue::v1::COMPLEXITY_STANDARD);
  Put(task);
  capacity.SetCapacity(IdOf("box"), 0);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult paid, Reserve(Item(1, 1, "")));
  ASSERT_GT(paid.routing().estimate().cost_micros_upper(), 0) << paid.DebugString();
  capacity.SetCapacity(IdOf("box"), 4);
  SY_ASSERT_OK_AND_ASSIGN(const v1::Routing free,
                          Grant(1, paid.routing(), model_registry::v1::OUTCOME_NO_PROGRESS, "TOKEN_TIMEOUT"));
  ASSERT_TRUE(free.endpoint().free());
  EXPECT_EQ(Budget().held_micros(), paid.routing().estimate().cost_micros_upper());
  SY_ASSERT_OK(Report(1, [](v1::RouteOutcome& outcome) { outcome.mutable_usage()->set_cost_unknown(true); }));
  EXPECT_EQ(Budget().spent_micros(), paid.routing().estimate().cost_micros_upper());
  EXPECT_EQ(Budget().held_micros(), 0);
}

TEST_F(RouterTest, ARepeatedReservationIsRenewed) {
  const v1::Routing first = Assign(1);
  clock.Advance(absl::Seconds(50));
  capacity.Forget();
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult again, Reserve(Item(1, 1, first.decision_id())));
  EXPECT_EQ(again.routing().decision_id(), first.decision_id());
  EXPECT_EQ(capacity.held(first.endpoint().endpoint_id()), 1);
  clock.Advance(absl::Seconds(15));
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(0)) << "it has most of its time left";
}

TEST_F(RouterTest, AReservationForAnotherAgentIsMadeAnew) {
  SetBudget("all", 100'000'000);
  for (const bool remembered : {true, false}) {
    const int n = remembered ? 1 : 2;
    Put(Waiting(n));
    const std::string decision = remembered ? Route(n).decision().decision_id() : "";
    SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult first, ReserveFor(n, "a", TestOffers(), decision));
    const std::string other = first.routing().endpoint().endpoint() == "alpha" ? "beta" : "alpha";
    SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult second, ReserveFor(n, "b", {"credential:env:" + other}, decision));
    ASSERT_TRUE(second.has_routing()) << second.DebugString();
    EXPECT_EQ(second.routing().endpoint().endpoint(), other);
    EXPECT_EQ(capacity.held(first.routing().endpoint().endpoint_id()), 0);
    EXPECT_EQ(capacity.held(second.routing().endpoint().endpoint_id()), 1);
    EXPECT_EQ(Budget().held_micros(), second.routing().estimate().cost_micros_upper());
    EXPECT_THAT(Decisions(), SizeIs(n)) << "the first one never came to be";
    // It is the second one's now.
    SY_ASSERT_OK(Report(n, [](v1::RouteOutcome& outcome) { outcome.set_agent_id("a"); }));
    EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_HELD);
    SY_ASSERT_OK(Report(n, [](v1::RouteOutcome& outcome) { outcome.set_agent_id("b"); }));
    EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_SETTLED);
    clock.Advance(absl::Seconds(1));
  }
}

TEST_F(RouterTest, WhatRunsIsNotReservedForAnotherAgent) {
  Put(Waiting(1));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult first, ReserveFor(1, "a", TestOffers()));
  const std::string endpoint = first.routing().endpoint().endpoint_id();
  tasks.SetAway(true);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult unread, ReserveFor(1, "b", TestOffers()));
  EXPECT_EQ(unread.hold().code(), v1::HOLD_CODE_UNREAD);
  tasks.SetAway(false);
  PutRunning(1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult second, ReserveFor(1, "b", TestOffers()));
  EXPECT_EQ(second.hold().code(), v1::HOLD_CODE_TASK_GONE) << second.DebugString();
  EXPECT_EQ(capacity.held(endpoint), 1);
}

TEST_F(RouterTest, WhatAnotherAgentSaysIsPassedOver) {
  SetBudget("all", 100'000'000);
  Put(Waiting(1));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult reserved, ReserveFor(1, "a", TestOffers()));
  const auto by = [&](const std::string& agent) {
    return [&reserved, agent](v1::RouteOutcome& outcome) {
      outcome.set_agent_id(agent);
      outcome.mutable_usage()->set_cost_micros(5);
      outcome.add_observations()->set_endpoint(reserved.routing().endpoint().endpoint());
    };
  };
  SY_ASSERT_OK(Report(1, by("b")));
  EXPECT_EQ(Budget().spent_micros(), 0);
  EXPECT_EQ(capacity.observed(), 0);
  v1::GrantRouteRequest request;
  request.set_task_id(TaskName(1));
  request.set_generation(1);
  request.set_reason("ENDPOINT_FAILED");
  request.mutable_observation()->set_outcome(model_registry::v1::OUTCOME_FAILURE);
  for (const std::string& offer : TestOffers()) request.add_offered(offer);
  request.set_agent_id("b");
  v1::GrantRouteResponse response;
  EXPECT_THAT(router.Grant(request, response), IsError("ROUTE_NOT_HELD"));
  request.set_agent_id("a");
  SY_EXPECT_OK(router.Grant(request, response));
  SY_ASSERT_OK(Report(1, by("b")));
  EXPECT_EQ(Budget().spent_micros(), 0) << "it stays the first one's at the next endpoint";
  SY_ASSERT_OK(Report(1, by("a")));
  EXPECT_EQ(Budget().spent_micros(), 5);
  EXPECT_EQ(capacity.observed(), 1) << "an endpoint that was left counts";
}

TEST_F(RouterTest, OnlyEndpointsThatTheAssignmentHadAreObserved) {
  const v1::Routing routing = Assign(1);
  const std::string other = routing.endpoint().endpoint() == "alpha" ? "beta" : "alpha";
  SY_ASSERT_OK(Report(1, [&](v1::RouteOutcome& outcome) {
    for (const std::string& endpoint : {routing.endpoint().endpoint(), other, std::string("box"), std::string()}) {
      outcome.add_observations()->set_endpoint(endpoint);
    }
  }));
  EXPECT_EQ(capacity.observed(), 1);
}

TEST_F(RouterTest, ReleasesNothingThatRunsOrCouldNotBeRead) {
  Assign(1);
  const v1::Routing second = Assign(2);
  PutRunning(1);
  v1::ReleaseRoutesRequest request;
  for (const int n : {1, 2}) {
    v1::RouteKey& key = *request.add_keys();
    key.set_task_id(TaskName(n));
    key.set_generation(1);
  }
  v1::ReleaseRoutesResponse response;
  tasks.SetAway(true);
  SY_ASSERT_OK(router.Release(request, response));
  EXPECT_EQ(response.released(), 0);
  tasks.SetAway(false);
  SY_ASSERT_OK(router.Release(request, response));
  EXPECT_EQ(response.released(), 1);
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_RELEASED);
  EXPECT_EQ(Decisions().at(1).state(), v1::DECISION_STATE_HELD);
}

TEST_F(RouterTest, ASweepLeavesWhatWasRenewedWhileItLooked) {
  const v1::Routing routing = Assign(1);
  clock.Advance(absl::Seconds(61));
  tasks.Meanwhile([&] {
    v1::RenewRoutesRequest request;
    request.add_keys()->set_task_id(TaskName(1));
    request.mutable_keys(0)->set_generation(1);
    v1::RenewRoutesResponse response;
    SY_EXPECT_OK(router.Renew(request, response));
  });
  EXPECT_THAT(router.Sweep(), testing::IsOkAndHolds(1));
  EXPECT_EQ(Decisions().at(0).state(), v1::DECISION_STATE_HELD);
  EXPECT_EQ(capacity.held(routing.endpoint().endpoint_id()), 1);
}

TEST_F(RouterTest, SaysNothingOfFreeEndpointsWhileItsKnowledgeIsTooOld) {
  view.LostRegistry();
  clock.Advance(absl::Seconds(61));
  v1::GetSnapshotResponse response;
  EXPECT_THAT(router.Snapshot(response), IsError("REGISTRY_UNKNOWN"));
  SetCatalogue(TestCatalogue());
  SY_EXPECT_OK(router.Snapshot(response));
}

TEST_F(RouterTest, LeavingAPinIsAFallback) {
  task_queue::v1::Task task = Waiting(1);
  task.mutable_spec()->mutable_model_pin()->set_model("big");
  task.mutable_spec()->mutable_model_pin()->set_allow_fallback(true);
  Put(task);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult pinned, Reserve(Item(1, 1, "")));
  EXPECT_EQ(pinned.routing().endpoint().model(), "big");
  EXPECT_FALSE(pinned.routing().fallback());
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[1].state = EndpointState::kOpen;
  SetCatalogue(std::move(catalogue));
  int n = 2;
  // One that is closed, and one that is nowhere.
  for (const char* const model : {"big", "nowhere"}) {
    task.set_id(TaskName(n));
    task.mutable_spec()->mutable_model_pin()->set_model(model);
    Put(task);
    SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveResult left, Reserve(Item(n++, 1, "")));
    EXPECT_EQ(left.routing().endpoint().model(), "vast");
    EXPECT_TRUE(left.routing().fallback());
    EXPECT_EQ(left.routing().fallback_reason(), "PIN_UNAVAILABLE");
  }
  EXPECT_THAT(metrics.Text(), HasSubstr("switchyard_router_fallbacks_total{reason=\"pin_unavailable\"} 2"));
}

TEST_F(RouterTest, PassingByAMisconfiguredFirstChoiceIsAFallback) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[2].state = EndpointState::kMisconfigured;
  SetCatalogue(std::move(catalogue));
  const v1::Routing routing = Assign(1);
  EXPECT_EQ(routing.endpoint().endpoint(), "alpha");
  EXPECT_TRUE(routing.fallback());
  EXPECT_EQ(routing.fallback_reason(), "MISCONFIGURED");
  EXPECT_THAT(metrics.Text(), HasSubstr("switchyard_router_fallbacks_total{reason=\"misconfigured\"} 1"));
}

TEST_F(RouterTest, AReleaseBeforeAnythingWasSentBindsNoModel) {
  for (const int n : {1, 2}) {
    Assign(n);
    SY_ASSERT_OK(Report(n, [&](v1::RouteOutcome& outcome) {
      outcome.set_outcome(task_queue::v1::ATTEMPT_OUTCOME_RELEASED);
      outcome.mutable_usage()->set_input_tokens(n == 1 ? 0 : 5);
    }));
    task_queue::v1::Task again = Waiting(n);
    again.set_generation(1);
    again.add_history()->set_generation(1);
    again.mutable_history(0)->set_outcome(task_queue::v1::ATTEMPT_OUTCOME_RELEASED);
    Put(again);
  }
  EXPECT_EQ(Route(1, 1).decision().cause(), v1::CAUSE_COMPLEXITY);
  EXPECT_EQ(Route(2, 1).decision().cause(), v1::CAUSE_KEPT);
}

TEST_F(RouterTest, PagesDecisions) {
  for (int task = 1; task <= 3; ++task) Assign(task);
  v1::ListDecisionsRequest request;
  request.set_page_size(2);
  v1::ListDecisionsResponse first, second;
  SY_ASSERT_OK(router.List(request, first));
  EXPECT_EQ(first.decisions_size(), 2);
  request.set_page_token(first.next_page_token());
  SY_ASSERT_OK(router.List(request, second));
  EXPECT_EQ(second.decisions_size(), 1);
  EXPECT_EQ(second.next_page_token(), "");
  request.set_page_token("nonsense");
  EXPECT_THAT(router.List(request, second), IsError("INVALID_FIELD"));
}

}  // namespace
}  // namespace switchyard::router
