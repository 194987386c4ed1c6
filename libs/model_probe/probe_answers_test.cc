#include "libs/model_probe/probe_answers.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"

namespace switchyard::model_probe {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ProbeAnswersTest : public ::testing::Test {
 protected:
  CheckResult Take(int status, std::string body, http::HttpHeaders headers = {}) {
    http::HttpOutcome outcome;
    outcome.head = {status, std::move(headers)};
    outcome.body = std::move(body);
    CheckResult result;
    failed_ = TakeFailure(outcome, now_, result);
    return result;
  }

  const absl::Time now_ = testing::FakeClock().Now();
  bool failed_ = false;
};

TEST_F(ProbeAnswersTest, ReadsOllamasLists) {
  const auto models = ParseOllamaTags(R"({"models":[
      {"name":"m:7b","size":5,"details":{"context_length":32768},"capabilities":["completion","tools"]},
      {"name":"embed","capabilities":["embedding"]}, {"nonsense":1}, 7, {"name":"a b"}]})");
  ASSERT_TRUE(models.has_value());
  ASSERT_THAT(*models, SizeIs(2));
  EXPECT_EQ(models->at(0).model, "m:7b");
  EXPECT_EQ(models->at(0).context_window, 32768);
  EXPECT_THAT(models->at(0).capabilities, ::testing::ElementsAre("completion", "tools"));
  EXPECT_FALSE(models->at(0).loaded);
}

TEST_F(ProbeAnswersTest, ReadsWhatOllamaHasLoaded) {
  const auto loaded = ParseOllamaPs(R"({"models":[
      {"name":"m:7b","size":10,"size_vram":10,"context_length":4096,"expires_at":"2030-01-01T01:05:00.123456789+01:00"},
      {"name":"for-ever","expires_at":"2318-04-01T00:00:00Z"}, {"name":"odd","expires_at":"0001-01-01T00:00:00Z"}]})");
  ASSERT_TRUE(loaded.has_value() && loaded->size() == 3);
  EXPECT_EQ(absl::FormatTime("%H:%M", loaded->at(0).expire_time.value(), absl::UTCTimeZone()), "00:05");
  EXPECT_EQ(loaded->at(0).context_window, 4096) << "as allocated";
  EXPECT_FALSE(loaded->at(1).expire_time.has_value());
  EXPECT_FALSE(loaded->at(2).expire_time.has_value());
  std::vector<FoundModel> models = {{.model = "m:7b", .context_window = 32768}, {.model = "cold"}};
  MergeLoaded(*loaded, models);
  ASSERT_THAT(models, SizeIs(4));
  EXPECT_TRUE(models[0].loaded);
  EXPECT_EQ(models[0].context_window, 4096);
  EXPECT_FALSE(models[1].loaded);
}

TEST_F(ProbeAnswersTest, AModelThatOllamaPassesOnIsRemote) {
  auto models = ParseOllamaTags(R"({"models":[
      {"name":"own:7b","remote_model":"","remote_host":""},
      {"name":"big-cloud","remote_model":"big","remote_host":"https://ollama.example:443"},
      {"name":"alias","remote_model":"big"}, {"name":"loaded"}]})");
  ASSERT_TRUE(models.has_value() && models->size() == 4);
  EXPECT_FALSE(models->at(0).remote);
  EXPECT_TRUE(models->at(1).remote);
  EXPECT_TRUE(models->at(2).remote);
  const auto loaded = ParseOllamaPs(R"({"models":[{"name":"big-cloud"},
      {"name":"loaded","remote_host":"https://ollama.example:443"}]})");
  ASSERT_TRUE(loaded.has_value());
  MergeLoaded(*loaded, *models);
  EXPECT_FALSE(models->at(0).remote);
  EXPECT_TRUE(models->at(1).remote) << "either list says so";
  EXPECT_TRUE(models->at(3).remote);
}

TEST_F(ProbeAnswersTest, ReadsListsOfTheOthers) {
  const auto models = ParseModelList(R"({"data":[{"id":"served","max_model_len":8192},{"id":"hosted"}]})");
  ASSERT_TRUE(models.has_value() && models->size() == 2);
  EXPECT_TRUE(models->at(0).loaded);
  EXPECT_EQ(models->at(0).context_window, 8192);
  EXPECT_EQ(ParseProps(R"({"total_slots":4,"default_generation_settings":{"n_ctx":2048}})").slots, 4);
  EXPECT_EQ(ParseProps("nonsense").slots, 0);
}

TEST_F(ProbeAnswersTest, TakesNothingFromWhatHasAnotherShape) {
  for (const char* body : {"", "x", "[]", "{}", "null", R"({"models":7})", R"({"data":{"id":"x"}})", "{\"models\":[",
                           "\xff\xfe", R"({"version":3})"}) {
    EXPECT_FALSE(ParseOllamaTags(body).has_value()) << body;
    EXPECT_FALSE(ParseOllamaPs(body).has_value()) << body;
    EXPECT_FALSE(ParseModelList(body).has_value()) << body;
    EXPECT_FALSE(ParseOllamaVersion(body).has_value()) << body;
    for (const EndpointKind kind : {EndpointKind::kOllama, EndpointKind::kOpenAi, EndpointKind::kAnthropic}) {
      EXPECT_FALSE(IsWord(kind, body)) << body;
    }
    EXPECT_EQ(ErrorText(body), "") << body;
  }
}

