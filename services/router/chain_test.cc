#include "services/router/chain.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

using ::testing::HasSubstr;

HeldRoute At(std::string endpoint, std::string model) {
  return {.endpoint = std::move(endpoint), .model = std::move(model), .left = {}};
}

// "vast at beta, for BUSY"; "exhausted"; "refused".
std::string Show(const GrantResult& result) {
  if (const Grant* const grant = std::get_if<Grant>(&result)) {
    return Show(DecideResult(grant->decision)) + ", for " + grant->fallback_reason;
  }
  return std::get<GrantRefusal>(result).code == GrantRefusal::Code::kExhausted ? "exhausted" : "refused";
}

TaskFacts Standard() {
  TaskFacts facts = TestPrompt();
  facts.complexity = Complexity::kStandard;
  return facts;
}

TEST(ChainTest, TheNextBestFollowsWithTheReasonThatWasGiven) {
  const TestYard yard;
  EXPECT_EQ(Show(yard.Next(TestPrompt(), At("beta", "vast"), EndpointOutcome::kNoProgress, "FIRST_TOKEN_TIMEOUT")),
            "big at alpha, for FIRST_TOKEN_TIMEOUT");
}

TEST(ChainTest, AFallbackIsNeverWithoutAReason) {
  const TestYard yard;
  const auto reason = [&](EndpointOutcome outcome, std::string_view given) {
    return std::get<Grant>(yard.Next(TestPrompt(), At("beta", "vast"), outcome, given)).fallback_reason;
  };
  EXPECT_EQ(reason(EndpointOutcome::kFailure, ""), "ENDPOINT_FAILED");
  EXPECT_EQ(reason(EndpointOutcome::kNoProgress, "not upper case"), "NO_PROGRESS");
  EXPECT_EQ(reason(EndpointOutcome::kRateLimited, "X\nY"), "RATE_LIMITED");
  EXPECT_EQ(reason(EndpointOutcome::kBusy, std::string(101, 'A')), "ENDPOINT_BUSY");
  EXPECT_EQ(reason(EndpointOutcome::kLoading, "_"), "MODEL_LOADING");
}

TEST(ChainTest, RefusedCredentialsAreLeftOnlyWithAWord) {
  const TestYard yard;
  EXPECT_EQ(Show(yard.Next(TestPrompt(), At("beta", "vast"), EndpointOutcome::kRefused)),
            "big at alpha, for CREDENTIALS_REFUSED");
  TaskFacts facts = TestPrompt();
  facts.pin.model = "vast";
  EXPECT_EQ(Show(yard.Next(facts, At("beta", "vast"), EndpointOutcome::kRefused)), "refused");
  facts.pin.allow_fallback = true;
  EXPECT_EQ(Show(yard.Next(facts, At("beta", "vast"), EndpointOutcome::kRefused)),
            "big at alpha, for CREDENTIALS_REFUSED");
}

TEST(ChainTest, APinIsNotLeft) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.push_back(Cloud("gamma", {"vast"}));
  TestYard yard(catalogue);
  yard.Offer({"credential:env:alpha", "credential:env:beta", "credential:env:gamma"});
  TaskFacts facts = TestPrompt();
  facts.pin.endpoint = "beta";
  EXPECT_EQ(Show(yard.Next(facts, At("beta", "vast"), EndpointOutcome::kFailure)), "refused");
  // The same model elsewhere is what was pinned.
  facts.pin = {.model = "vast", .endpoint = "", .allow_fallback = false};
  EXPECT_EQ(Show(yard.Next(facts, At("beta", "vast"), EndpointOutcome::kFailure)),
            "vast at gamma, for ENDPOINT_FAILED");
  HeldRoute held = At("gamma", "vast");
  held.left = {{.endpoint = "beta", .model = ""}};
  held.grants = 1;
  EXPECT_EQ(Show(yard.Next(facts, held, EndpointOutcome::kFailure)), "refused");
}

TEST(ChainTest, ASuccessOrAMistakeOfTheRequestGrantsNothing) {
  const TestYard yard;
  for (const EndpointOutcome outcome :
       {EndpointOutcome::kSuccess, EndpointOutcome::kNeutral, EndpointOutcome::kUnknown}) {
    EXPECT_EQ(Show(yard.Next(TestPrompt(), At("beta", "vast"), outcome, "BECAUSE")), "refused");
  }
}

TEST(ChainTest, NoEndpointIsGoneBackTo) {
  const TestYard yard;
  HeldRoute held = At("alpha", "big");
  held.left = {{.endpoint = "beta", .model = ""}};
  held.grants = 1;
  EXPECT_EQ(Show(yard.Next(TestPrompt(), held, EndpointOutcome::kFailure)), "exhausted");
  EXPECT_THAT(std::get<GrantRefusal>(yard.Next(TestPrompt(), held, EndpointOutcome::kFailure)).message,
              HasSubstr("used it already"));
}

