#include "services/model_registry/http_prober.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::testing::Answer;
using ::switchyard::testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class HttpProberTest : public ::testing::Test {
 protected:
  HttpProberTest() {
    http_.When("/api/version", Answer(200, R"({"version":"0.9.1"})"));
    http_.When("/api/tags", Answer(200, R"({"models":[{"name":"m:7b"},{"name":"cold"}]})"));
    http_.When("/api/ps", Answer(200, R"({"models":[{"name":"m:7b"}]})"));
    http_.When("/api/chat", Answer(200, R"({"done":true})"));
    http_.When("/v1/models", Answer(200, R"({"data":[{"id":"served"}]})"));
    http_.When("/v1/chat/completions", Answer(200, R"({"choices":[{"finish_reason":"stop"}]})"));
    http_.When("/v1/messages", Answer(200, R"({"stop_reason":"end_turn"})"));
  }
  CheckResult Check(Generate generate = Generate::kNever, std::string model = "") {
    std::optional<CheckResult> seen;
    prober_.Check({.spec = spec_, .generate = generate, .model = std::move(model)},
                  [&](const CheckResult& result) { seen = result; });
    EXPECT_TRUE(seen.has_value());
    return seen.value_or(CheckResult());
  }
  std::string HeaderOfLast(const char* name) {
    const http::HttpHeaders headers = http_.requests().back().headers;
    const std::string* const value = http::FindHeader(headers, name);
    return value == nullptr ? "" : *value;
  }

  testing::FakeClock clock_;
  testing::FakeHttp http_{testing::FakeHttp::Mode::kInline};
  absl::StatusOr<std::string> secret_ = "the-secret";
  HttpProber prober_{http_, clock_, {}, [this](const std::string&) { return secret_; }};
  EndpointSpec spec_{.name = "e", .kind = EndpointKind::kOllama, .url = "http://h:1/", .local = true};
};

TEST_F(HttpProberTest, AsksOllamaForVersionModelsAndWhatIsLoaded) {
  const CheckResult result = Check();
  EXPECT_EQ(result.process, Verdict::kGood);
  EXPECT_EQ(result.credentials, Verdict::kGood);
  EXPECT_EQ(result.models_known, Verdict::kGood);
  EXPECT_EQ(result.progress, Verdict::kUnknown) << "nobody asked for a word";
  EXPECT_EQ(result.server, "ollama 0.9.1");
  ASSERT_THAT(result.models, SizeIs(2));
  EXPECT_TRUE(result.models[0].loaded);
  EXPECT_EQ(http_.requests()[0].url, "http://h:1/api/version");
  EXPECT_EQ(HeaderOfLast("Authorization"), "") << "no credential, none sent";
}

TEST_F(HttpProberTest, TellsThatOllamaLoadsWhenItsListOfLoadedModelsWaits) {
  http_.When("/api/ps", Fails(http::HttpFailure::kFirstByteTimeout));
  const CheckResult result = Check();
  EXPECT_TRUE(result.loading);
  EXPECT_EQ(result.process, Verdict::kGood);
  EXPECT_EQ(result.models_known, Verdict::kUnknown) << "what was known stays";
}

TEST_F(HttpProberTest, TellsDeadFromWrong) {
  http_.When("/api/version", Fails(http::HttpFailure::kRefused));
  EXPECT_EQ(Check().process, Verdict::kBad);
  http_.When("/api/version", Answer(200, "<html>"));
  const CheckResult result = Check();
  EXPECT_EQ(result.process, Verdict::kBad);
  EXPECT_THAT(result.message, HasSubstr("not Ollama"));
  http_.When("/api/version", Answer(200, R"({"version":"1"})"));
  http_.When("/api/tags", Answer(200, "{"));
  EXPECT_EQ(Check().models_known, Verdict::kBad);
}

TEST_F(HttpProberTest, FindsGenerationThatHangsWhileListsAnswer) {
  http_.When("/api/chat", Fails(http::HttpFailure::kFirstByteTimeout));
  const CheckResult result = Check(Generate::kIfLoaded);
  EXPECT_EQ(result.process, Verdict::kGood);
  EXPECT_EQ(result.models_known, Verdict::kGood);
  EXPECT_EQ(result.progress, Verdict::kBad);
  EXPECT_THAT(result.message, HasSubstr("said no word in time"));
}

TEST_F(HttpProberTest, AsksForAWordWithTheOptionsOfTheModelOnly) {
  spec_.models = {{.model = "m:7b", .keep_warm = true, .options = {{"num_ctx", 8192}, {"use_mmap", 0}}}};
  EXPECT_EQ(Check(Generate::kIfLoaded).progress, Verdict::kGood);
  const std::string body = http_.requests().back().body;
  EXPECT_THAT(body, HasSubstr("\"num_ctx\":8192"));
  EXPECT_THAT(body, HasSubstr("\"use_mmap\":false"));
  EXPECT_THAT(body, HasSubstr("\"keep_alive\":1800"));
  EXPECT_THAT(body, HasSubstr("\"stream\":false"));
}

