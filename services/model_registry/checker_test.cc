#include "services/model_registry/checker.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {
namespace {

using ::testing::ElementsAre;

// Answers when the test says so.
class FakeProber final : public EndpointProber {
 public:
  void Check(ProbeRequest request, std::function<void(CheckResult)> done) override {
    asked.push_back(request.spec.name);
    generate.push_back(request.generate);
    waiting.push_back(std::move(done));
    if (answer.has_value()) Answer(*answer);
  }
  void KeepWarm(const EndpointSpec& spec, const std::string& model, std::function<void(absl::Status)> done) override {
    warmed.push_back(spec.name + "/" + model);
    loads.push_back(std::move(done));
  }
  void Answer(const CheckResult& result) {
    auto done = std::move(waiting.front());
    waiting.erase(waiting.begin());
    done(result);
  }

  std::vector<std::string> asked;
  std::vector<Generate> generate;
  std::vector<std::function<void(CheckResult)>> waiting;
  std::vector<std::string> warmed;
  std::vector<std::function<void(absl::Status)>> loads;
  std::optional<CheckResult> answer;
};

class CheckerTest : public ::testing::Test {
 protected:
  void Configure(const std::vector<EndpointSpec>& specs) {
    StoredConfiguration stored{.revision = ++revision_, .endpoints = {}, .disabled = {}, .models = {}};
    for (const EndpointSpec& spec : specs) {
      stored.endpoints.push_back({.id = IdOfFileEndpoint(spec.name), .spec = spec});
    }
    registry_.SetStored(std::move(stored));
    registry_.Refresh();
  }
  static EndpointSpec Spec(std::string name) {
    return {.name = std::move(name), .kind = EndpointKind::kOllama, .url = "http://h", .local = true};
  }
  static CheckResult Good(std::vector<FoundModel> models = {}) {
    CheckResult result;
    result.process = result.credentials = result.models_known = Verdict::kGood;
    result.models = std::move(models);
    return result;
  }
  static CheckResult Dead() {
    CheckResult result;
    result.process = Verdict::kBad;
    return result;
  }
  EndpointState StateOf(const std::string& name) {
    registry_.Refresh();
    return registry_.snapshot()->Find(name)->status.state;
  }
  void Run(absl::Duration time) {
    for (const absl::Time end = clock_.Now() + time; clock_.Now() < end; clock_.Advance(absl::Milliseconds(500))) {
      checker_.Tick();
    }
  }

