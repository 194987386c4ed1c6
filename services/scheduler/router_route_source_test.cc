#include "services/scheduler/router_route_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A router that answers what it was told to.
class FakeRouter final : public router::v1::RouterService::CallbackService {
 public:
  explicit FakeRouter(rpc::CallGate& gate) : rpc_(gate, router::v1::RouterService::service_full_name()) {}

  grpc::ServerUnaryReactor* Route(grpc::CallbackServerContext* context, const router::v1::RouteRequest* request,
                                  router::v1::RouteResponse* response) override {
    return rpc_.Unary(context, route_, request, response,
                      [this](const rpc::CallContext&, const router::v1::RouteRequest& request,
                             router::v1::RouteResponse& response, rpc::Done done) {
                        routed = request;
                        response = route_answer;
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerUnaryReactor* ReserveRoutes(grpc::CallbackServerContext* context,
                                          const router::v1::ReserveRoutesRequest* request,
                                          router::v1::ReserveRoutesResponse* response) override {
    return rpc_.Unary(context, reserve_, request, response,
                      [this](const rpc::CallContext&, const router::v1::ReserveRoutesRequest& request,
                             router::v1::ReserveRoutesResponse& response, rpc::Done done) {
                        reserved = request;
                        response = reserve_answer;
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerUnaryReactor* GetSnapshot(grpc::CallbackServerContext* context,
                                        const router::v1::GetSnapshotRequest* request,
                                        router::v1::GetSnapshotResponse* response) override {
    return rpc_.Unary(context, snapshot_, request, response,
                      [this](const rpc::CallContext&, const router::v1::GetSnapshotRequest&,
                             router::v1::GetSnapshotResponse& response, rpc::Done done) {
                        response = snapshot_answer;
                        done(absl::OkStatus());
                      });
  }

  router::v1::RouteRequest routed;
  router::v1::RouteResponse route_answer;
  router::v1::ReserveRoutesRequest reserved;
  router::v1::ReserveRoutesResponse reserve_answer;
  router::v1::GetSnapshotResponse snapshot_answer;

 private:
  rpc::Handlers rpc_;
  const rpc::Method& route_ = rpc_.Find("Route");
  const rpc::Method& reserve_ = rpc_.Find("ReserveRoutes");
  const rpc::Method& snapshot_ = rpc_.Find("GetSnapshot");
};

class RouterRouteSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.emplace();
    router_.emplace(server_->gate());
    meter_.emplace(server_->metrics());
    source_.emplace(clock_, *meter_, absl::Seconds(10));
    server_->Register(*router_, router::v1::RouterService::service_full_name());
    server_->Start();
    source_->Connect(server_->in_process_channel(), server_->caller("service-token"));
  }
  void TearDown() override {
    source_->Disconnect();
    source_.reset();
    server_->Stop();
    router_.reset();
    meter_.reset();
    server_.reset();
  }

  std::vector<scheduler::Route> Ask(RouteQuestion question) {
    return Await<scheduler::Route>([&](auto answer) { source_->Ask({question}, {"agent:a"}, std::move(answer)); });
  }
  std::vector<scheduler::Reserved> Reserve(ReserveQuestion question) {
    return Await<scheduler::Reserved>([&](auto answer) { source_->Reserve({question}, std::move(answer)); });
  }

  testing::FakeClock clock_;
  std::optional<testing::RpcTestServer> server_;
  std::optional<FakeRouter> router_;
  std::optional<SchedulerMeter> meter_;
  std::optional<RouterRouteSource> source_;

 private:
  template <class T>
  std::vector<T> Await(const std::function<void(std::function<void(std::vector<T>)>)>& call) {
    Mutex mutex;
    CondVar changed;
    std::optional<std::vector<T>> answer;
    call([&](std::vector<T> got) {
      MutexLock lock(mutex);
      answer = std::move(got);
      changed.NotifyAll();
    });
    MutexLock lock(mutex);
    while (!answer.has_value()) changed.Wait(mutex);
    return *std::move(answer);
  }
};

TEST_F(RouterRouteSourceTest, AsksTheRouterAndPassesOnWhatItDecided) {
  router::v1::RouteDecision& decision = *router_->route_answer.add_results()->mutable_decision();
  decision.set_decision_id("d");
  decision.add_needs("credential:env:KEY");
  decision.add_warm_hosts("gpu-1");
  const auto routes = Ask({.task = TaskNumber(1), .generation = 3, .retried = true});
  ASSERT_THAT(routes, SizeIs(1));
  EXPECT_FALSE(routes[0].hold.has_value());
  EXPECT_THAT(routes[0].capabilities, ElementsAre("credential:env:KEY"));
  EXPECT_EQ(routes[0].ticket->decision, "d");
  EXPECT_THAT(routes[0].ticket->near_hosts, ElementsAre("gpu-1"));
  EXPECT_EQ(router_->routed.items(0).generation(), 3);
  EXPECT_TRUE(router_->routed.items(0).retried());
  EXPECT_THAT(router_->routed.offered(), ElementsAre("agent:a"));
}

TEST_F(RouterRouteSourceTest, TellsApartWaitsThatEndSoonLateAndNever) {
  const auto hold_of = [&](const router::v1::RouteHold& hold) {
    router_->route_answer.Clear();
    *router_->route_answer.add_results()->mutable_hold() = hold;
    return *Ask({.task = TaskNumber(1)})[0].hold;
  };
  router::v1::RouteHold hold;
  hold.set_code(router::v1::HOLD_CODE_NO_CAPACITY);
  EXPECT_TRUE(hold_of(hold).crowded);
  hold.set_code(router::v1::HOLD_CODE_TASK_GONE);
  EXPECT_TRUE(hold_of(hold).gone);
  hold.set_code(router::v1::HOLD_CODE_BUDGET_SPENT);
  hold.set_message("spent");
  hold.mutable_retry_time()->set_seconds(absl::ToUnixSeconds(clock_.Now() + absl::Seconds(30)));
  EXPECT_EQ(hold_of(hold).message, "spent");
  EXPECT_GT(hold_of(hold).retry_after, absl::Seconds(28));
  hold.set_permanent(true);
  EXPECT_EQ(hold_of(hold).retry_after, absl::Minutes(1));
}

TEST_F(RouterRouteSourceTest, PutsTheReservedRouteIntoTheAssignment) {
  router::v1::Routing& routing = *router_->reserve_answer.add_results()->mutable_routing();
  routing.set_schema_version(1);
  routing.set_reason("role writer");
  routing.mutable_endpoint()->set_model("small");
  routing.mutable_endpoint()->set_endpoint("host-a");
  const auto reserved = Reserve({.task = TaskNumber(1), .generation = 4, .decision = "d", .agent_id = "a"});
  ASSERT_THAT(reserved, SizeIs(1));
  router::v1::Routing told;
  ASSERT_TRUE(told.ParseFromString(reserved[0].ticket->annotation));
  EXPECT_EQ(told.endpoint().model(), "small");
  EXPECT_EQ(reserved[0].ticket->summary, "small at host-a: role writer");
  EXPECT_EQ(router_->reserved.items(0).generation(), 4);
  EXPECT_EQ(router_->reserved.items(0).agent_id(), "a");
}

TEST_F(RouterRouteSourceTest, WhileTheRouterIsAwayOnlyWhatAllowsItGoesToFreeEndpoints) {
  router::v1::RoutedEndpoint& endpoint = *router_->snapshot_answer.add_endpoints();
  endpoint.set_endpoint("host-a");
  endpoint.set_model("small");
  endpoint.set_free(true);
  router_->snapshot_answer.set_version(7);
  source_->RefreshSnapshot();
  source_->Disconnect();  // Waits for the snapshot.
  const auto plain = Ask({.task = TaskNumber(1)});
  EXPECT_THAT(plain[0].hold->message, HasSubstr("The router gives no route now"));
  EXPECT_TRUE(Ask({.task = TaskNumber(1), .pinned = true, .free_fallback = true})[0].hold.has_value());
  const auto fallback = Ask({.task = TaskNumber(1), .free_fallback = true});
  ASSERT_FALSE(fallback[0].hold.has_value());
  EXPECT_EQ(fallback[0].ticket->decision, "") << "nothing can be reserved";
  router::v1::Routing routing;
  ASSERT_TRUE(routing.ParseFromString(fallback[0].ticket->annotation));
  EXPECT_EQ(routing.cause(), router::v1::CAUSE_SNAPSHOT);
  EXPECT_TRUE(routing.fallback());
  EXPECT_EQ(routing.fallback_reason(), "ROUTER_UNAVAILABLE");
  EXPECT_EQ(routing.endpoint().endpoint(), "host-a");
  EXPECT_THAT(fallback[0].ticket->summary, HasSubstr("FALLBACK: ROUTER_UNAVAILABLE"));
}

TEST_F(RouterRouteSourceTest, AsksForPromptsAndForAgentsThatAreToWorkWithAnotherModel) {
  EXPECT_FALSE(source_->IsExempt("prompt", false));
  EXPECT_TRUE(source_->IsExempt("command", true));
  EXPECT_TRUE(source_->IsExempt("external", false));
  EXPECT_FALSE(source_->IsExempt("external", true));
}

TEST_F(RouterRouteSourceTest, AnAnswerThatIsTooShortIsNoRoute) {
  EXPECT_TRUE(Ask({.task = TaskNumber(1)})[0].hold.has_value());
  EXPECT_EQ(Reserve({.task = TaskNumber(1)})[0].ticket, nullptr);
  source_->Disconnect();
  EXPECT_THAT(Reserve({.task = TaskNumber(1)}), SizeIs(0));
}

TEST_F(RouterRouteSourceTest, ARouterThatHasLostTheRegistryIsAsGoodAsAway) {
  router_->snapshot_answer.add_endpoints()->set_endpoint("host-a");
  source_->RefreshSnapshot();
  router::v1::RouteHold& hold = *router_->route_answer.add_results()->mutable_hold();
  hold.set_code(router::v1::HOLD_CODE_REGISTRY_UNKNOWN);
  hold.set_message("no word from the registry");
  EXPECT_THAT(Ask({.task = TaskNumber(1)})[0].hold->message, HasSubstr("no word from the registry"));
  while (Ask({.task = TaskNumber(1), .free_fallback = true})[0].hold.has_value()) {
    // The snapshot is on its way.
  }
}

}  // namespace
}  // namespace switchyard::scheduler
