// Many tasks wait for one endpoint that goes away and comes back.
#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/model_registry/checker.h"
#include "services/model_registry/in_memory_registry_store.h"
#include "services/model_registry/registry_admin.h"

namespace switchyard::model_registry {
namespace {

// An endpoint that is there or not.
class SwitchedProber final : public EndpointProber {
 public:
  void Check(ProbeRequest, std::function<void(CheckResult)> done) override {
    ++asked;
    CheckResult result;
    result.process = up ? Verdict::kGood : Verdict::kBad;
    result.message = up ? "" : "refused";
    if (up) {
      result.credentials = result.models_known = Verdict::kGood;
      result.models = {{.model = "m", .loaded = true}};
    }
    done(result);
  }
  void KeepWarm(const EndpointSpec&, const std::string&, std::function<void(absl::Status)> done) override {
    done(absl::OkStatus());
  }

  bool up = true;
  int asked = 0;
};

class RegistryHerdTest : public ::testing::Test {
 protected:
  static constexpr int kCapacity = 8;
  static constexpr int kBatch = 20;

  struct Running {
    absl::Time began;
    absl::Time end;
  };

  RegistryHerdTest() {
    EndpointSpec spec{.name = "a", .kind = EndpointKind::kOpenAi, .url = "http://h", .capacity = kCapacity};
    EXPECT_TRUE(admin_.Add(spec, {"id", "ada"}, "").ok());
  }

  EndpointStatus Status() {
    registry_.Refresh();
    return admin_.Find("a")->status;
  }

  // A tenth of a second: checks go, requests end, the herd asks for room.
  void Step() {
    clock_.Advance(absl::Milliseconds(100));
    checker_.Tick();
    std::vector<NamedKey> over;
    for (auto running = running_.begin(); running != running_.end();) {
      if (running->second.end > clock_.Now() && prober_.up) {
        ++running;
        continue;
      }
      Observation observation{.model = "m", .began = running->second.began};
      observation.outcome = prober_.up ? Outcome::kSuccess : Outcome::kFailure;
      observation.message = "reset";
      registry_.Observe(admin_.Find("a")->record.id, observation);
      over.push_back({"a", running->first, 1});
      if (prober_.up) {
        ++served_;
      } else {
        ++waiting_;
      }
      running = running_.erase(running);
    }
    if (!over.empty()) {
      EXPECT_TRUE(admin_.Release(over).ok());
    }
    Ask();
  }

  void Ask() {
    const int allowed = Status().capacity;
    std::vector<ReserveItem> items;
    for (int i = 0; i < std::min(kBatch, waiting_); ++i) {
      items.push_back({.task = ids_.New<TaskId>(), .generation = 1, .endpoint = "a", .model = "m"});
    }
    if (items.empty()) return;
    const absl::StatusOr<std::vector<ReserveResult>> results = admin_.Reserve(items);
    ASSERT_TRUE(results.ok());
    bool any = false;
    for (const ReserveResult& result : *results) {
      if (!result.reservation.has_value()) continue;
      any = true;
      --waiting_;
      running_[result.reservation->key.task] = {clock_.Now(),
                                                clock_.Now() + absl::Milliseconds(500 + rng_->Below(2'000))};
    }
    if (any) {
      EXPECT_LE(static_cast<int>(running_.size()), allowed);
      EXPECT_LE(allowed, kCapacity);
    }
    most_ = std::max(most_, static_cast<int>(running_.size()));
  }

  void Run(absl::Duration time) {
    for (const absl::Time end = clock_.Now() + time; clock_.Now() < end && !HasFatalFailure();) Step();
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(3);
  const HealthRules rules_;
  InMemoryRegistryStore store_;
  Registry registry_{clock_, rules_};
  RegistryAdmin admin_{store_, registry_, clock_, ids_, 5};
  SwitchedProber prober_;
  Checker checker_{registry_,
                   prober_,
                   clock_,
                   {},
                   rules_.breaker.cooldown,
                   [](const EndpointId&, absl::Time, std::function<void(bool)> answer) { answer(true); }};
  std::map<TaskId, Running> running_;
  int waiting_ = 400;
  int served_ = 0;
  int most_ = 0;
};

TEST_F(RegistryHerdTest, AnEndpointThatReturnsIsNeverRunOverAndDoesNotFlap) {
  Run(absl::Seconds(20));
  EXPECT_EQ(most_, kCapacity);
  EXPECT_GT(served_, 50);

  prober_.up = false;
  const int served = served_;
  Step();
  EXPECT_EQ(Status().state, EndpointState::kOpen);
  const int asked = prober_.asked;
  Run(absl::Seconds(60));
  EXPECT_EQ(served_, served);
  EXPECT_TRUE(running_.empty());
  // A cooldown of half a minute, then one of a minute.
  EXPECT_LE(prober_.asked - asked, 2);

  prober_.up = true;
  const int opened = Status().breaker.times_opened;
  std::vector<int> ramp;
  for (int i = 0; i < 1'200 && Status().state != EndpointState::kHealthy && Status().state != EndpointState::kBusy;
       ++i) {
    most_ = 0;
    Step();
    const int allowance = Status().breaker.allowance;
    if (allowance > 0 && (ramp.empty() || ramp.back() != allowance)) ramp.push_back(allowance);
    if (allowance > 0) {
      EXPECT_LE(static_cast<int>(running_.size()), allowance);
    }
  }
  EXPECT_EQ(ramp, (std::vector<int>{1, 2, 4, 8}));
  Run(absl::Minutes(3));
  EXPECT_EQ(Status().breaker.times_opened, opened) << "it opened again under the herd";
  EXPECT_EQ(waiting_, 0);
  EXPECT_EQ(served_, 400);
}

}  // namespace
}  // namespace switchyard::model_registry
