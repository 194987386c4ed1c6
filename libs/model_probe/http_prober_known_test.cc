#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/testing/fake_http.h"
#include "libs/model_probe/http_prober.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::model_probe {
namespace {

using ::switchyard::testing::Answer;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// What an executor asks, which knows options only of models that work was sent to. All else is tested with the
// registry.
class KnownModelsTest : public ::testing::Test {
 protected:
  KnownModelsTest() {
    http_.When("/api/version", Answer(200, R"({"version":"0.9.1"})"));
    http_.When("/api/tags", Answer(200, R"({"models":[{"name":"a"},{"name":"b:latest"}]})"));
    http_.When("/api/ps", Answer(200, R"({"models":[{"name":"a"},{"name":"b:latest"}]})"));
    http_.When("/api/chat", Answer(200, R"({"done":true})"));
    http_.When("/v1/models", Answer(200, R"({"data":[{"id":"served"}]})"));
    http_.When("/v1/chat/completions", Answer(200, R"({"choices":[{"finish_reason":"stop"}]})"));
  }
  CheckResult Check() {
    std::optional<CheckResult> seen;
    prober_.Check({.target = target_, .generate = Generate::kIfLoadedAndKnown, .model = ""},
                  [&](const CheckResult& result) { seen = result; });
    EXPECT_TRUE(seen.has_value());
    return seen.value_or(CheckResult());
  }
  std::string BodyOfLast() { return http_.requests().back().body; }

  testing::FakeClock clock_;
  testing::FakeHttp http_{testing::FakeHttp::Mode::kInline};
  ProbeTarget asked_for_;
  HttpProber prober_{http_, clock_, {}, [this](const ProbeTarget& target) -> absl::StatusOr<std::string> {
                       asked_for_ = target;
                       return "the-secret";
                     }};
  ProbeTarget target_{
      .kind = EndpointKind::kOllama, .url = "http://h:1", .credential = "", .local = true, .models = {}};
};

TEST_F(KnownModelsTest, NoWordIsAskedOfAnOllamaWhoseModelsNobodySpokeOf) {
  const CheckResult result = Check();
  EXPECT_EQ(result.models_known, Verdict::kGood);
  EXPECT_EQ(result.progress, Verdict::kUnknown);
  EXPECT_THAT(http_.requests().back().url, HasSubstr("/api/ps"));
}

TEST_F(KnownModelsTest, TheOneSpokenOfIsAskedWithItsOptions) {
  target_.models.push_back({.model = "b", .keep_warm = false, .capacity = 0, .options = {{"num_ctx", 8192}}});
  EXPECT_EQ(Check().progress, Verdict::kGood);
  EXPECT_THAT(BodyOfLast(), HasSubstr("8192"));
  EXPECT_THAT(BodyOfLast(), HasSubstr("b:latest"));
}

TEST_F(KnownModelsTest, OthersThanOllamaLoadNothingAnewAndAreAsked) {
  target_.kind = EndpointKind::kOpenAi;
  EXPECT_EQ(Check().progress, Verdict::kGood);
  EXPECT_THAT(BodyOfLast(), HasSubstr("served"));
}

TEST_F(KnownModelsTest, TheSecretIsAskedForWithWhereItGoes) {
  Check();
  EXPECT_EQ(asked_for_.url, "") << "none was needed";
  target_.credential = "env:KEY";
  Check();
  EXPECT_EQ(asked_for_.url, "http://h:1");
  const http::HttpHeaders headers = http_.requests().back().headers;
  EXPECT_THAT(headers, Contains(http::HttpHeader{"Authorization", "Bearer the-secret"}));
  EXPECT_THAT(http_.requests().back().url, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace switchyard::model_probe
