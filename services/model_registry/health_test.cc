#include "services/model_registry/health.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::model_registry {
namespace {

using State = EndpointState;

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { spec_.name = "here"; }

  void Make() { health_ = std::make_unique<EndpointHealth>(spec_, rules_, now_); }
  static CheckResult Good(std::vector<FoundModel> models = {{.model = "a", .loaded = true}}) {
    CheckResult result;
    result.process = result.credentials = result.models_known = Verdict::kGood;
    result.models = std::move(models);
    return result;
  }
  static CheckResult Dead(std::string message = "nothing listens there") {
    CheckResult result;
    result.process = Verdict::kBad;
    result.message = std::move(message);
    return result;
  }
  static CheckResult Refused() {
    CheckResult result;
    result.process = Verdict::kGood;
    result.credentials = Verdict::kBad;
    result.message = "status 401";
    return result;
  }
  // As a checker does when its time comes.
  bool Check(const CheckResult& result) {
    const std::optional<CheckKind> kind = health_->DueCheck(now_);
    if (!kind.has_value()) return false;
    health_->BeginCheck(*kind, now_);
    health_->CheckDone(*kind, result, now_, now_);
    return true;
  }
  void CheckNext(const CheckResult& result) {
    now_ = std::max(now_, health_->next_check());
    ASSERT_TRUE(Check(result));
  }
  Observation Saw(Outcome outcome, std::string model = "a") const {
    Observation observation;
    observation.model = std::move(model);
    observation.outcome = outcome;
    observation.began = now_;
    observation.total = absl::Seconds(3);
    return observation;
  }
  EndpointStatus Status() { return health_->Status(now_); }
  State StateNow() { return Status().state; }
  PlacedModel ModelNow(const std::string& name) {
    for (const PlacedModel& placed : Status().models) {
      if (placed.model == name) return placed;
    }
    return {};
  }

  absl::Time now_ = testing::FakeClock().Now();
  EndpointSpec spec_{.kind = EndpointKind::kOllama, .url = "http://host:11434", .local = true};
  HealthRules rules_;
  std::unique_ptr<EndpointHealth> health_;
};

TEST_F(HealthTest, IsUnknownUntilItsFirstCheckAndTakesNothing) {
  Make();
  EXPECT_EQ(StateNow(), State::kUnknown);
  EXPECT_EQ(Status().capacity, 0);
  EXPECT_TRUE(Check(Good()));
  EXPECT_EQ(StateNow(), State::kHealthy);
  EXPECT_EQ(Status().capacity, 1);
}

TEST_F(HealthTest, IsCheckedOnceAnInterval) {
  Make();
  EXPECT_TRUE(Check(Good()));
  EXPECT_FALSE(Check(Good()));
  now_ += rules_.check_interval;
  EXPECT_TRUE(Check(Good()));
}

TEST_F(HealthTest, KeepsTheLevelsApart) {
  Make();
  CheckResult result = Good({});
  result.models_known = Verdict::kBad;
  result.message = "its list cannot be read";
  Check(result);
  const EndpointStatus status = Status();
  EXPECT_EQ(status.process.verdict, Verdict::kGood);
  EXPECT_EQ(status.credentials.verdict, Verdict::kGood);
  EXPECT_EQ(status.models_known.verdict, Verdict::kBad);
  EXPECT_EQ(status.models_known.message, "its list cannot be read");
  EXPECT_EQ(status.progress.verdict, Verdict::kUnknown);
  EXPECT_EQ(status.state, State::kFailing);
}

TEST_F(HealthTest, OpensWhenChecksFailAndHurriesUntilThen) {
  Make();
  Check(Good());
  for (int i = 0; i < 3; ++i) CheckNext(Dead());
  EXPECT_EQ(StateNow(), State::kOpen);
  EXPECT_EQ(Status().cause, "nothing listens there");
  EXPECT_EQ(Status().capacity, 0);
  EXPECT_LT(now_ - Status().process.time, rules_.check_interval);
}

TEST_F(HealthTest, ADeadOneIsAskedAtMostOnceACooldown) {
  Make();
  for (int i = 0; i < 3; ++i) CheckNext(Dead());
  int asked = 0;
  const absl::Time end = now_ + absl::Minutes(60);
  for (; now_ < end; now_ += absl::Seconds(1)) asked += Check(Dead()) ? 1 : 0;
  // 30 s, 1, 2, 4, 8 and then every 10 minutes.
  EXPECT_GE(asked, 8);
  EXPECT_LE(asked, 10);
}

