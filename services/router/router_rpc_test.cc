#include "services/router/router_rpc.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/router/grpc_ports.h"
#include "services/router/registry_feed.h"
#include "services/router/router_test_yard.h"

namespace switchyard::router {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using Stub = v1::RouterService::StubInterface;

class RouterRpcTest : public ::testing::Test {
 protected:
  RouterRpcTest() {
    work_.Start();
    rpc_ = std::make_unique<RouterRpc>(server_.gate(),
                                       RouterRpc::Deps{.router = yard_.router, .routing = work_, .blocking = work_});
    server_.Register(*rpc_, v1::RouterService::service_full_name());
    server_.Start();
    stub_ = v1::RouterService::NewStub(server_.channel());
  }
  ~RouterRpcTest() override {
    stub_.reset();
    server_.Stop();
    work_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(const char* token,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  template <class Request, class Response>
  std::vector<std::string> Faults(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                  const Request& request) {
    std::vector<std::string> fields;
    for (const FieldViolation& fault : DetailsOf(Call("service-token", method, request).status()).violations) {
      fields.push_back(fault.field);
    }
    return fields;
  }

  RouterTestYard yard_;
  BoundedExecutor work_{"work", 2, 16};
  std::unique_ptr<RouterRpc> rpc_;
  testing::RpcTestServer server_{testing::RpcTestServer::Options(), &yard_.clock, nullptr};
  std::unique_ptr<v1::RouterService::Stub> stub_;
};

TEST_F(RouterRpcTest, RoutesReservesReportsAndShows) {
  yard_.Put(yard_.Waiting(1));
  v1::RouteRequest route;
  route.add_items()->set_task_id(RouterTestYard::TaskName(1));
  for (const std::string& offer : TestOffers()) route.add_offered(offer);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RouteResponse routed, Call("service-token", &Stub::Route, route));
  v1::ReserveRoutesRequest reserve;
  *reserve.add_items() = RouterTestYard::Item(1, 1, routed.results(0).decision().decision_id());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveRoutesResponse reserved,
                          Call("service-token", &Stub::ReserveRoutes, reserve));
  ASSERT_TRUE(reserved.results(0).has_routing());
  v1::RenewRoutesRequest renew;
  renew.add_keys()->set_task_id(RouterTestYard::TaskName(1));
  renew.mutable_keys(0)->set_generation(1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RenewRoutesResponse renewed, Call("service-token", &Stub::RenewRoutes, renew));
  EXPECT_EQ(renewed.lost_size(), 0);
  v1::ReportOutcomesRequest report;
  report.add_outcomes()->set_task_id(RouterTestYard::TaskName(1));
  report.mutable_outcomes(0)->set_generation(1);
  SY_ASSERT_OK(Call("service-token", &Stub::ReportOutcomes, report));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListDecisionsResponse listed,
                          Call("read-token", &Stub::ListDecisions, v1::ListDecisionsRequest()));
  ASSERT_EQ(listed.decisions_size(), 1);
  EXPECT_EQ(listed.decisions(0).state(), v1::DECISION_STATE_SETTLED);
  SY_ASSERT_OK(Call("service-token", &Stub::GetSnapshot, v1::GetSnapshotRequest()));
}

TEST_F(RouterRpcTest, ReportsFaultsByField) {
  EXPECT_THAT(Faults(&Stub::Route, v1::RouteRequest()), ::testing::ElementsAre("items"));
  v1::ReserveRoutesRequest reserve;
  reserve.add_items()->set_decision_id("x");
  *reserve.add_items() = RouterTestYard::Item(1, 1, "");
  *reserve.add_items() = RouterTestYard::Item(1, 1, "");
  EXPECT_THAT(
      Faults(&Stub::ReserveRoutes, reserve),
      ::testing::ElementsAre("items[0].task_id", "items[0].generation", "items[0].decision_id", "items[2].task_id"));
  v1::ReportOutcomesRequest report;
  *report.add_outcomes()->mutable_task_id() = RouterTestYard::TaskName(1);
  report.mutable_outcomes(0)->set_generation(1);
  report.mutable_outcomes(0)->mutable_usage()->set_cost_micros(-1);
  EXPECT_THAT(Faults(&Stub::ReportOutcomes, report), ::testing::ElementsAre("outcomes[0].usage"));
  v1::GrantRouteRequest grant;
  grant.set_task_id(RouterTestYard::TaskName(1));
  grant.set_generation(1);
  EXPECT_THAT(Faults(&Stub::GrantRoute, grant), ::testing::ElementsAre("reason"));
  EXPECT_THAT(Call("read-token", &Stub::ExplainRoute, v1::ExplainRouteRequest()), IsError("INVALID_FIELD"));
}

