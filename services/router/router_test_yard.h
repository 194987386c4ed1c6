// A router over an in-memory store and scripted neighbours, for tests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/router/fake_ports.h"
#include "services/router/in_memory_route_store.h"
#include "services/router/proto_time.h"
#include "services/router/router.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {

class RouterTestYard {
 public:
  explicit RouterTestYard(RouterOptions options = {})
      : router({.store = store,
                .view = view,
                .reader = reader,
                .tasks = tasks,
                .capacity = capacity,
                .words = words,
                .clock = clock,
                .ids = ids,
                .meter = meter},
               options) {
    SetCatalogue(TestCatalogue());
  }

  // Each endpoint gets an id of its own: "box" as IdOf("box").
  void SetCatalogue(Catalogue catalogue) {
    std::uint64_t n = 0;
    for (Endpoint& endpoint : catalogue.endpoints) {
      endpoint.id = EndpointId(testing::FakeUuid(kBegin, 10 + n++));
      ids_by_name[endpoint.name] = endpoint.id.ToString();
    }
    catalogue.time = clock.Now();
    view.SetCatalogue(std::move(catalogue));
  }
  std::string IdOf(const std::string& endpoint) const { return ids_by_name.at(endpoint); }

  static std::string TaskName(int n) {
    return testing::FakeUuid(kBegin, 1'000 + static_cast<std::uint64_t>(n)).ToString();
  }

  // A prompt that waits, complex unless a test says otherwise.
  task_queue::v1::Task Waiting(int n) const {
    task_queue::v1::Task task;
    task.set_id(TaskName(n));
    task.set_state(task_queue::v1::TASK_STATE_QUEUED);
    task.mutable_spec()->set_project("p");
    task.mutable_spec()->mutable_prompt()->set_instruction("do something");
    task.mutable_spec()->set_complexity(task_queue::v1::COMPLEXITY_COMPLEX);
    return task;
  }
  void Put(const task_queue::v1::Task& task) { tasks.Put(task); }

  v1::RouteResult Route(int n, std::int64_t generation = 0, std::vector<std::string> offered = TestOffers()) {
    v1::RouteRequest request;
    request.add_items()->set_task_id(TaskName(n));
    request.mutable_items(0)->set_generation(generation);
    for (std::string& offer : offered) request.add_offered(std::move(offer));
    v1::RouteResponse response;
    SY_EXPECT_OK(router.Route(request, response));
    return response.results_size() == 1 ? response.results(0) : v1::RouteResult();
  }
  static v1::ReserveItem Item(int n, std::int64_t generation, const std::string& decision) {
    v1::ReserveItem item;
    item.set_task_id(TaskName(n));
    item.set_generation(generation);
    item.set_decision_id(decision);
    for (const std::string& offer : TestOffers()) item.add_offered(offer);
    return item;
  }
  absl::StatusOr<v1::ReserveResult> Reserve(const v1::ReserveItem& item) {
    v1::ReserveRoutesRequest request;
    *request.add_items() = item;
    v1::ReserveRoutesResponse response;
    SY_RETURN_IF_ERROR(router.Reserve(request, response));
    return response.results(0);
  }
  // As above, for an agent that offers just this.
  absl::StatusOr<v1::ReserveResult> ReserveFor(int n, const std::string& agent, std::vector<std::string> offered,
                                               const std::string& decision = "") {
    v1::ReserveItem item = Item(n, 1, decision);
    item.set_agent_id(agent);
    item.clear_offered();
    for (std::string& offer : offered) item.add_offered(std::move(offer));
    return Reserve(item);
  }
  void PutRunning(int n) {
    task_queue::v1::Task running = Waiting(n);
    running.set_state(task_queue::v1::TASK_STATE_RUNNING);
    running.set_generation(1);
    Put(running);
  }
  // Routed and reserved; the routing, empty when it waits.
  v1::Routing Assign(int n) {
    Put(Waiting(n));
    const absl::StatusOr<v1::ReserveResult> result = Reserve(Item(n, 1, Route(n).decision().decision_id()));
    SY_EXPECT_OK(result.status());
    return result.ok() ? result->routing() : v1::Routing();
  }
  absl::Status Report(int n, const std::function<void(v1::RouteOutcome&)>& change,
                      v1::ReportOutcomesResponse* response = nullptr) {
    v1::ReportOutcomesRequest request;
    v1::RouteOutcome& outcome = *request.add_outcomes();
    outcome.set_task_id(TaskName(n));
    outcome.set_generation(1);
    outcome.set_outcome(task_queue::v1::ATTEMPT_OUTCOME_SUCCEEDED);
    change(outcome);
    v1::ReportOutcomesResponse ignored;
    return router.Report(request, response == nullptr ? ignored : *response);
  }
  void SetBudget(const std::string& name, std::int64_t limit, BudgetPolicy policy = BudgetPolicy::kHold) {
    v1::SetBudgetResponse response;
    SY_EXPECT_OK(router.SetBudget({.name = name, .limit_micros = limit, .policy = policy}, "test", response));
  }
  v1::BudgetState Budget() {
    v1::ListBudgetsResponse response;
    SY_EXPECT_OK(router.ListBudgets(response));
    return response.budgets_size() > 0 ? response.budgets(0) : v1::BudgetState();
  }
  std::vector<v1::Decision> Decisions() {
    v1::ListDecisionsResponse response;
    SY_EXPECT_OK(router.List({}, response));
    return {response.decisions().begin(), response.decisions().end()};
  }
  absl::StatusOr<v1::Routing> Grant(int n, const v1::Routing& from, model_registry::v1::Outcome outcome,
                                    const std::string& reason) {
    v1::GrantRouteRequest request;
    request.set_task_id(TaskName(n));
    request.set_generation(1);
    request.set_reason(reason);
    request.mutable_observation()->set_endpoint(from.endpoint().endpoint());
    request.mutable_observation()->set_outcome(outcome);
    for (const std::string& offer : TestOffers()) request.add_offered(offer);
    v1::GrantRouteResponse response;
    SY_RETURN_IF_ERROR(router.Grant(request, response));
    return response.routing();
  }

  static inline const absl::Time kBegin = testing::FakeClock().Now();
  testing::FakeClock clock;
  testing::FakeIdSource ids{clock};
  telemetry::Metrics metrics;
  InMemoryRouteStore store;
  FakeTaskPort tasks;
  FakeCapacityPort capacity;
  RouteView view{clock, RouterRules()};
  RaisingWords words{view.rules().tiers.raising_words};
  TaskReader reader{tasks, store, words, 100};
  RouterMeter meter{metrics};
  std::map<std::string, std::string> ids_by_name;
  Router router;
};

}  // namespace switchyard::router
