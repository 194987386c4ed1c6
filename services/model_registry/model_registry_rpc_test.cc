#include "services/model_registry/model_registry_rpc.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/rpc/retry.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/model_registry/in_memory_registry_store.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Stub = v1::ModelRegistryService::StubInterface;

// Every endpoint is well and has two models, unless the test says otherwise.
class FixedProber final : public EndpointProber {
 public:
  void Check(ProbeRequest request, std::function<void(CheckResult)> done) override { done(result); }
  void KeepWarm(const EndpointSpec&, const std::string&, std::function<void(absl::Status)> done) override {
    done(absl::OkStatus());
  }

  CheckResult result = {.process = Verdict::kGood,
                        .credentials = Verdict::kGood,
                        .models_known = Verdict::kGood,
                        .models = {{.model = "m:7b", .loaded = true}, {.model = "n", .loaded = true}}};
};

class ModelRegistryRpcTest : public ::testing::Test {
 protected:
  ModelRegistryRpcTest() {
    blocking_.Start();
    rpc_ = std::make_unique<ModelRegistryRpc>(server_.gate(), ModelRegistryRpc::Deps{.registry = registry_,
                                                                                     .admin = admin_,
                                                                                     .checker = checker_,
                                                                                     .watchers = watchers_,
                                                                                     .clock = clock_,
                                                                                     .blocking = blocking_});
    server_.Register(*rpc_, v1::ModelRegistryService::service_full_name());
    server_.Start();
    stub_ = v1::ModelRegistryService::NewStub(server_.channel());
  }
  ~ModelRegistryRpcTest() override {
    stub_.reset();
    server_.Stop();
    blocking_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(const char* token,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  static v1::EndpointSpec Spec(const std::string& name) {
    v1::EndpointSpec spec;
    spec.set_name(name);
    spec.set_kind(v1::ENDPOINT_KIND_OLLAMA);
    spec.set_url("http://127.0.0.1:11434");
    spec.set_local(true);
    return spec;
  }
  absl::StatusOr<v1::AddEndpointResponse> Add(const v1::EndpointSpec& spec) {
    v1::AddEndpointRequest request;
    *request.mutable_spec() = spec;
    return Call("admin-token", &Stub::AddEndpoint, request);
  }
  // Added and found well.
  void Ready(const std::string& name) {
    SY_ASSERT_OK(Add(Spec(name)));
    SY_ASSERT_OK(Probe(name));
  }
  absl::StatusOr<v1::ProbeEndpointResponse> Probe(const std::string& name) {
    v1::ProbeEndpointRequest request;
    request.set_endpoint(name);
    return Call("admin-token", &Stub::ProbeEndpoint, request);
  }
  absl::StatusOr<v1::GetEndpointResponse> Get(const std::string& name) {
    v1::GetEndpointRequest request;
    request.set_endpoint(name);
    return Call("read-token", &Stub::GetEndpoint, request);
  }
  absl::StatusOr<v1::ReserveCapacityResponse> Reserve(const std::string& endpoint, int task) {
    v1::ReserveCapacityRequest request;
    v1::ReserveItem& item = *request.add_items();
    item.set_endpoint(endpoint);
    item.set_task_id(testing::FakeUuid(clock_.Now(), static_cast<std::uint64_t>(task)).ToString());
    item.set_generation(2);
    item.set_model("m:7b");
    return Call("service-token", &Stub::ReserveCapacity, request);
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  InMemoryRegistryStore store_;
  Registry registry_{clock_, HealthRules()};
  RegistryAdmin admin_{store_, registry_, clock_, ids_, 10};
  FixedProber prober_;
  Checker checker_{registry_,
                   prober_,
                   clock_,
                   {},
                   absl::Seconds(30),
                   [](const EndpointId&, absl::Time, std::function<void(bool)> answer) {
                     answer(true); }};
  RegistryWatchers watchers_{registry_, 2};
  BoundedExecutor blocking_{"blocking", 2, 16};
  std::unique_ptr<ModelRegistryRpc> rpc_;
  testing::RpcTestServer server_{testing::RpcTestServer::Options(), &clock_, nullptr};
  std::unique_ptr<v1::ModelRegistryService::Stub> stub_;
};

TEST_F(ModelRegistryRpcTest, AddsProbesShowsAndRemovesAnEndpoint) {
  v1::EndpointSpec spec = Spec("gpu");
  v1::ModelSettings& model = *spec.add_models();
  model.set_model("m:7b");
  (*model.mutable_options())["num_ctx"] = 8192;
  SY_ASSERT_OK_AND_ASSIGN(const v1::AddEndpointResponse added, Add(spec));
  EXPECT_EQ(added.endpoint().status().state(), v1::ENDPOINT_STATE_UNKNOWN);
  EXPECT_EQ(added.endpoint().origin(), v1::ORIGIN_API);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ProbeEndpointResponse probed, Probe("gpu"));
  const v1::EndpointStatus& status = probed.endpoint().status();
  EXPECT_EQ(status.state(), v1::ENDPOINT_STATE_HEALTHY);
  EXPECT_EQ(status.credentials().verdict(), v1::VERDICT_GOOD);
  EXPECT_EQ(status.progress().verdict(), v1::VERDICT_UNKNOWN);
  ASSERT_EQ(status.models_size(), 2);
  EXPECT_EQ(status.models(0).warmth(), v1::WARMTH_WARM);
  EXPECT_EQ(status.models(0).options().at("num_ctx"), 8192);
  EXPECT_EQ(status.models(0).timeouts().load().seconds(), 180);
  v1::RemoveEndpointRequest remove;
  remove.set_endpoint(added.endpoint().endpoint_id());
  SY_ASSERT_OK(Call("admin-token", &Stub::RemoveEndpoint, remove));
  EXPECT_THAT(Get("gpu"), IsError("ENDPOINT_NOT_FOUND"));
}

TEST_F(ModelRegistryRpcTest, ReportsFaultsByField) {
  v1::EndpointSpec spec = Spec("gpu");
  spec.set_kind(static_cast<v1::EndpointKind>(9));
  EXPECT_EQ(DetailsOf(Add(spec).status()).violations.at(0).field, "spec.kind");
  spec = Spec("gpu");
  spec.set_url("nowhere");
  spec.set_credential("sk-abc");
  std::vector<std::string> fields;
  for (const FieldViolation& fault : DetailsOf(Add(spec).status()).violations) fields.push_back(fault.field);
  EXPECT_THAT(fields, ElementsAre("spec.url", "spec.credential"));
}

TEST_F(ModelRegistryRpcTest, AsksForTheScopesOfTheContract) {
  EXPECT_THAT(Call("read-token", &Stub::AddEndpoint, v1::AddEndpointRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call("service-token", &Stub::ListEndpoints, v1::ListEndpointsRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call("admin-token", &Stub::ReserveCapacity, v1::ReserveCapacityRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call("submit-token", &Stub::SetPrice, v1::SetPriceRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call("agent-token", &Stub::ReportEndpointChecks, v1::ReportEndpointChecksRequest()),
              IsError("SCOPE_MISSING"));
}

TEST_F(ModelRegistryRpcTest, SaysNothingBeforeItReadItsConfiguration) {
  EXPECT_THAT(Call("read-token", &Stub::ListEndpoints, v1::ListEndpointsRequest()), IsError("REGISTRY_LOADING"));
  SY_ASSERT_OK(admin_.Sync());
  EXPECT_THAT(Call("read-token", &Stub::ListEndpoints, v1::ListEndpointsRequest()), IsOk());
}

TEST_F(ModelRegistryRpcTest, ListsByPagesAndStates) {
  for (const char* name : {"c", "a", "b"}) Ready(name);
  v1::DisableEndpointRequest disable;
  disable.set_endpoint("b");
  SY_ASSERT_OK(Call("admin-token", &Stub::DisableEndpoint, disable));
  v1::ListEndpointsRequest request;
  request.set_page_size(2);
  SY_ASSERT_OK_AND_ASSIGN(v1::ListEndpointsResponse page, Call("read-token", &Stub::ListEndpoints, request));
  ASSERT_EQ(page.endpoints_size(), 2);
  EXPECT_EQ(page.endpoints(0).spec().name(), "a");
  request.set_page_token(page.next_page_token());
  SY_ASSERT_OK_AND_ASSIGN(page, Call("read-token", &Stub::ListEndpoints, request));
  ASSERT_EQ(page.endpoints_size(), 1);
  EXPECT_EQ(page.next_page_token(), "");
  v1::ListEndpointsRequest disabled;
  disabled.add_states(v1::ENDPOINT_STATE_DISABLED);
  SY_ASSERT_OK_AND_ASSIGN(page, Call("read-token", &Stub::ListEndpoints, disabled));
  ASSERT_EQ(page.endpoints_size(), 1);
  EXPECT_EQ(page.endpoints(0).spec().name(), "b");
}

TEST_F(ModelRegistryRpcTest, ListsModelsWithTheirPlacesAndPrices) {
  Ready("a");
  v1::SetPriceRequest price;
  price.mutable_model()->set_model("m:7b");
  price.mutable_model()->mutable_rates()->set_input(1);
  price.mutable_model()->mutable_rates()->set_output(2);
  price.mutable_model()->set_effective_from("2026-01-01");
  SY_ASSERT_OK(Call("admin-token", &Stub::SetPrice, price));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListModelsResponse models,
                          Call("read-token", &Stub::ListModels, v1::ListModelsRequest()));
  ASSERT_EQ(models.models_size(), 2);
  EXPECT_TRUE(models.models(0).in_table());
  EXPECT_EQ(models.models(0).model().rates().input(), 1);
  EXPECT_FALSE(models.models(0).model().rates().has_cache_read()) << "unknown, not zero";
  EXPECT_EQ(models.models(0).places(0).endpoint(), "a");
  EXPECT_EQ(models.models(0).places(0).placed().priced_as(), "m:7b");
  EXPECT_FALSE(models.models(1).in_table());
  v1::GetModelRequest get;
  get.set_model("m:7c");
  const absl::Status status = Call("read-token", &Stub::GetModel, get).status();
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_THAT(DetailsOf(status).metadata,
              ::testing::Contains(std::pair<std::string, std::string>("suggestion", "m:7b")));
}

TEST_F(ModelRegistryRpcTest, DisablesAModelAtOneEndpoint) {
  Ready("a");
  v1::DisableModelRequest request;
  request.set_model("m:7b");
  request.set_endpoint("a");
  SY_ASSERT_OK_AND_ASSIGN(const v1::DisableModelResponse disabled, Call("admin-token", &Stub::DisableModel, request));
  EXPECT_TRUE(disabled.model().places(0).placed().disabled());
  EXPECT_FALSE(disabled.model().model().disabled());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveCapacityResponse refused, Reserve("a", 1));
  EXPECT_EQ(refused.results(0).refusal().reason(), v1::REFUSAL_REASON_MODEL_DISABLED);
}

TEST_F(ModelRegistryRpcTest, ShowsRoles) {
  ModelInfo info;
  info.model = "big";
  RoleProfile profile{.role = "coder", .version = 3, .aliases = {"dev"}, .models = {"big"}};
  SY_ASSERT_OK(registry_.SetFiles({.endpoints = {}, .models = {info}, .profiles = {profile}}));
  SY_ASSERT_OK(admin_.Sync());
  registry_.Refresh();
  v1::GetRoleProfileRequest request;
  request.set_role("DEV");
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetRoleProfileResponse found, Call("read-token", &Stub::GetRoleProfile, request));
  EXPECT_EQ(found.profile().version(), 3);
  request.set_role("codr");
  EXPECT_THAT(Call("read-token", &Stub::GetRoleProfile, request), IsError("ROLE_NOT_FOUND"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListRoleProfilesResponse all,
                          Call("read-token", &Stub::ListRoleProfiles, v1::ListRoleProfilesRequest()));
  EXPECT_EQ(all.profiles_size(), 1);
  EXPECT_NE(all.fingerprint(), "");
}

TEST_F(ModelRegistryRpcTest, ReservesRenewsAndReleases) {
  Ready("a");
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveCapacityResponse first, Reserve("a", 1));
  ASSERT_TRUE(first.results(0).has_reservation());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveCapacityResponse second, Reserve("a", 2));
  EXPECT_EQ(second.results(0).refusal().reason(), v1::REFUSAL_REASON_NO_CAPACITY);
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetEndpointResponse shown, Get("a"));
  EXPECT_EQ(shown.reservations_size(), 1);
  v1::RenewReservationsRequest renew;
  v1::ReservationKey& key = *renew.add_keys();
  key.set_endpoint("a");
  key.set_task_id(first.results(0).reservation().task_id());
  key.set_generation(2);
  *renew.add_keys() = key;
  renew.mutable_keys(1)->set_generation(3);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RenewReservationsResponse renewed,
                          Call("service-token", &Stub::RenewReservations, renew));
  ASSERT_EQ(renewed.lost_size(), 1);
  EXPECT_EQ(renewed.lost(0).generation(), 3);
  v1::ReleaseCapacityRequest release;
  *release.add_keys() = key;
  EXPECT_EQ(Call("service-token", &Stub::ReleaseCapacity, release)->released(), 1);
  SY_ASSERT_OK_AND_ASSIGN(const v1::ReserveCapacityResponse again, Reserve("a", 2));
  EXPECT_TRUE(again.results(0).has_reservation());
}