TEST_F(HealthTest, TheReportOfAnAgentIsBelievedAndAges) {
  spec_.agent = "rig";
  Make();
  EXPECT_FALSE(Check(Good())) << "it is not this process's to ask";
  health_->Reported(Good(), now_);
  EXPECT_EQ(StateNow(), State::kHealthy);
  now_ += rules_.check_interval * 4;
  EXPECT_EQ(StateNow(), State::kHealthy);
  now_ += absl::Seconds(1);
  EXPECT_EQ(StateNow(), State::kUnknown);
  EXPECT_EQ(Status().cause, "its agent does not report any more");
  EXPECT_EQ(Status().capacity, 0);
  health_->Reported(Refused(), now_);
  EXPECT_EQ(StateNow(), State::kMisconfigured);
  health_->Reported(Good(), now_);
  EXPECT_EQ(StateNow(), State::kHealthy) << "nobody else could say that it was mended";
}

TEST_F(HealthTest, WhileItIsOpenAReportCountsOnceACooldown) {
  spec_.agent = "rig";
  Make();
  health_->Reported(Good(), now_);
  for (int i = 0; i < 3; ++i) health_->Reported(Dead(), now_);
  ASSERT_EQ(StateNow(), State::kOpen);
  const absl::Time until = *Status().breaker.open_until;
  now_ += absl::Seconds(1);
  health_->Reported(Good(), now_);
  EXPECT_EQ(StateNow(), State::kOpen) << "its lists may answer while what opened it goes on";
  EXPECT_EQ(Status().breaker.open_until, until);
  now_ = until;
  health_->Reported(Dead(), now_);
  EXPECT_EQ(StateNow(), State::kOpen);
  EXPECT_GT(*Status().breaker.open_until, until + rules_.breaker.cooldown) << "longer each time";
  now_ = *Status().breaker.open_until;
  health_->Reported(Good(), now_);
  EXPECT_EQ(StateNow(), State::kRecovering);
  EXPECT_EQ(Status().capacity, 1);
}

TEST_F(HealthTest, RecoversByStepsWithoutWork) {
  spec_.max_capacity = 8;
  spec_.capacity = 0;
  Make();
  for (int i = 0; i < 3; ++i) CheckNext(Dead());
  now_ = Status().breaker.open_until.value();
  ASSERT_EQ(health_->DueCheck(now_), CheckKind::kProbe);
  Check(Good());
  EXPECT_EQ(StateNow(), State::kRecovering);
  EXPECT_EQ(Status().breaker.allowance, 1);
  CheckNext(Good());
  EXPECT_EQ(StateNow(), State::kHealthy);
}

TEST_F(HealthTest, AMisconfiguredOneIsLeftAloneUntilMended) {
  Make();
  Check(Refused());
  EXPECT_EQ(StateNow(), State::kMisconfigured);
  EXPECT_EQ(Status().cause, "status 401");
  EXPECT_EQ(Status().capacity, 0);
  EXPECT_FALSE(Status().next_check_time.has_value());
  now_ += absl::Hours(24);
  EXPECT_FALSE(Check(Good())) << "no retries";
  EXPECT_EQ(StateNow(), State::kMisconfigured);
  health_->Mend(now_);
  EXPECT_TRUE(Check(Good()));
  EXPECT_EQ(StateNow(), State::kHealthy);
}

TEST_F(HealthTest, ARefusedRequestClosesItThoughItsListsAreOpenToAll) {
  Make();
  Check(Good());
  health_->BeginCheck(CheckKind::kLists, now_);
  const absl::Time began = now_;
  now_ += absl::Seconds(1);
  health_->Observe(Saw(Outcome::kRefused), now_);
  EXPECT_EQ(StateNow(), State::kMisconfigured);
  health_->CheckDone(CheckKind::kLists, Good(), began, now_);
  EXPECT_EQ(StateNow(), State::kMisconfigured) << "that check was under way before";
}

TEST_F(HealthTest, HonoursRetryAfterWithoutTrippingTheBreaker) {
  Make();
  Check(Good());
  for (int i = 0; i < 10; ++i) {
    Observation observation = Saw(Outcome::kRateLimited);
    observation.retry_after = absl::Minutes(5);
    health_->Observe(observation, now_);
  }
  EXPECT_EQ(StateNow(), State::kRateLimited);
  EXPECT_EQ(Status().retry_time, now_ + absl::Minutes(5));
  EXPECT_EQ(Status().breaker.failures_in_row, 0);
  Observation sooner = Saw(Outcome::kRateLimited);
  sooner.retry_after = absl::Seconds(1);
  health_->Observe(sooner, now_);
  EXPECT_EQ(Status().retry_time, now_ + absl::Minutes(5)) << "never shortened";
  now_ += absl::Minutes(5) - absl::Seconds(1);
  EXPECT_FALSE(Check(Good()));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(Check(Good()));
  EXPECT_EQ(StateNow(), State::kHealthy);
}

