#include "services/router/snapshot.h"

#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Names(std::span<const Ranked> ranked) {
  std::vector<std::string> names;
  for (const Ranked& one : ranked) names.push_back(one.slot->placed->model + "@" + one.slot->endpoint->name);
  return names;
}

TEST(SnapshotTest, AModelIsFoundByAnyOfItsNames) {
  Catalogue catalogue = TestCatalogue();
  catalogue.models[4].aliases = {"big-latest", "mid"};
  catalogue.endpoints[1].models[0].model = "vendor/big-20260101";
  const auto snapshot = Snapshot::Make(catalogue, {});
  const ModelIndex big = snapshot->FindModel("big");
  EXPECT_NE(big, ModelIndex::kUnknown);
  EXPECT_EQ(snapshot->FindModel("BIG:latest"), big);
  EXPECT_EQ(snapshot->FindModel("Big-Latest"), big);
  EXPECT_EQ(snapshot->FindModel("vendor/big-20260101"), big);
  // A name stands before an alias.
  EXPECT_NE(snapshot->FindModel("mid"), big);
  EXPECT_EQ(snapshot->FindModel("bigg"), ModelIndex::kUnknown);
  EXPECT_EQ(snapshot->SuggestModel("bigg"), "big");
  EXPECT_EQ(snapshot->SlotsOf(big).size(), 1u);
  EXPECT_TRUE(snapshot->SlotsOf(ModelIndex::kUnknown).empty());
}

TEST(SnapshotTest, AModelThatTheTableDoesNotKnowIsSmallAndWithoutAPrice) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Box("other", {"homemade"}));
  const auto snapshot = Snapshot::Make(catalogue, {});
  const Slot* const slot = snapshot->FindSlot("other", "Homemade:latest");
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slot->tier, ModelTier::kSmall);
  EXPECT_FALSE(slot->price.known());
  EXPECT_EQ(slot->canonical_model(), "");
  EXPECT_EQ(snapshot->FindSlot("other", "mid"), nullptr);
  EXPECT_EQ(snapshot->FindSlot("nowhere", "mid"), nullptr);
}

TEST(SnapshotTest, EndpointsAndRolesAreFoundWhateverTheCase) {
  Catalogue catalogue = TestCatalogue();
  catalogue.roles[0].aliases = {"developer", "operator"};
  catalogue.endpoints[0].id = *EndpointId::Parse("0190a0b0-0000-7000-8000-000000000001");
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_EQ(snapshot->FindEndpoint("BOX")->name, "box");
  EXPECT_EQ(snapshot->FindEndpoint("0190a0b0-0000-7000-8000-000000000001")->name, "box");
  EXPECT_EQ(snapshot->FindRole("Developer")->role, "coder");
  EXPECT_EQ(snapshot->FindRole("operator")->role, "operator");
  EXPECT_EQ(snapshot->SuggestRole("develper"), "developer");
}

TEST(SnapshotTest, TheSmallerKnownWindowCounts) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].models[0].context_window = 4'096;
  catalogue.endpoints[1].models[0].context_window = 1'000'000;
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_EQ(snapshot->FindSlot("box", "tiny")->window, 4'096);
  EXPECT_EQ(snapshot->FindSlot("box", "mid")->window, 32'768);
  EXPECT_EQ(snapshot->FindSlot("alpha", "big")->window, 200'000);
}

TEST(SnapshotTest, SaysWhatIsInTheWay) {
  Catalogue catalogue = TestCatalogue();
  const auto state = [&](EndpointState value) {
    catalogue.endpoints[0].state = value;
    const auto snapshot = Snapshot::Make(catalogue, {});
    const Slot& slot = *snapshot->FindSlot("box", "mid");
    return slot.barred != Rejection::kNone ? NameOf(slot.barred) : NameOf(slot.closed);
  };
  EXPECT_EQ(state(EndpointState::kDisabled), "ENDPOINT_DISABLED");
  EXPECT_EQ(state(EndpointState::kOpen), "ENDPOINT_OPEN");
  EXPECT_EQ(state(EndpointState::kMisconfigured), "ENDPOINT_MISCONFIGURED");
  EXPECT_EQ(state(EndpointState::kRateLimited), "RATE_LIMITED");
  EXPECT_EQ(state(EndpointState::kUnknown), "ENDPOINT_UNKNOWN");
  for (const EndpointState open : {EndpointState::kHealthy, EndpointState::kLoading, EndpointState::kBusy,
                                   EndpointState::kFailing, EndpointState::kRecovering}) {
    EXPECT_EQ(state(open), "");
  }
}

TEST(SnapshotTest, ModelsThatDoNotAnswerPromptsAreBarred) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].models[0].capabilities = {"embedding"};
  catalogue.endpoints[0].models[1].capabilities = {"completion", "embedding"};
  catalogue.models[4].capabilities = {"embedding"};
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_EQ(snapshot->FindSlot("box", "tiny")->barred, Rejection::kNotChat);
  EXPECT_EQ(snapshot->FindSlot("box", "mid")->barred, Rejection::kNone);
  EXPECT_EQ(snapshot->FindSlot("alpha", "big")->barred, Rejection::kNotChat);
}