TEST_F(ModelRegistryRpcTest, RefusesBatchesThatAreNone) {
  EXPECT_THAT(Call("service-token", &Stub::ReserveCapacity, v1::ReserveCapacityRequest()), IsError("INVALID_FIELD"));
  v1::ReserveCapacityRequest request;
  request.add_items()->set_task_id("x");
  request.mutable_items(0)->mutable_hold()->set_seconds(7'200);
  std::vector<std::string> fields;
  for (const FieldViolation& fault :
       DetailsOf(Call("service-token", &Stub::ReserveCapacity, request).status()).violations) {
    fields.push_back(fault.field);
  }
  EXPECT_THAT(fields, ElementsAre("items[0].task_id", "items[0].generation", "items[0].model", "items[0].hold"));
}

TEST_F(ModelRegistryRpcTest, ObservationsMoveTheState) {
  Ready("a");
  v1::ReportObservationsRequest request;
  for (int i = 0; i < 3; ++i) {
    v1::Observation& one = *request.add_observations();
    one.set_endpoint("a");
    one.set_model("m:7b");
    one.set_outcome(v1::OUTCOME_FAILURE);
    one.mutable_begin_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    one.set_message("reset by peer, key=sk-abcdefghijklmnopqrstuvwxyz012345");
  }
  SY_ASSERT_OK(Call("service-token", &Stub::ReportObservations, request));
  registry_.Refresh();
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetEndpointResponse shown, Get("a"));
  EXPECT_EQ(shown.endpoint().status().state(), v1::ENDPOINT_STATE_OPEN);
  EXPECT_EQ(shown.endpoint().status().capacity(), 0);
  EXPECT_EQ(shown.endpoint().status().cause().find("sk-abc"), std::string::npos);
  EXPECT_EQ(Reserve("a", 1)->results(0).refusal().reason(), v1::REFUSAL_REASON_ENDPOINT_CLOSED);
}