TEST_F(HealthTest, FindsAnEndpointWhoseListsAnswerWhileGenerationHangs) {
  Make();
  Check(Good());
  for (int i = 0; i < 3; ++i) {
    health_->Observe(Saw(Outcome::kNoProgress), now_);
    if (i == 0) {
      EXPECT_EQ(StateNow(), State::kFailing);
      EXPECT_EQ(health_->DueCheck(now_), CheckKind::kProgress) << "it is asked for a word at once";
    }
  }
  EXPECT_EQ(StateNow(), State::kOpen);
  EXPECT_EQ(Status().process.verdict, Verdict::kGood);
  EXPECT_EQ(Status().progress.verdict, Verdict::kBad);
}

TEST_F(HealthTest, FindsItWithoutWorkToo) {
  Make();
  Check(Good());
  now_ += rules_.progress_interval;
  CheckResult hangs = Good();
  hangs.progress = Verdict::kBad;
  hangs.message = "said no word in time";
  EXPECT_EQ(health_->DueCheck(now_), CheckKind::kProgress);
  Check(hangs);
  EXPECT_EQ(StateNow(), State::kFailing);
  for (int i = 0; i < 2; ++i) {
    now_ = health_->next_check();
    EXPECT_EQ(health_->DueCheck(now_), CheckKind::kProgress);
    Check(hangs);
  }
  EXPECT_EQ(StateNow(), State::kOpen);
}

TEST_F(HealthTest, ListsThatAnswerDoNotExcuseRequestsThatFail) {
  Make();
  Check(Good());
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(StateNow(), State::kOpen);
    if (i > 0) CheckNext(Good());
    health_->Observe(Saw(Outcome::kFailure), now_);
  }
  EXPECT_EQ(StateNow(), State::kOpen);
}

TEST_F(HealthTest, TellsLoadingFromDead) {
  Make();
  Check(Good());
  CheckResult loading;
  loading.process = loading.credentials = Verdict::kGood;
  loading.loading = true;
  for (int i = 0; i < 10; ++i) CheckNext(loading);
  EXPECT_EQ(StateNow(), State::kLoading);
  EXPECT_EQ(ModelNow("a").warmth, Warmth::kWarm) << "what was known of models stays";
}

TEST_F(HealthTest, ABusyOneIsNotFailing) {
  Make();
  Check(Good());
  for (int i = 0; i < 10; ++i) health_->Observe(Saw(Outcome::kBusy), now_);
  EXPECT_EQ(StateNow(), State::kBusy);
  EXPECT_EQ(Status().capacity, 0) << "for a moment";
  now_ += rules_.check_interval;
  Check(Good());
  EXPECT_EQ(StateNow(), State::kHealthy);
  health_->SetInFlight({{"a", 1}});
  EXPECT_EQ(StateNow(), State::kBusy);
  EXPECT_EQ(Status().capacity, 1);
}

TEST_F(HealthTest, TellsWarmColdLoadingAndAbsentApart) {
  spec_.models = {{.model = "missing"}};
  Make();
  Check(Good({{.model = "warm", .loaded = true, .expire_time = now_ + absl::Minutes(4)},
              {.model = "leaving", .loaded = true, .expire_time = now_ + absl::Seconds(40)},
              {.model = "elsewhere-busy", .loaded = true, .expire_time = now_ - absl::Minutes(9)},
              {.model = "forever", .loaded = true},
              {.model = "cold"}}));
  EXPECT_EQ(ModelNow("warm").warmth, Warmth::kWarm);
  EXPECT_EQ(ModelNow("leaving").warmth, Warmth::kCold);
  EXPECT_EQ(ModelNow("elsewhere-busy").warmth, Warmth::kWarm) << "its expiry stands still while it serves somebody";
  EXPECT_EQ(ModelNow("forever").warmth, Warmth::kWarm);
  EXPECT_EQ(ModelNow("cold").warmth, Warmth::kCold);
  EXPECT_EQ(ModelNow("missing").warmth, Warmth::kAbsent);
  health_->SetInFlight({{"leaving", 1}, {"cold", 1}});
  EXPECT_EQ(ModelNow("leaving").warmth, Warmth::kWarm) << "we keep it busy";
  CheckResult loading;
  loading.process = Verdict::kGood;
  loading.loading = true;
  CheckNext(loading);
  EXPECT_EQ(ModelNow("cold").warmth, Warmth::kLoading);
}

