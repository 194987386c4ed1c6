#include "services/model_registry/registry_store_contract.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/base/sha256.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = InsertOutcome::Kind;

void PrintTo(const RegistryStoreParam& param, std::ostream* os) { *os << param.name; }

EndpointId RegistryStoreContract::Endpoint(int n) const {
  return EndpointId(FakeUuid(now_, static_cast<std::uint64_t>(n)));
}

NewEndpoint RegistryStoreContract::Make(int n, const std::string& name) const {
  NewEndpoint made;
  made.record.id = Endpoint(n);
  made.record.spec = {.name = name,
                      .kind = EndpointKind::kOllama,
                      .url = "http://127.0.0.1:11434",
                      .credential = "env:KEY",
                      .local = true,
                      .host = "gpu-1",
                      .capacity = 2,
                      .free = true,
                      .models = {{.model = "m:7b", .keep_warm = true, .capacity = 1, .options = {{"num_ctx", 8192}}}}};
  made.record.create_time = made.record.update_time = now_;
  made.record.created_by = "test";
  made.requester = "tester";
  const auto hash = Sha256(name);
  made.content_hash = std::string(hash.begin(), hash.end());
  return made;
}

EndpointRecord RegistryStoreContract::Insert(const NewEndpoint& endpoint) {
  const absl::StatusOr<InsertOutcome> outcome = store().Insert(endpoint, kMany);
  EXPECT_TRUE(outcome.ok() && outcome->kind == Kind::kInserted) << outcome.status();
  return outcome.ok() ? outcome->record : EndpointRecord();
}

Reservation RegistryStoreContract::Hold(int endpoint, int task, absl::Duration hold) const {
  return {.key = {Endpoint(endpoint), TaskId(FakeUuid(now_, static_cast<std::uint64_t>(1'000 + task))), 1},
          .model = "m",
          .urgent = task % 2 == 0,
          .create_time = now_ + absl::Microseconds(task),
          .expire_time = now_ + hold};
}

void RegistryStoreContract::Put(const std::vector<Reservation>& reservations) {
  std::vector<EndpointId> endpoints;
  for (const Reservation& one : reservations) endpoints.push_back(one.key.endpoint);
  SY_EXPECT_OK(store().Reserve(endpoints, now_, [&](const std::vector<Reservation>&) { return reservations; }));
}

TEST_P(RegistryStoreContract, BeginsEmpty) {
  EXPECT_THAT(store().Revision(), IsOkAndHolds(0));
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.endpoints, IsEmpty());
  EXPECT_THAT(loaded.disabled, IsEmpty());
  EXPECT_THAT(loaded.models, IsEmpty());
  EXPECT_THAT(store().ListReservations(now_), IsOkAndHolds(IsEmpty()));
}

TEST_P(RegistryStoreContract, LoadsWhatWasInsertedByName) {
  const EndpointRecord b = Insert(Make(1, "b"));
  const EndpointRecord a = Insert(Make(2, "a"));
  EXPECT_EQ(a.revision, 1);
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.endpoints, ElementsAre(a, b));
  EXPECT_EQ(loaded.revision, 2);
}

TEST_P(RegistryStoreContract, RefusesATakenNameAndTooMany) {
  Insert(Make(1, "a"));
  SY_ASSERT_OK_AND_ASSIGN(InsertOutcome outcome, store().Insert(Make(2, "a"), kMany));
  EXPECT_EQ(outcome.kind, Kind::kNameTaken);
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Insert(Make(2, "b"), 1));
  EXPECT_EQ(outcome.kind, Kind::kTooMany);
  EXPECT_THAT(store().Revision(), IsOkAndHolds(1));
}

TEST_P(RegistryStoreContract, AnswersARepeatedRequestWithTheFirstEndpoint) {
  NewEndpoint first = Make(1, "a");
  first.request_id = "request";
  Insert(first);
  NewEndpoint again = Make(2, "a");
  again.request_id = "request";
  SY_ASSERT_OK_AND_ASSIGN(InsertOutcome outcome, store().Insert(again, kMany));
  EXPECT_EQ(outcome.kind, Kind::kReplayed);
  EXPECT_EQ(outcome.record.id, Endpoint(1));
  again.content_hash[0] = static_cast<char>(again.content_hash[0] + 1);
  SY_ASSERT_OK_AND_ASSIGN(outcome, store().Insert(again, kMany));
  EXPECT_EQ(outcome.kind, Kind::kRequestIdReused);
}

TEST_P(RegistryStoreContract, ChangesASpecificationUnderItsRevision) {
  Insert(Make(1, "a"));
  SY_ASSERT_OK_AND_ASSIGN(const EndpointRecord changed,
                          store().Change(Endpoint(1), now_ + absl::Seconds(1), [](EndpointRecord& record) {
                            record.spec.name = "c";
                            record.spec.models.clear();
                            return absl::OkStatus();
                          }));
  EXPECT_EQ(changed.revision, 2);
  EXPECT_EQ(changed.spec.name, "c");
  EXPECT_EQ(changed.update_time, now_ + absl::Seconds(1));
  EXPECT_EQ(changed.create_time, now_);
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.endpoints, ElementsAre(changed));
}