TEST_F(RouterRpcTest, SetsShowsAndRemovesBudgets) {
  v1::SetBudgetRequest set;
  set.mutable_budget()->set_name("all");
  set.mutable_budget()->set_limit_micros(5'000'000);
  EXPECT_THAT(Call("admin-token", &Stub::SetBudget, set), IsError("INVALID_FIELD")) << "which period?";
  set.mutable_budget()->set_period(v1::BUDGET_PERIOD_DAY);
  EXPECT_THAT(Call("submit-token", &Stub::SetBudget, set), IsError("SCOPE_MISSING"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::SetBudgetResponse made, Call("admin-token", &Stub::SetBudget, set));
  EXPECT_EQ(made.state().budget().warn_percent(), 80);
  EXPECT_EQ(made.state().budget().policy(), v1::BUDGET_POLICY_HOLD);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListBudgetsResponse listed,
                          Call("read-token", &Stub::ListBudgets, v1::ListBudgetsRequest()));
  EXPECT_EQ(listed.budgets_size(), 1);
  v1::RemoveBudgetRequest remove;
  remove.set_name("all");
  EXPECT_THAT(Call("admin-token", &Stub::RemoveBudget, remove), IsOk());
  EXPECT_THAT(Call("admin-token", &Stub::RemoveBudget, remove), IsError("BUDGET_NOT_FOUND"));
}

namespace mr = model_registry::v1;

mr::WatchRegistryResponse Told(std::int64_t sequence) {
  mr::WatchRegistryResponse message;
  message.set_sequence(sequence);
  return message;
}

void TellEndpoint(const std::string& id, const std::string& name, mr::WatchRegistryResponse& message) {
  mr::Endpoint& endpoint = *message.add_endpoints();
  endpoint.set_endpoint_id(id);
  endpoint.mutable_spec()->set_name(name);
  endpoint.mutable_spec()->set_kind(mr::ENDPOINT_KIND_OLLAMA);
  endpoint.mutable_spec()->set_url("http://gpu-1:11434/x");
  endpoint.mutable_status()->set_state(mr::ENDPOINT_STATE_HEALTHY);
  mr::PlacedModel& placed = *endpoint.mutable_status()->add_models();
  placed.set_model("m");
  placed.set_remote(name == "two");
}

TEST(RegistryMirrorTest, AddsUpWhatItIsTold) {
  RegistryMirror mirror;
  mr::WatchRegistryResponse first = Told(1);
  TellEndpoint("a", "one", first);
  TellEndpoint("b", "two", first);
  first.set_models_changed(true);
  first.add_models()->set_model("m");
  EXPECT_TRUE(mirror.Apply(first));
  EXPECT_FALSE(mirror.complete());
  mr::WatchRegistryResponse second = Told(2);
  second.set_snapshot_complete(true);
  second.set_table_fingerprint("t");
  EXPECT_TRUE(mirror.Apply(second));
  EXPECT_TRUE(mirror.complete());
  mr::WatchRegistryResponse third = Told(3);
  third.add_removed_endpoint_ids("a");
  EXPECT_TRUE(mirror.Apply(third));
  const Catalogue catalogue = mirror.ToCatalogue(absl::UnixEpoch());
  ASSERT_EQ(catalogue.endpoints.size(), 1u);
  EXPECT_EQ(catalogue.endpoints[0].name, "two");
  EXPECT_EQ(catalogue.endpoints[0].host, "gpu-1");
  EXPECT_TRUE(catalogue.endpoints[0].models.at(0).remote);
  EXPECT_EQ(catalogue.models.size(), 1u);
  EXPECT_EQ(catalogue.table_fingerprint, "t");
  EXPECT_FALSE(mirror.Apply(Told(5))) << "a gap";
}

// A registry that tells its watchers one endpoint, and a queue that knows one task.
class FakeNeighbours final : public mr::ModelRegistryService::CallbackService {
 public:
  explicit FakeNeighbours(rpc::CallGate& gate) : rpc_(gate, mr::ModelRegistryService::service_full_name()) {}