TEST_F(HealthTest, KeepsChosenModelsWarm) {
  spec_.models = {{.model = "a", .keep_warm = true}};
  Make();
  Check(Good({{.model = "a"}}));
  ASSERT_EQ(health_->DueKeepWarm(now_), "a");
  health_->BeginKeepWarm("a", now_);
  EXPECT_FALSE(health_->DueKeepWarm(now_).has_value());
  health_->KeepWarmDone("a", absl::OkStatus(), now_);
  EXPECT_EQ(ModelNow("a").warmth, Warmth::kWarm);
  now_ += rules_.keep_warm / 2 - absl::Seconds(1);
  EXPECT_FALSE(health_->DueKeepWarm(now_).has_value());
  now_ += absl::Seconds(2);
  health_->CheckDone(CheckKind::kManual,
                     Good({{.model = "a", .loaded = true, .expire_time = now_ + absl::Minutes(14)}}), now_, now_);
  EXPECT_TRUE(health_->DueKeepWarm(now_).has_value());
}

TEST_F(HealthTest, AModelThatIsPassedOnIsRemoteAndNotKeptWarm) {
  spec_.models = {{.model = "a", .keep_warm = true}};
  Make();
  Check(Good({{.model = "a", .remote = true}, {.model = "b"}}));
  EXPECT_TRUE(ModelNow("a").remote);
  EXPECT_FALSE(ModelNow("b").remote);
  EXPECT_FALSE(health_->DueKeepWarm(now_).has_value());
}

TEST_F(HealthTest, BelievesTheAgentOfAnEndpointThatOnlyItReaches) {
  spec_.agent = "build-1";
  Make();
  EXPECT_FALSE(health_->DueCheck(now_).has_value());
  EXPECT_EQ(StateNow(), State::kUnknown);
  health_->CheckDone(CheckKind::kManual, Good(), now_, now_);
  EXPECT_EQ(StateNow(), State::kHealthy);
  now_ += rules_.check_interval * 5;
  EXPECT_EQ(StateNow(), State::kUnknown);
  EXPECT_EQ(Status().capacity, 0) << "not used until it is fresh";
}

TEST_F(HealthTest, ADisabledOneIsNotChecked) {
  spec_.disabled = true;
  Make();
  EXPECT_FALSE(health_->DueCheck(now_).has_value());
  EXPECT_EQ(StateNow(), State::kDisabled);
}

TEST_F(HealthTest, WhatCouldNotBeAskedSaysNothing) {
  Make();
  Check(Good());
  for (int i = 0; i < 3; ++i) CheckNext(Dead());
  ASSERT_EQ(StateNow(), State::kOpen);
  now_ = Status().breaker.open_until.value();
  EXPECT_TRUE(Check(CheckResult{.message = "queue full"}));
  EXPECT_EQ(StateNow(), State::kOpen);
}

// Whatever happens: closed states take nothing, nothing takes more than it may, and a misconfigured endpoint is never
// asked.
TEST_F(HealthTest, HoldsItsPromisesOnRandomWalks) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    spec_.local = rng->Below(2) == 0;
    Make();
    for (int step = 0; step < 300; ++step) {
      now_ += absl::Seconds(rng->Below(20));
      const bool misconfigured = StateNow() == State::kMisconfigured;
      switch (rng->Below(5)) {
        case 0:
        case 1: {
          const bool asked = Check(rng->Below(12) == 0 ? Refused() : rng->Below(3) == 0 ? Dead() : Good());
          EXPECT_FALSE(asked && misconfigured);
          break;
        }
        case 2:
          health_->SetInFlight({{"a", static_cast<int>(rng->Below(4))}});
          break;
        case 3:
          if (rng->Below(10) == 0) health_->Mend(now_);
          break;
        default:
          health_->Observe(Saw(static_cast<Outcome>(1 + rng->Below(8))), now_);
      }
      const EndpointStatus status = Status();
      EXPECT_GE(status.capacity, 0);
      EXPECT_LE(status.capacity, status.full_capacity);
      EXPECT_LE(status.full_capacity, spec_.local ? 2 : 32);
      EXPECT_LE(status.urgent_slots, status.capacity);
      if (status.state == State::kOpen || status.state == State::kMisconfigured ||
          status.state == State::kRateLimited || status.state == State::kUnknown) {
        EXPECT_EQ(status.capacity, 0);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::model_registry