TEST(SnapshotTest, TheStrongestTierIsKnownForLocalOnesAndAll) {
  Catalogue catalogue = TestCatalogue();
  EXPECT_EQ(Snapshot::Make(catalogue, {})->Strongest(false), ModelTier::kLarge);
  EXPECT_EQ(Snapshot::Make(catalogue, {})->Strongest(true), ModelTier::kMedium);
  catalogue.models[1].disabled = true;
  EXPECT_EQ(Snapshot::Make(catalogue, {})->Strongest(true), ModelTier::kSmall);
  EXPECT_EQ(Snapshot::Make({}, {})->Strongest(false), ModelTier::kNone);
}

TEST(SnapshotTest, AnEndpointNeedsItsCredentialAndItsAgentAndNothingElse) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[1].agent = "rig";
  const auto snapshot = Snapshot::Make(catalogue, {});
  const Slot& slot = *snapshot->FindSlot("alpha", "big");
  EXPECT_THAT(slot.needs, ElementsAre("credential:env:alpha", "agent:rig"));
  const auto has = [&](std::vector<std::string> offers) { return snapshot->ReachOf(offers).Has(slot); };
  EXPECT_FALSE(has({"credential:env:alpha"}));
  EXPECT_FALSE(has({"agent:rig"}));
  EXPECT_TRUE(has({"agent:rig", "reach:lan", "credential:env:alpha"}));
  EXPECT_TRUE(snapshot->ReachOfAll().Has(slot));
  EXPECT_TRUE(snapshot->ReachOf({}).Has(*snapshot->FindSlot("box", "mid")));
}

TEST(SnapshotTest, RanksHoldWhatIsOpenHasRoomAndIsStrongEnough) {
  Catalogue catalogue = TestCatalogue();
  const auto all = Snapshot::Make(catalogue, {});
  EXPECT_THAT(Names(all->RankOf({.least = ModelTier::kLarge})), ElementsAre("vast@beta", "big@alpha"));
  EXPECT_THAT(Names(all->RankOf({.least = ModelTier::kLarge, .local_only = true})), IsEmpty());
  EXPECT_THAT(Names(all->RankOf({.least = ModelTier::kMedium, .local_only = true})), ElementsAre("mid@box"));
  catalogue.endpoints[2].state = EndpointState::kOpen;
  catalogue.endpoints[0].in_flight = 4;
  EXPECT_THAT(Names(Snapshot::Make(catalogue, {})->RankOf({.least = ModelTier::kSmall})), ElementsAre("big@alpha"));
}

TEST(SnapshotTest, TiesGoByName) {
  Catalogue catalogue;
  catalogue.models = TestRows();
  catalogue.endpoints = {Box("c", {"mid"}), Box("a", {"mid"}), Box("b", {"mid"})};
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_THAT(Names(snapshot->RankOf({.least = ModelTier::kMedium})), ElementsAre("mid@a", "mid@b", "mid@c"));
}

TEST(SnapshotTest, TrivialWorkPrefersLocalAndSmall) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].models[1].warmth = Warmth::kCold;
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_THAT(Names(snapshot->RankOf({.least = ModelTier::kSmall, .order = Order::kSmallest})),
              ElementsAre("tiny@box", "mid@box", "flash@beta", "vast@beta", "big@alpha"));
}