TEST_F(ModelRegistryRpcTest, TakesTheReportOfTheAgentAlone) {
  v1::EndpointSpec spec = Spec("far");
  spec.set_agent("build-1");
  SY_ASSERT_OK(Add(spec));
  EXPECT_THAT(Probe("far"), IsError("ENDPOINT_AGENT_ONLY"));
  v1::ReportEndpointChecksRequest report;
  v1::EndpointCheck& check = *report.add_checks();
  check.set_endpoint("far");
  check.set_process(v1::VERDICT_GOOD);
  check.set_credentials(v1::VERDICT_GOOD);
  check.set_models_known(v1::VERDICT_GOOD);
  v1::FoundModel& found = *check.add_models();
  found.set_model("m:7b");
  found.set_remote(true);
  report.set_agent("build-2");
  SY_ASSERT_OK(Call("service-token", &Stub::ReportEndpointChecks, report));
  registry_.Refresh();
  EXPECT_EQ(Get("far")->endpoint().status().state(), v1::ENDPOINT_STATE_UNKNOWN);
  report.set_agent("build-1");
  SY_ASSERT_OK(Call("service-token", &Stub::ReportEndpointChecks, report));
  registry_.Refresh();
  EXPECT_EQ(Get("far")->endpoint().status().state(), v1::ENDPOINT_STATE_HEALTHY);
  EXPECT_TRUE(Get("far")->endpoint().status().models(0).remote());
}