TEST_P(RegistryStoreContract, AnUnchangedSpecificationKeepsItsRevision) {
  Insert(Make(1, "a"));
  SY_ASSERT_OK_AND_ASSIGN(const EndpointRecord same,
                          store().Change(Endpoint(1), now_, [](EndpointRecord&) { return absl::OkStatus(); }));
  EXPECT_EQ(same.revision, 1);
  EXPECT_THAT(store().Revision(), IsOkAndHolds(1));
}

TEST_P(RegistryStoreContract, AChangeThatFailsChangesNothing) {
  Insert(Make(1, "a"));
  Insert(Make(2, "b"));
  EXPECT_THAT(store().Change(Endpoint(1), now_,
                             [](EndpointRecord& record) {
                               record.spec.url = "http://x";
                               return absl::AbortedError("no");
                             }),
              testing::StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(store().Change(Endpoint(1), now_,
                             [](EndpointRecord& record) {
                               record.spec.name = "b";
                               return absl::OkStatus();
                             }),
              IsError("ENDPOINT_NAME_TAKEN"));
  EXPECT_THAT(store().Change(Endpoint(3), now_, [](EndpointRecord&) { return absl::OkStatus(); }),
              IsError("ENDPOINT_NOT_FOUND"));
  EXPECT_THAT(store().Revision(), IsOkAndHolds(2));
}

TEST_P(RegistryStoreContract, RemovesAnEndpointWithWhatWasDisabledThere) {
  const EndpointRecord record = Insert(Make(1, "a"));
  SY_ASSERT_OK(store().SetDisabled({Endpoint(1), "m"}, true, "test", now_));
  SY_ASSERT_OK(store().SetDisabled({EndpointId(), "m"}, true, "test", now_));
  EXPECT_THAT(store().Remove(Endpoint(1)), IsOkAndHolds(record));
  EXPECT_THAT(store().Remove(Endpoint(1)), IsError("ENDPOINT_NOT_FOUND"));
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.endpoints, IsEmpty());
  EXPECT_THAT(loaded.disabled, ElementsAre(ModelSwitch{EndpointId(), "m"}));
  Insert(Make(2, "a"));
}

TEST_P(RegistryStoreContract, DisablingTwiceIsTheSameAsOnce) {
  const ModelSwitch off{EndpointId(), "m"};
  SY_ASSERT_OK(store().SetDisabled(off, true, "test", now_));
  SY_ASSERT_OK(store().SetDisabled(off, true, "test", now_));
  EXPECT_THAT(store().Revision(), IsOkAndHolds(1));
  SY_ASSERT_OK(store().SetDisabled(off, false, "test", now_));
  SY_ASSERT_OK(store().SetDisabled(off, false, "test", now_));
  EXPECT_THAT(store().Revision(), IsOkAndHolds(2));
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.disabled, IsEmpty());
}