// Bytes of sound answers changed, dropped and doubled at random: nothing throws, and names stay names.
TEST_F(ProbeAnswersTest, SurvivesWhateverComes) {
  const std::string sound[] = {
      R"({"models":[{"name":"m:7b","size":5,"size_vram":2,"expires_at":"2030-01-01T01:05:00Z","capabilities":["a"]}]})",
      R"({"data":[{"id":"served","max_model_len":8192}],"total_slots":4,"version":"1"})",
      R"({"error":{"message":"x","type":"y","details":{"error_code":"z"}},"choices":[{"finish_reason":"stop"}]})"};
  const auto rng = MakeSeededRng(7);
  for (int round = 0; round < 30'000; ++round) {
    std::string body = sound[rng->Below(3)];
    for (std::uint64_t changes = 1 + rng->Below(6); changes > 0 && !body.empty(); --changes) {
      const std::size_t at = rng->Below(body.size());
      switch (rng->Below(4)) {
        case 0:
          body[at] = static_cast<char>(rng->Below(256));
          break;
        case 1:
          body.erase(at, 1 + rng->Below(10));
          break;
        case 2:
          body.insert(at, body.substr(rng->Below(body.size()), rng->Below(20)));
          break;
        default:
          body.insert(at, 1, "{}[]\",:0-9e\\"[rng->Below(12)]);
      }
    }
    for (const auto& models : {ParseOllamaTags(body), ParseOllamaPs(body), ParseModelList(body)}) {
      for (const FoundModel& model : models.value_or(std::vector<FoundModel>())) {
        ASSERT_FALSE(model.model.empty()) << body;
        ASSERT_EQ(model.model.find(' '), std::string::npos) << body;
        ASSERT_GE(model.size_bytes, 0) << body;
      }
    }
    ParseProps(body);
    for (const int status : {200, 400, 404, 429, 503}) Take(status, body);
    for (const EndpointKind kind : {EndpointKind::kOllama, EndpointKind::kOpenAi, EndpointKind::kAnthropic}) {
      IsWord(kind, body);
    }
  }
}

TEST_F(ProbeAnswersTest, KnowsAWholeWord) {
  EXPECT_TRUE(IsWord(EndpointKind::kOllama, R"({"message":{"content":"ok"},"done":true})"));
  EXPECT_FALSE(IsWord(EndpointKind::kOllama, R"({"message":{"content":"ok"},"done":false})"));
  EXPECT_FALSE(IsWord(EndpointKind::kOllama, R"({"error":"gone","done":true})"));
  EXPECT_TRUE(IsWord(EndpointKind::kOpenAi, R"({"choices":[{"finish_reason":"length"}]})"));
  EXPECT_FALSE(IsWord(EndpointKind::kOpenAi, R"({"choices":[{"finish_reason":null}]})"));
  EXPECT_TRUE(IsWord(EndpointKind::kAnthropic, R"({"stop_reason":"max_tokens"})"));
}

TEST_F(ProbeAnswersTest, RefusedCredentialsAreOursToMend) {
  for (const int status : {401, 402, 403}) {
    const CheckResult result = Take(status, R"({"error":{"message":"invalid key","type":"authentication_error"}})");
    EXPECT_TRUE(failed_);
    EXPECT_EQ(result.credentials, Verdict::kBad);
    EXPECT_EQ(result.process, Verdict::kGood);
    EXPECT_THAT(result.message, HasSubstr("authentication_error: invalid key"));
  }
}

TEST_F(ProbeAnswersTest, ASpendLimitIsOursToMendToo) {
  EXPECT_EQ(
      Take(400, R"({"error":{"message":"You have reached your specified API usage limits: spend limit"}})").credentials,
      Verdict::kBad);
  EXPECT_EQ(Take(429, R"({"error":{"code":"insufficient_quota","message":"x"}})").credentials, Verdict::kBad);
  EXPECT_EQ(
      Take(429, R"({"error":{"message":"x","details":{"error_code":"enforced_spend_limit_reached"}}})").credentials,
      Verdict::kBad);
}

TEST_F(ProbeAnswersTest, ARateLimitNamesItsRest) {
  CheckResult result = Take(429, R"({"error":{"message":"slow down"}})", {{"Retry-After", "17"}});
  EXPECT_EQ(result.retry_after, absl::Seconds(17));
  EXPECT_EQ(result.credentials, Verdict::kUnknown);
  result = Take(429, "");
  EXPECT_EQ(result.retry_after, absl::ZeroDuration());
}

TEST_F(ProbeAnswersTest, LoadingBusyAndBrokenAreThree) {
  EXPECT_TRUE(Take(503, R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})").loading);
  const CheckResult busy =
      Take(503, R"({"error":"server busy, please try again.  maximum pending requests exceeded"})");
  EXPECT_TRUE(busy.busy);
  EXPECT_EQ(busy.process, Verdict::kGood);
  EXPECT_TRUE(Take(529, R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})").busy);
  EXPECT_EQ(Take(500, "").process, Verdict::kBad);
  EXPECT_EQ(Take(302, "").process, Verdict::kBad);
}

TEST_F(ProbeAnswersTest, WhatWasNeverAskedSaysNothingOfTheEndpoint) {
  http::HttpOutcome outcome;
  outcome.failure = http::HttpFailure::kCancelled;
  CheckResult result;
  EXPECT_TRUE(TakeFailure(outcome, now_, result));
  EXPECT_EQ(result.process, Verdict::kUnknown);
}

TEST_F(ProbeAnswersTest, ShowsTextOfOthersHarmlessly) {
  const std::string text = ErrorText(R"({"error":"\u001b[2Jbad key sk-abcdefghijklmnopqrstuvwxyz012345"})");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("sk-abcdef"), std::string::npos);
  EXPECT_LE(ErrorText("{\"error\":\"" + std::string(5'000, 'x') + "\"}").size(), 300u);
}

}  // namespace
}  // namespace switchyard::model_probe