TEST_F(ModelRegistryRpcTest, WatchesFirstAllThenWhatChanges) {
  for (int i = 0; i < 8; ++i) Ready("e" + std::to_string(i));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer service-token");
  const auto reader = stub_->WatchRegistry(&context, v1::WatchRegistryRequest());
  std::vector<std::string> names;
  v1::WatchRegistryResponse message;
  std::int64_t sequence = 0;
  do {
    ASSERT_TRUE(reader->Read(&message));
    EXPECT_EQ(message.sequence(), ++sequence);
    if (sequence == 1) {
      EXPECT_TRUE(message.models_changed() && message.profiles_changed());
    }
    for (const v1::Endpoint& endpoint : message.endpoints()) names.push_back(endpoint.spec().name());
  } while (!message.snapshot_complete());
  EXPECT_THAT(names, SizeIs(8));

  v1::RemoveEndpointRequest remove;
  remove.set_endpoint("e3");
  SY_ASSERT_OK_AND_ASSIGN(const v1::RemoveEndpointResponse removed, Call("admin-token", &Stub::RemoveEndpoint, remove));
  watchers_.Publish();
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_THAT(message.removed_endpoint_ids(), ElementsAre(removed.endpoint().endpoint_id()));
  EXPECT_THAT(message.endpoints(), IsEmpty());
  EXPECT_FALSE(message.models_changed());

  SY_ASSERT_OK(Reserve("e4", 1));
  registry_.Refresh();
  watchers_.Publish();
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_EQ(message.endpoints_size(), 1);
  EXPECT_EQ(message.endpoints(0).spec().name(), "e4");
  EXPECT_EQ(message.endpoints(0).status().in_flight(), 1);
  context.TryCancel();
  EXPECT_FALSE(reader->Finish().ok());
}

}  // namespace
}  // namespace switchyard::model_registry