TEST(SnapshotTest, LocalFirstWantsTheModelLoaded) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints[0].models[1].first_token_p50 = absl::Seconds(30);
  catalogue.endpoints[2].models[0].first_token_p50 = absl::Milliseconds(100);
  const RankClass standard{.least = ModelTier::kMedium, .order = Order::kLocalFirst};
  EXPECT_EQ(Names(Snapshot::Make(catalogue, {})->RankOf(standard)).front(), "mid@box");
  catalogue.endpoints[0].models[1].warmth = Warmth::kCold;
  EXPECT_EQ(Names(Snapshot::Make(catalogue, {})->RankOf(standard)).front(), "flash@beta");
}

TEST(SnapshotTest, ARolesListBindsAndOrders) {
  const auto snapshot = Snapshot::Make(TestCatalogue(), {});
  const Role* const planner = snapshot->FindRole("planner");
  EXPECT_THAT(Names(snapshot->RankOf({.least = ModelTier::kLarge, .role = planner})),
              ElementsAre("big@alpha", "vast@beta"));
  EXPECT_EQ(snapshot->PositionIn(*planner, snapshot->FindModel("vast")), 1);
  EXPECT_EQ(snapshot->PositionIn(*planner, snapshot->FindModel("mid")), -1);
}

TEST(SnapshotTest, LearntRatiosReachTheirModel) {
  Catalogue catalogue = TestCatalogue();
  catalogue.ratios["big"] = {.expected = 1.3, .upper = 1.6};
  const auto snapshot = Snapshot::Make(catalogue, {});
  EXPECT_EQ(snapshot->FindSlot("alpha", "big")->ratio.expected, 1.3);
  EXPECT_EQ(snapshot->FindSlot("beta", "vast")->ratio, TokenRatio());
}

TEST(SnapshotTest, ManyThreadsMayAskForRanksAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const auto snapshot = Snapshot::Make(TestCatalogue(), {});
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (const ModelTier tier : {ModelTier::kSmall, ModelTier::kMedium, ModelTier::kLarge}) {
          EXPECT_FALSE(snapshot->RankOf({.least = tier}).empty());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// Whatever the catalogue: ranks hold nothing that the class forbids, everything that it allows, and are in order.
TEST(SnapshotTest, RandomRanksAreCompleteAndOrdered) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    Catalogue catalogue;
    catalogue.models = TestRows();
    catalogue.roles = TestCatalogue().roles;
    const std::vector<std::string> models = {"tiny", "mid", "strong", "flash", "big", "vast", "unlisted"};
    for (int i = 0; i < 12; ++i) {
      Endpoint endpoint = rng->Below(2) == 0 ? Box("e" + std::to_string(i), {}) : Cloud("e" + std::to_string(i), {});
      endpoint.state = static_cast<EndpointState>(1 + rng->Below(10));
      endpoint.in_flight = static_cast<int>(rng->Below(6));
      endpoint.urgent_slots = static_cast<int>(rng->Below(3));
      endpoint.failure_rate = rng->Unit();
      for (const std::string& model : models) {
        if (rng->Below(3) == 0) endpoint.models.push_back(Placed(model, static_cast<Warmth>(1 + rng->Below(4))));
      }
      catalogue.endpoints.push_back(std::move(endpoint));
    }
    const auto snapshot = Snapshot::Make(catalogue, {});
    for (int i = 0; i < 20; ++i) {
      RankClass one{.least = static_cast<ModelTier>(rng->Below(4)),
                    .local_only = rng->Below(2) == 0,
                    .urgent = rng->Below(2) == 0,
                    .order = static_cast<Order>(rng->Below(3))};
      if (rng->Below(2) == 0) one.role = snapshot->FindRole("coder");
      const auto ranked = snapshot->RankOf(one);
      std::set<const Slot*> in;
      for (std::size_t j = 0; j < ranked.size(); ++j) {
        in.insert(ranked[j].slot);
        EXPECT_GE(ranked[j].score, 0);
        EXPECT_LE(ranked[j].score, 1);
        if (j > 0) {
          EXPECT_TRUE(snapshot->Before(one, ranked[j - 1], ranked[j]));
          EXPECT_FALSE(snapshot->Before(one, ranked[j], ranked[j - 1]));
        }
      }
      for (const Slot& slot : snapshot->slots()) {
        const bool belongs = slot.barred == Rejection::kNone && slot.closed == Rejection::kNone &&
                             slot.has_room[one.urgent ? 1 : 0] && slot.tier >= one.least &&
                             (!one.local_only || slot.local()) &&
                             (one.role == nullptr || snapshot->PositionIn(*one.role, slot.model) >= 0);
        EXPECT_EQ(in.count(&slot) > 0, belongs);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::router