TEST_P(RegistryStoreContract, KeepsEntriesOfTheTable) {
  ModelInfo model;
  model.model = "big";
  model.aliases = {"b"};
  model.provider = "someone";
  model.tier = ModelTier::kLarge;
  model.context_window = 200'000;
  model.max_output = 64'000;
  model.rates = {.input = 3'000'000, .output = 0, .cache_write_1h = 7};
  model.steps = {{.above_input_tokens = 200'000, .rates = {.input = 1, .output = 2}}};
  model.capabilities = {"tools"};
  model.effective_from = "2025-01-31";
  model.source = "here";
  model.deprecated = "bigger";
  model.origin = Origin::kApi;
  SY_ASSERT_OK(store().SetModel(model, "test", now_));
  model.rates.input = 4'000'000;
  SY_ASSERT_OK(store().SetModel(model, "test", now_));
  SY_ASSERT_OK_AND_ASSIGN(const StoredConfiguration loaded, store().Load());
  EXPECT_THAT(loaded.models, ElementsAre(model)) << "unknown rates are still unknown, and zero is zero";
  SY_ASSERT_OK(store().RemoveModel("big"));
  EXPECT_THAT(store().RemoveModel("big"), IsError("PRICE_NOT_FOUND"));
  EXPECT_THAT(store().Revision(), IsOkAndHolds(3));
}

TEST_P(RegistryStoreContract, ShowsWhoDecidesWhatIsLiveThere) {
  Put({Hold(1, 1, absl::Minutes(1)), Hold(1, 2, absl::ZeroDuration()), Hold(2, 3, absl::Minutes(1))});
  std::vector<Reservation> seen;
  const std::vector<EndpointId> asked = {Endpoint(1)};
  SY_ASSERT_OK(store().Reserve(asked, now_, [&](const std::vector<Reservation>& live) {
    seen = live;
    return std::vector<Reservation>();
  }));
  EXPECT_THAT(seen, ElementsAre(Hold(1, 1, absl::Minutes(1))));
  EXPECT_THAT(store().ListReservations(now_),
              IsOkAndHolds(ElementsAre(Hold(1, 1, absl::Minutes(1)), Hold(2, 3, absl::Minutes(1)))));
}

TEST_P(RegistryStoreContract, StoresTheSameReservationOnce) {
  Put({Hold(1, 1, absl::Minutes(1))});
  Put({Hold(1, 1, absl::Minutes(2))});
  EXPECT_THAT(store().ListReservations(now_), IsOkAndHolds(ElementsAre(Hold(1, 1, absl::Minutes(2)))));
}

TEST_P(RegistryStoreContract, ReleasesWhatIsHeldAndPassesOverTheRest) {
  Put({Hold(1, 1, absl::Minutes(1)), Hold(1, 2, absl::Minutes(1))});
  const std::vector<ReservationKey> keys = {Hold(1, 1, {}).key, Hold(1, 9, {}).key, Hold(2, 2, {}).key};
  EXPECT_THAT(store().Release(keys), IsOkAndHolds(1));
  EXPECT_THAT(store().Release(keys), IsOkAndHolds(0));
  EXPECT_THAT(store().ListReservations(now_), IsOkAndHolds(SizeIs(1)));
}

TEST_P(RegistryStoreContract, RenewsWhatIsLiveAndNamesWhatIsLost) {
  Put({Hold(1, 1, absl::Minutes(1)), Hold(1, 2, absl::Seconds(10)), Hold(1, 3, absl::Hours(1))});
  const absl::Time later = now_ + absl::Seconds(20);
  const std::vector<ReservationKey> keys = {Hold(1, 1, {}).key, Hold(1, 2, {}).key, Hold(1, 3, {}).key,
                                            Hold(1, 4, {}).key};
  EXPECT_THAT(store().Renew(keys, later + absl::Minutes(1), later),
              IsOkAndHolds(ElementsAre(Hold(1, 2, {}).key, Hold(1, 4, {}).key)));
  EXPECT_THAT(store().ListReservations(later),
              IsOkAndHolds(ElementsAre(Hold(1, 1, absl::Seconds(80)), Hold(1, 3, absl::Hours(1)))))
      << "never shortened";
}

TEST_P(RegistryStoreContract, GivesTheProbeOfACooldownToOne) {
  EXPECT_THAT(store().ClaimProbe(Endpoint(1), now_ + absl::Seconds(30), now_), IsOkAndHolds(true));
  EXPECT_THAT(store().ClaimProbe(Endpoint(1), now_ + absl::Seconds(30), now_), IsOkAndHolds(false));
  EXPECT_THAT(store().ClaimProbe(Endpoint(2), now_ + absl::Seconds(30), now_), IsOkAndHolds(true));
  const absl::Time later = now_ + absl::Seconds(30);
  EXPECT_THAT(store().ClaimProbe(Endpoint(1), later + absl::Seconds(30), later), IsOkAndHolds(true));
}

TEST_P(RegistryStoreContract, ForgetsWhatHasEnded) {
  Put({Hold(1, 1, absl::Minutes(1)), Hold(1, 2, absl::Seconds(10))});
  SY_ASSERT_OK(store().Forget(now_ + absl::Seconds(10)));
  EXPECT_THAT(store().ListReservations(now_), IsOkAndHolds(ElementsAre(Hold(1, 1, absl::Minutes(1)))));
}

TEST_P(RegistryStoreContract, NeverHoldsMoreThanWasDecidedWhoeverAsks) {
  constexpr int kCapacity = 5;
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const Reservation wanted = Hold(1, 100 * t + i, absl::Minutes(1));
        bool mine = false;
        const std::vector<EndpointId> asked = {Endpoint(1)};
        const absl::Status status = store().Reserve(asked, now_, [&](const std::vector<Reservation>& live) {
          mine = static_cast<int>(live.size()) < kCapacity;
          return mine ? std::vector<Reservation>{wanted} : std::vector<Reservation>();
        });
        SY_EXPECT_OK(status);
        if (mine) ++taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kCapacity);
  EXPECT_THAT(store().ListReservations(now_), IsOkAndHolds(SizeIs(kCapacity)));
}

}  // namespace switchyard::model_registry