  grpc::ServerWriteReactor<mr::WatchRegistryResponse>* WatchRegistry(grpc::CallbackServerContext* context,
                                                                     const mr::WatchRegistryRequest* request) override {
    return rpc_.Stream<mr::WatchRegistryResponse>(
        context, watch_, request, rpc::StreamLimits{},
        [this](const rpc::CallContext&, const mr::WatchRegistryRequest&, auto stream) -> absl::Status {
          mr::WatchRegistryResponse message = Told(1);
          TellEndpoint("a", "one", message);
          message.set_snapshot_complete(true);
          stream->Offer(std::move(message));
          MutexLock lock(mutex_);
          streams_.push_back(std::move(stream));
          return absl::OkStatus();
        });
  }
  void EndStreams() {
    MutexLock lock(mutex_);
    for (auto& stream : streams_) stream->CloseWith(absl::UnavailableError("going"));
    streams_.clear();
  }

 private:
  rpc::Handlers rpc_;
  const rpc::Method& watch_ = rpc_.Find("WatchRegistry");
  Mutex mutex_;
  std::vector<std::shared_ptr<rpc::ServerStream<mr::WatchRegistryResponse>>> streams_ ABSL_GUARDED_BY(mutex_);
};

TEST(RegistryFeedTest, TellsNewsAndThatNothingIsHeardAndBeginsAnew) {
  testing::RpcTestServer server;
  FakeNeighbours registry(server.gate());
  server.Register(registry, mr::ModelRegistryService::service_full_name());
  server.Start();
  const testing::FakeClock clock;
  Mutex mutex;
  CondVar changed;
  std::vector<std::string> heard;
  const auto note = [&](std::string what) {
    MutexLock lock(mutex);
    heard.push_back(std::move(what));
    changed.NotifyAll();
  };
  const auto await = [&](std::size_t count) {
    MutexLock lock(mutex);
    while (heard.size() < count) changed.Wait(mutex);
  };
  RegistryFeed feed(server.caller("service-token"), clock,
                    {.news = [&](const Catalogue& catalogue) { note(catalogue.endpoints.at(0).name); },
                     .lost = [&] { note("lost"); }});
  feed.Connect(server.channel());
  await(1);
  registry.EndStreams();
  await(3);
  feed.Disconnect();
  EXPECT_THAT(heard, ::testing::ElementsAre("one", "lost", "one"));
  registry.EndStreams();
  server.Stop();
}

class OneTaskLedger final : public task_queue::v1::TaskLedgerService::CallbackService {
 public:
  explicit OneTaskLedger(rpc::CallGate& gate) : rpc_(gate, task_queue::v1::TaskLedgerService::service_full_name()) {}

  grpc::ServerUnaryReactor* ReadTask(grpc::CallbackServerContext* context,
                                     const task_queue::v1::ReadTaskRequest* request,
                                     task_queue::v1::ReadTaskResponse* response) override {
    return rpc_.Unary(context, read_, request, response,
                      [](const rpc::CallContext&, const task_queue::v1::ReadTaskRequest& request,
                         task_queue::v1::ReadTaskResponse& response, rpc::Done done) {
                        if (request.task_id() == RouterTestYard::TaskName(0)) {
                          return done(MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "no such task"));
                        }
                        response.mutable_task()->set_id(request.task_id());
                        done(absl::OkStatus());
                      });
  }

 private:
  rpc::Handlers rpc_;
  const rpc::Method& read_ = rpc_.Find("ReadTask");
};

TEST(GrpcPortsTest, ReadsManyTasksInOrderAFewAtATime) {
  testing::RpcTestServer server;
  OneTaskLedger ledger(server.gate());
  server.Register(ledger, task_queue::v1::TaskLedgerService::service_full_name());
  server.Start();
  GrpcTaskPort port(server.caller("service-token"), absl::Seconds(10));
  std::vector<TaskId> ids;
  for (int n = 0; n < 100; ++n) ids.push_back(TaskId::Parse(RouterTestYard::TaskName(n)).value());
  EXPECT_THAT(port.Read(ids).at(0), IsError("NOT_CONNECTED"));
  port.Connect(server.channel());
  const auto answers = port.Read(ids);
  ASSERT_EQ(answers.size(), ids.size());
  EXPECT_THAT(answers[0], IsError("TASK_NOT_FOUND"));
  for (std::size_t n = 1; n < ids.size(); ++n) {
    SY_ASSERT_OK(answers[n]);
    EXPECT_EQ(answers[n]->id(), ids[n].ToString());
  }
  port.Disconnect();
  server.Stop();
}

}  // namespace
}  // namespace switchyard::router
