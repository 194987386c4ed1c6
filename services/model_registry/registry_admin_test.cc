#include "services/model_registry/registry_admin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/model_registry/in_memory_registry_store.h"
#include "services/model_registry/model_views.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Requester kAda{"ada-id", "ada"};

class RegistryAdminTest : public ::testing::Test {
 protected:
  static EndpointSpec Spec(std::string name) {
    return {.name = std::move(name), .kind = EndpointKind::kOllama, .url = "http://h", .local = true};
  }
  static CheckResult Good() {
    CheckResult result;
    result.process = result.credentials = result.models_known = Verdict::kGood;
    result.models = {{.model = "m:7b", .loaded = true}, {.model = "n", .loaded = true}};
    return result;
  }
  // Added and found healthy.
  EndpointId Ready(EndpointSpec spec) {
    const absl::StatusOr<EndpointView> view = admin_.Add(spec, kAda, "");
    EXPECT_TRUE(view.ok()) << view.status();
    const EndpointId id = view->record.id;
    const absl::StatusOr<DueCheck> due = registry_.TakeManualCheck(id);
    EXPECT_TRUE(due.ok()) << due.status();
    registry_.CheckDone(due->endpoint, CheckKind::kManual, Good(), clock_.Now());
    registry_.Refresh();
    return id;
  }
  ReserveItem Item(int task, const std::string& endpoint, bool urgent = false, const std::string& model = "m:7b") {
    return {.task = TaskId(testing::FakeUuid(clock_.Now(), static_cast<std::uint64_t>(5'000 + task))),
            .generation = 1,
            .endpoint = endpoint,
            .model = model,
            .urgent = urgent,
            .hold = absl::Seconds(60)};
  }
  ReserveResult Reserve(const ReserveItem& item) {
    const absl::StatusOr<std::vector<ReserveResult>> results = admin_.Reserve({item});
    EXPECT_TRUE(results.ok()) << results.status();
    return results->at(0);
  }
  std::optional<RefusalReason> ReasonFor(const ReserveItem& item) {
    const ReserveResult result = Reserve(item);
    return result.refusal.has_value() ? std::optional(result.refusal->reason) : std::nullopt;
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  InMemoryRegistryStore store_;
  Registry registry_{clock_, HealthRules()};
  RegistryAdmin admin_{store_, registry_, clock_, ids_, 5};
};

TEST_F(RegistryAdminTest, ShowsTheMachineOfAnEndpointAsAgedOnceItsAgentIsSilent) {
  SY_ASSERT_OK(admin_.Add(Spec("a"), kAda, "").status());
  EXPECT_THAT(admin_.Find("a")->host.message, ::testing::HasSubstr("no agent hub is configured"));
  registry_.SetHosts(HostReports({{.agent = "box", .host = "h", .time = clock_.Now(), .cpus = 8}}, ""));
  EXPECT_TRUE(registry_.Refresh());
  ASSERT_NE(admin_.Find("a")->host.report, nullptr);
  EXPECT_EQ(admin_.Find("a")->host.report->cpus, 8);
  EXPECT_FALSE(admin_.Find("a")->host.aged);
  // It stays as it is through a change of the configuration.
  SY_ASSERT_OK(admin_.Update("a", Spec("b"), 0).status());
  ASSERT_NE(admin_.Find("b")->host.report, nullptr);
  clock_.Advance(HealthRules().host_fresh + absl::Seconds(1));
  EXPECT_TRUE(registry_.Refresh());
  EXPECT_TRUE(admin_.Find("b")->host.aged);
  // The hub remembers what was said before a restart, which is as old as it is.
  registry_.SetHosts(HostReports({{.agent = "box", .host = "h", .time = clock_.Now(), .cpus = 4}}, ""));
  registry_.Refresh();
  EXPECT_FALSE(admin_.Find("b")->host.aged);
}

TEST_F(RegistryAdminTest, AddsAnEndpointOnce) {
  SY_ASSERT_OK_AND_ASSIGN(const EndpointView added, admin_.Add(Spec("a"), kAda, "r"));
  EXPECT_EQ(added.status.state, EndpointState::kUnknown);
  EXPECT_EQ(added.record.created_by, "ada");
  SY_ASSERT_OK_AND_ASSIGN(const EndpointView again, admin_.Add(Spec("a"), kAda, "r"));
  EXPECT_EQ(again.record.id, added.record.id);
  EXPECT_THAT(admin_.Add(Spec("b"), kAda, "r"), IsError("REQUEST_ID_REUSED"));
  EXPECT_THAT(admin_.Add(Spec("a"), kAda, ""), IsError("ENDPOINT_NAME_TAKEN"));
  EXPECT_THAT(admin_.Add(Spec("No Name"), kAda, ""), IsError("INVALID_FIELD"));
  EXPECT_EQ(admin_.Find("a")->record.id, admin_.Find(added.record.id.ToString())->record.id);
}

TEST_F(RegistryAdminTest, WhatAFreeEndpointPassesOnIsNotFree) {
  EndpointSpec spec = Spec("a");
  spec.free = true;
  const EndpointId id = Ready(spec);
  CheckResult result = Good();
  result.models[0].remote = true;
  SY_ASSERT_OK_AND_ASSIGN(const DueCheck due, registry_.TakeManualCheck(id));
  registry_.CheckDone(due.endpoint, CheckKind::kManual, result, clock_.Now());
  registry_.Refresh();
  const std::vector<PlacedModel> models = admin_.Find("a")->status.models;
  ASSERT_THAT(models, SizeIs(2));
  EXPECT_TRUE(models[0].remote);
  EXPECT_FALSE(models[0].free);
  EXPECT_TRUE(models[1].free);
}

TEST_F(RegistryAdminTest, BoundsTheirNumber) {
  for (int i = 0; i < 5; ++i) SY_ASSERT_OK(admin_.Add(Spec("e" + std::to_string(i)), kAda, ""));
  EXPECT_THAT(admin_.Add(Spec("f"), kAda, ""), IsError("TOO_MANY_ENDPOINTS"));
}

TEST_F(RegistryAdminTest, AnUpdateForgetsItsHealthAndChecksTheRevision) {
  const EndpointId id = Ready(Spec("a"));
  EndpointSpec spec = Spec("a");
  spec.url = "http://elsewhere";
  EXPECT_THAT(admin_.Update("a", spec, 7), IsError("REVISION_CHANGED"));
  SY_ASSERT_OK_AND_ASSIGN(const EndpointView updated, admin_.Update("a", spec, 1));
  EXPECT_EQ(updated.record.id, id);
  EXPECT_EQ(updated.record.revision, 2);
  EXPECT_EQ(updated.status.state, EndpointState::kUnknown);
  EXPECT_THAT(admin_.Update("b", spec, 0), IsError("ENDPOINT_NOT_FOUND"));
}

TEST_F(RegistryAdminTest, ShowsEndpointsOfAFileAndDoesNotChangeThem) {
  EndpointRecord record{
      .id = IdOfFileEndpoint("f"), .spec = Spec("f"), .origin = Origin::kFile, .origin_detail = "endpoints.yaml"};
  SY_ASSERT_OK(registry_.SetFiles({.endpoints = {record}, .models = {}, .profiles = {}}));
  registry_.Refresh();
  EXPECT_EQ(admin_.Find("f")->record.origin, Origin::kFile);
  EXPECT_THAT(admin_.Remove("f"), IsError("ENDPOINT_FROM_FILE"));
  EXPECT_THAT(admin_.SetEnabled("f", false), IsError("ENDPOINT_FROM_FILE"));
  EXPECT_THAT(admin_.Update("f", Spec("g"), 0), IsError("ENDPOINT_FROM_FILE"));
  EXPECT_THAT(admin_.Add(Spec("f"), kAda, ""), IsError("ENDPOINT_NAME_TAKEN"));
}

TEST_F(RegistryAdminTest, TheStoreWinsOverAFileWithTheSameName) {
  SY_ASSERT_OK(admin_.Add(Spec("a"), kAda, ""));
  EndpointRecord record{.id = IdOfFileEndpoint("a"), .spec = Spec("a"), .origin = Origin::kFile};
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> left_out,
                          registry_.SetFiles({.endpoints = {record}, .models = {}, .profiles = {}}));
  EXPECT_THAT(left_out, ElementsAre("a"));
  registry_.Refresh();
  EXPECT_THAT(registry_.snapshot()->endpoints, SizeIs(1));
  EXPECT_EQ(admin_.Find("a")->record.origin, Origin::kApi);
}

TEST_F(RegistryAdminTest, DisablesAndEnables) {
  Ready(Spec("a"));
  SY_ASSERT_OK(admin_.SetEnabled("a", false));
  EXPECT_EQ(admin_.Find("a")->status.state, EndpointState::kDisabled);
  EXPECT_EQ(ReasonFor(Item(1, "a")), RefusalReason::kEndpointClosed);
  SY_ASSERT_OK_AND_ASSIGN(const EndpointView again, admin_.SetEnabled("a", true));
  EXPECT_EQ(again.status.state, EndpointState::kUnknown) << "until it was checked";
  EXPECT_TRUE(registry_.TakeDueCheck().has_value());
}

TEST_F(RegistryAdminTest, ReservesUpToTheCapacityAndGivesBack) {
  EndpointSpec spec = Spec("a");
  spec.capacity = 2;
  spec.models = {{.model = "m:7b", .capacity = 2}};
  Ready(spec);
  EXPECT_EQ(ReasonFor(Item(1, "a")), std::nullopt);
  EXPECT_EQ(ReasonFor(Item(1, "a")), std::nullopt) << "asked again, it is the same one";
  EXPECT_EQ(ReasonFor(Item(2, "a")), RefusalReason::kNoCapacity) << "one of two is kept for urgent work";
  EXPECT_EQ(ReasonFor(Item(2, "a", true)), std::nullopt);
  const ReserveResult full = Reserve(Item(3, "a", true));
  ASSERT_TRUE(full.refusal.has_value() && full.refusal->preempt.has_value());
  EXPECT_EQ(full.refusal->preempt->key.task, Item(1, "a").task);
  registry_.Refresh();
  EXPECT_EQ(admin_.Find("a")->status.state, EndpointState::kBusy);
  EXPECT_THAT(admin_.Release({{"a", Item(1, "a").task, 1}}), testing::IsOkAndHolds(1));
  EXPECT_EQ(ReasonFor(Item(3, "a")), std::nullopt);
}

TEST_F(RegistryAdminTest, DecidesABatchInOrderAndTogether) {
  Ready(Spec("a"));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<ReserveResult> results,
                          admin_.Reserve({Item(1, "a"), Item(2, "a"), Item(3, "nowhere"), Item(1, "a")}));
  EXPECT_TRUE(results[0].reservation.has_value());
  EXPECT_EQ(results[1].refusal->reason, RefusalReason::kNoCapacity);
  EXPECT_EQ(results[2].refusal->reason, RefusalReason::kEndpointNotFound);
  EXPECT_TRUE(results[3].reservation.has_value());
  EXPECT_THAT(*store_.ListReservations(clock_.Now()), SizeIs(1));
}

TEST_F(RegistryAdminTest, SaysWhyNothingCanBeReserved) {
  Ready(Spec("a"));
  EXPECT_EQ(ReasonFor(Item(1, "a", false, "unheard-of")), RefusalReason::kModelAbsent);
  SY_ASSERT_OK(admin_.SetModelEnabled("m:7b", "a", false, "ada"));
  EXPECT_EQ(ReasonFor(Item(1, "a")), RefusalReason::kModelDisabled);
  EXPECT_EQ(ReasonFor(Item(1, "a", false, "n")), std::nullopt);
  const EndpointId id = admin_.Find("a")->record.id;
  Observation limited{.model = "n", .outcome = Outcome::kRateLimited, .began = clock_.Now()};
  limited.retry_after = absl::Seconds(90);
  registry_.Observe(id, limited);
  const ReserveResult result = Reserve(Item(2, "a", false, "n"));
  EXPECT_EQ(result.refusal->reason, RefusalReason::kRateLimited);
  EXPECT_EQ(result.refusal->retry_time, clock_.Now() + absl::Seconds(90));
}

TEST_F(RegistryAdminTest, ReservationsRunOutUnlessTheyAreRenewed) {
  Ready(Spec("a"));
  EXPECT_EQ(ReasonFor(Item(1, "a")), std::nullopt);
  const ReserveItem first = Item(1, "a");
  clock_.Advance(absl::Seconds(50));
  EXPECT_THAT(*admin_.Renew({{"a", first.task, 1}}, absl::Seconds(60)), IsEmpty());
  clock_.Advance(absl::Seconds(50));
  EXPECT_EQ(ReasonFor(Item(2, "a")), RefusalReason::kNoCapacity);
  clock_.Advance(absl::Seconds(10));
  EXPECT_THAT(*admin_.Renew({{"a", first.task, 1}}, absl::Seconds(60)), SizeIs(1));
  EXPECT_EQ(ReasonFor(Item(2, "a")), std::nullopt);
}

TEST_F(RegistryAdminTest, AnotherReplicaSeesConfigurationAndReservations) {
  EndpointSpec spec = Spec("a");
  Ready(spec);
  EXPECT_EQ(ReasonFor(Item(1, "a")), std::nullopt);
  Registry other(clock_, HealthRules());
  RegistryAdmin admin(store_, other, clock_, ids_, 5);
  EXPECT_FALSE(other.loaded());
  SY_ASSERT_OK(admin.Sync());
  EXPECT_TRUE(other.loaded());
  SY_ASSERT_OK_AND_ASSIGN(const DueCheck due, other.TakeManualCheck(admin.Find("a")->record.id));
  other.CheckDone(due.endpoint, CheckKind::kManual, Good(), clock_.Now());
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<ReserveResult> results, admin.Reserve({Item(2, "a")}));
  EXPECT_EQ(results[0].refusal->reason, RefusalReason::kNoCapacity);
  SY_ASSERT_OK(admin.Remove("a"));
  SY_ASSERT_OK(admin_.Sync());
  EXPECT_THAT(admin_.Find("a"), IsError("ENDPOINT_NOT_FOUND"));
}

TEST_F(RegistryAdminTest, SwitchesModelsEverywhereByAnyOfTheirNames) {
  ModelInfo info;
  info.model = "big";
  info.aliases = {"m:7b"};
  SY_ASSERT_OK(admin_.SetPrice(info, "ada"));
  Ready(Spec("a"));
  EXPECT_THAT(admin_.SetModelEnabled("M:7B", "", false, "ada"), testing::IsOkAndHolds("big"));
  EXPECT_EQ(ReasonFor(Item(1, "a")), RefusalReason::kModelDisabled);
  EXPECT_TRUE(ViewModel(*registry_.snapshot(), "big")->model.disabled);
  EXPECT_THAT(admin_.SetModelEnabled("big", "", true, "ada"), testing::IsOkAndHolds("big"));
  EXPECT_EQ(ReasonFor(Item(1, "a")), std::nullopt);
  EXPECT_THAT(admin_.SetModelEnabled("bigg", "", false, "ada"), IsError("MODEL_NOT_FOUND"));
  EXPECT_THAT(admin_.SetModelEnabled("big", "nowhere", false, "ada"), IsError("ENDPOINT_NOT_FOUND"));
}

TEST_F(RegistryAdminTest, APriceThatIsSetStandsBeforeTheFilesUntilItIsRemoved) {
  ModelInfo file;
  file.model = "big";
  file.context_window = 1;
  SY_ASSERT_OK(registry_.SetFiles({.endpoints = {}, .models = {file}, .profiles = {}}));
  ModelInfo set = file;
  set.context_window = 2;
  SY_ASSERT_OK(admin_.SetPrice(set, "ada"));
  EXPECT_EQ(ViewModel(*registry_.snapshot(), "big")->model.context_window, 2);
  SY_ASSERT_OK(admin_.RemovePrice("big"));
  EXPECT_EQ(ViewModel(*registry_.snapshot(), "big")->model.context_window, 1);
  EXPECT_THAT(admin_.RemovePrice("big"), IsError("PRICE_NOT_FOUND"));
  set.rates.input = 5;
  EXPECT_THAT(admin_.SetPrice(set, "ada"), IsError("INVALID_FIELD"));
}

TEST_F(RegistryAdminTest, ShowsWhereEachModelIs) {
  Ready(Spec("a"));
  Ready(Spec("b"));
  const std::vector<ModelView> views = ViewModels(*registry_.snapshot());
  ASSERT_THAT(views, SizeIs(2));
  EXPECT_EQ(views[0].model.model, "m:7b");
  EXPECT_FALSE(views[0].in_table);
  ASSERT_THAT(views[0].places, SizeIs(2));
  EXPECT_EQ(views[0].places[1].endpoint->record.spec.name, "b");
}

TEST_F(RegistryAdminTest, KeepsWhatItKnowsWhileTheStoreIsAway) {
  Ready(Spec("a"));
  store_.FailWith(MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away"));
  EXPECT_THAT(admin_.Sync(), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(admin_.Reserve({Item(1, "a")}), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_EQ(admin_.Find("a")->status.state, EndpointState::kHealthy);
}

}  // namespace
}  // namespace switchyard::model_registry