  std::int64_t revision_ = 0;
  testing::FakeClock clock_;
  HealthRules rules_;
  Registry registry_{clock_, rules_};
  FakeProber prober_;
  bool claimed_ = true;
  int claims_ = 0;
  Checker checker_{registry_,
                   prober_,
                   clock_,
                   {},
                   rules_.breaker.cooldown,
                   [this](const EndpointId&, absl::Time, std::function<void(bool)> answer) {
                     ++claims_;
                     answer(claimed_);
                   }};
};

TEST_F(CheckerTest, SpreadsChecksOverTime) {
  Configure({Spec("a"), Spec("b"), Spec("c")});
  checker_.Tick();
  checker_.Tick();
  EXPECT_LE(prober_.asked.size(), 2u);
  Run(absl::Seconds(4));
  EXPECT_EQ(prober_.asked.size(), 3u);
}

TEST_F(CheckerTest, FitsManyEndpointsIntoOneInterval) {
  std::vector<EndpointSpec> specs;
  for (int i = 0; i < 200; ++i) specs.push_back(Spec("e" + std::to_string(i)));
  Configure(specs);
  prober_.answer = Good();
  Run(rules_.check_interval + absl::Seconds(1));
  EXPECT_GE(prober_.asked.size(), 200u);
}

TEST_F(CheckerTest, ASlowEndpointHoldsUpNoOther) {
  Configure({Spec("slow"), Spec("quick")});
  Run(absl::Seconds(90));
  EXPECT_EQ(std::count(prober_.asked.begin(), prober_.asked.end(), "slow"), 1);
  EXPECT_EQ(std::count(prober_.asked.begin(), prober_.asked.end(), "quick"), 1);
  prober_.answer = Good();
  prober_.Answer(Good());
  prober_.Answer(Good());
  Run(absl::Seconds(40));
  EXPECT_EQ(prober_.asked.size(), 4u);
}

TEST_F(CheckerTest, TheProbeOfACooldownIsClaimedAmongReplicas) {
  Configure({Spec("a")});
  prober_.answer = Dead();
  Run(absl::Seconds(15));
  ASSERT_EQ(StateOf("a"), EndpointState::kOpen);
  const std::size_t before = prober_.asked.size();
  claimed_ = false;
  Run(absl::Seconds(70));
  EXPECT_EQ(prober_.asked.size(), before) << "another replica has them";
  EXPECT_GE(claims_, 1);
  claimed_ = true;
  Run(absl::Seconds(31));
  EXPECT_EQ(prober_.asked.size(), before + 1);
}

TEST_F(CheckerTest, ARefusedKeyIsNotTriedAgain) {
  Configure({Spec("a")});
  CheckResult refused;
  refused.process = Verdict::kGood;
  refused.credentials = Verdict::kBad;
  refused.message = "status 401";
  prober_.answer = refused;
  Run(absl::Hours(1));
  EXPECT_EQ(prober_.asked.size(), 1u);
  EXPECT_EQ(StateOf("a"), EndpointState::kMisconfigured);
}

TEST_F(CheckerTest, ACheckOfAnOlderSpecificationSaysNothingAboutTheNewOne) {
  Configure({Spec("a")});
  checker_.Tick();
  EndpointSpec other = Spec("a");
  other.url = "http://elsewhere";
  Configure({other});
  prober_.Answer(Good());
  EXPECT_EQ(StateOf("a"), EndpointState::kUnknown);
}

TEST_F(CheckerTest, APersonsCheckGoesAtOnceAndIsAnswered) {
  Configure({Spec("a")});
  std::optional<CheckResult> seen;
  SY_ASSERT_OK(checker_.CheckNow(IdOfFileEndpoint("a"), true, "m", [&](const CheckResult& result) { seen = result; }));
  EXPECT_EQ(prober_.generate.back(), Generate::kAlways);
  EXPECT_THAT(checker_.CheckNow(IdOfFileEndpoint("a"), false, "", nullptr), testing::IsError("PROBE_UNDER_WAY"));
  prober_.Answer(Good());
  EXPECT_TRUE(seen.has_value());
  EXPECT_EQ(StateOf("a"), EndpointState::kHealthy);
  EXPECT_THAT(checker_.CheckNow(IdOfFileEndpoint("b"), false, "", nullptr), testing::IsError("ENDPOINT_NOT_FOUND"));
}

TEST_F(CheckerTest, NeverAsksWhatOnlyAnAgentReaches) {
  EndpointSpec spec = Spec("a");
  spec.agent = "build-1";
  Configure({spec});
  Run(absl::Minutes(5));
  EXPECT_TRUE(prober_.asked.empty());
  EXPECT_THAT(checker_.CheckNow(IdOfFileEndpoint("a"), false, "", nullptr), testing::IsError("ENDPOINT_AGENT_ONLY"));
  registry_.AgentReported(IdOfFileEndpoint("a"), "other", Good());
  EXPECT_EQ(StateOf("a"), EndpointState::kUnknown);
  registry_.AgentReported(IdOfFileEndpoint("a"), "build-1", Good());
  EXPECT_EQ(StateOf("a"), EndpointState::kHealthy);
}

TEST_F(CheckerTest, LoadsOneModelAtATimeOnAHost) {
  EndpointSpec a = Spec("a"), b = Spec("b");
  a.models = {{.model = "m", .keep_warm = true}};
  b.models = {{.model = "n", .keep_warm = true}};
  Configure({a, b});
  prober_.answer = Good({{.model = "m"}, {.model = "n"}});
  Run(absl::Seconds(5));
  ASSERT_EQ(prober_.warmed.size(), 1u) << "both are on host h";
  prober_.loads[0](absl::OkStatus());
  checker_.Tick();
  EXPECT_THAT(prober_.warmed, ::testing::UnorderedElementsAre("a/m", "b/n"));
}

TEST_F(CheckerTest, AsksForAWordOnlyOfLocalEndpoints) {
  EndpointSpec cloud = Spec("cloud");
  cloud.local = false;
  cloud.kind = EndpointKind::kOpenAi;
  Configure({cloud, Spec("local")});
  prober_.answer = Good({{.model = "m", .loaded = true}});
  Run(absl::Minutes(11));
  for (std::size_t i = 0; i < prober_.asked.size(); ++i) {
    if (prober_.asked[i] == "cloud") {
      EXPECT_EQ(prober_.generate[i], Generate::kNever);
    }
  }
  EXPECT_GE(std::count(prober_.generate.begin(), prober_.generate.end(), Generate::kIfLoaded), 2);
}

}  // namespace
}  // namespace switchyard::model_registry