TEST_F(HttpProberTest, LoadsNothingOnlyToAskForAWord) {
  http_.When("/api/ps", Answer(200, R"({"models":[]})"));
  EXPECT_EQ(Check(Generate::kIfLoaded).progress, Verdict::kUnknown);
  EXPECT_EQ(http_.CountOf("/api/chat"), 0u);
  EXPECT_EQ(Check(Generate::kAlways, "cold").progress, Verdict::kGood);
  EXPECT_THAT(http_.requests().back().body, HasSubstr("\"model\":\"cold\""));
}

TEST_F(HttpProberTest, AsksNoModelOfOthersForAWord) {
  http_.When("/api/tags", Answer(200, R"({"models":[{"name":"m:7b","remote_host":"https://ollama.example"}]})"));
  EXPECT_TRUE(Check(Generate::kAlways).models.at(0).remote);
  EXPECT_EQ(http_.CountOf("/api/chat"), 0u);
}

TEST_F(HttpProberTest, AFullQueueIsNoFailure) {
  http_.When("/api/chat", Answer(503, R"({"error":"server busy, please try again."})"));
  const CheckResult result = Check(Generate::kIfLoaded);
  EXPECT_TRUE(result.busy);
  EXPECT_EQ(result.progress, Verdict::kUnknown);
}

TEST_F(HttpProberTest, AsksOpenAiCompatibleServersWithABearerToken) {
  spec_ = {.name = "e", .kind = EndpointKind::kOpenAi, .url = "https://proxy/team/v1/", .credential = "env:KEY"};
  const CheckResult result = Check(Generate::kAlways);
  EXPECT_EQ(result.progress, Verdict::kGood);
  EXPECT_EQ(http_.requests()[0].url, "https://proxy/team/v1/models");
  EXPECT_EQ(HeaderOfLast("Authorization"), "Bearer the-secret");
  EXPECT_EQ(http_.CountOf("/props"), 0u) << "only local ones are asked what they are made of";
}

TEST_F(HttpProberTest, LearnsTheSlotsOfLlamaCpp) {
  spec_.kind = EndpointKind::kOpenAi;
  http_.When("/props", Answer(200, R"({"total_slots":4,"default_generation_settings":{"n_ctx":2048}})"));
  const CheckResult result = Check();
  EXPECT_EQ(result.slots, 4);
  EXPECT_EQ(result.models[0].context_window, 2048);
  http_.When("/v1/models", Answer(503, R"({"error":{"message":"Loading model"}})"));
  EXPECT_TRUE(Check().loading);
}

TEST_F(HttpProberTest, AsksAnthropicItsWay) {
  spec_ = {.name = "e", .kind = EndpointKind::kAnthropic, .url = "https://api.example", .credential = "env:KEY"};
  EXPECT_EQ(Check(Generate::kAlways).progress, Verdict::kGood);
  EXPECT_EQ(HeaderOfLast("x-api-key"), "the-secret");
  EXPECT_EQ(HeaderOfLast("anthropic-version"), "2023-06-01");
  EXPECT_EQ(HeaderOfLast("Authorization"), "");
  http_.When("/v1/models", Answer(401, R"({"error":{"type":"authentication_error","message":"no"}})"));
  EXPECT_EQ(Check().credentials, Verdict::kBad);
}

TEST_F(HttpProberTest, AReferenceThatLeadsNowhereIsOursToMend) {
  spec_.credential = "env:GONE";
  secret_ =
      MakeError(absl::StatusCode::kFailedPrecondition, "SECRET_UNREADABLE", "secret env:GONE: the variable is not set");
  const CheckResult result = Check();
  EXPECT_EQ(result.credentials, Verdict::kBad);
  EXPECT_THAT(result.message, HasSubstr("env:GONE"));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

TEST_F(HttpProberTest, KeepsAModelWarmWithItsOptions) {
  spec_.models = {{.model = "cold", .keep_warm = true, .options = {{"num_ctx", 4096}}}};
  absl::Status seen = absl::UnknownError("none");
  prober_.KeepWarm(spec_, "cold", [&](const absl::Status& status) { seen = status; });
  SY_EXPECT_OK(seen);
  const std::string body = http_.requests().back().body;
  EXPECT_THAT(body, HasSubstr("\"messages\":[]"));
  EXPECT_THAT(body, HasSubstr("\"num_ctx\":4096"));
  http_.When("/api/chat", Fails(http::HttpFailure::kFirstByteTimeout));
  prober_.KeepWarm(spec_, "cold", [&](const absl::Status& status) { seen = status; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(seen));
  http_.When("/api/chat", Answer(404, R"({"error":"model 'cold' not found"})"));
  prober_.KeepWarm(spec_, "cold", [&](const absl::Status& status) { seen = status; });
  EXPECT_TRUE(absl::IsUnavailable(seen));
}

TEST_F(HttpProberTest, WhatCannotBeSentSaysNothing) {
  http_.RefuseNext(MakeError(absl::StatusCode::kResourceExhausted, "HTTP_QUEUE_FULL", "too many"));
  const CheckResult result = Check();
  EXPECT_EQ(result.process, Verdict::kUnknown);
  EXPECT_EQ(result.credentials, Verdict::kUnknown);
}

}  // namespace
}  // namespace switchyard::model_registry