TEST(ChainTest, TheChainHasAnEnd) {
  Catalogue catalogue;
  catalogue.models = TestRows();
  for (int i = 0; i < 9; ++i) catalogue.endpoints.push_back(Box("box" + std::to_string(i), {"mid"}));
  const TestYard yard(catalogue, {.fallbacks = 3});
  HeldRoute held = At("box0", "mid");
  int grants = 0;
  for (;;) {
    const GrantResult result = yard.Next(Standard(), held, EndpointOutcome::kFailure);
    if (std::holds_alternative<GrantRefusal>(result)) break;
    held.left.push_back({.endpoint = held.endpoint, .model = ""});
    held.endpoint = std::get<Grant>(result).decision.best()->slot->endpoint->name;
    held.grants = ++grants;
  }
  EXPECT_EQ(grants, 3);
}

TEST(ChainTest, WorkThatStaysLocalStaysLocalHere) {
  const TestYard yard;
  HeldRoute held = At("box", "mid");
  EXPECT_EQ(Show(yard.Next(Standard(), held, EndpointOutcome::kFailure)),
            "flash at beta, vast at beta, big at alpha, for ENDPOINT_FAILED");
  held.local_only = true;
  EXPECT_EQ(Show(yard.Next(Standard(), held, EndpointOutcome::kFailure)), "exhausted");
  TaskFacts facts = Standard();
  facts.local_only = true;
  EXPECT_EQ(Show(yard.Next(facts, At("box", "mid"), EndpointOutcome::kFailure)), "exhausted");
}

TEST(ChainTest, NothingWeakerFollows) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.erase(catalogue.endpoints.begin() + 1);
  EXPECT_EQ(Show(TestYard(catalogue).Next(TestPrompt(), At("beta", "vast"), EndpointOutcome::kFailure)), "exhausted");
}

TEST(ChainTest, OnlyWhatTheAgentCanUseFollows) {
  TestYard yard;
  yard.Offer({"credential:env:beta"});
  const GrantResult result = yard.Next(TestPrompt(), At("beta", "vast"), EndpointOutcome::kFailure);
  EXPECT_EQ(Show(result), "exhausted");
  ASSERT_TRUE(std::get<GrantRefusal>(result).hold.has_value());
}

TEST(ChainTest, ATooLongPromptGoesToALargerWindow) {
  Catalogue catalogue;
  catalogue.models = {FreeRow("mid", ModelTier::kMedium, 8'000), FreeRow("same", ModelTier::kMedium, 8'000),
                      FreeRow("wide", ModelTier::kMedium, 64'000)};
  catalogue.endpoints = {Box("a", {"mid", "wide"}), Box("b", {"same"})};
  const TestYard yard(catalogue);
  EXPECT_EQ(Show(yard.Next(Standard(), At("a", "mid"), EndpointOutcome::kNeutral, "CONTEXT_EXCEEDED")),
            "wide at a, for CONTEXT_EXCEEDED");
  EXPECT_EQ(Show(yard.Next(Standard(), At("a", "wide"), EndpointOutcome::kNeutral, "CONTEXT_EXCEEDED")), "exhausted");
}

TEST(ChainTest, AModelThatIsNotThereIsLeftWhateverThatSaysOfTheEndpoint) {
  Catalogue catalogue;
  catalogue.models = TestRows();
  catalogue.endpoints = {Box("a", {"mid", "strong"}), Box("b", {"mid"})};
  const TestYard yard(catalogue);
  EXPECT_EQ(Show(yard.Next(Standard(), At("a", "mid"), EndpointOutcome::kNeutral, "MODEL_NOT_FOUND")),
            "strong at a, mid at b, for MODEL_NOT_FOUND");
  HeldRoute held = At("b", "mid");
  held.left = {{.endpoint = "a", .model = "mid"}};
  EXPECT_EQ(Show(yard.Next(Standard(), held, EndpointOutcome::kNeutral, "MODEL_NOT_FOUND")),
            "strong at a, for MODEL_NOT_FOUND");
  TaskFacts pinned = Standard();
  pinned.pin.endpoint = "a";
  EXPECT_EQ(Show(yard.Next(pinned, At("a", "mid"), EndpointOutcome::kNeutral, "MODEL_NOT_FOUND")), "refused");
}

TEST(ChainTest, ASpentBudgetEndsTheChain) {
  TestYard yard;
  BudgetState state;
  state.spec = {.name = "alpha", .provider = "alpha", .limit_micros = 0};
  state.bounds = BoundsOf(BudgetPeriod::kDay, kTestNow);
  yard.SetBudgets({state});
  const GrantResult result = yard.Next(TestPrompt(), At("beta", "vast"), EndpointOutcome::kFailure);
  EXPECT_EQ(Show(result), "exhausted");
  EXPECT_EQ(std::get<GrantRefusal>(result).hold->code, HoldCode::kBudgetSpent);
}

}  // namespace
}  // namespace switchyard::router
