#include "services/executor/models/classify.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::executor::models {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Trouble Of(Protocol protocol, int status, std::string_view body, http::HttpHeaders headers = {}) {
  return ClassifyStatus(protocol, status, headers, body, absl::FromUnixSeconds(1'000'000));
}

TEST(ClassifyTest, ReadsOllamasErrors) {
  const auto ollama = [](int status, std::string_view body) { return Of(Protocol::kOllama, status, body).outcome; };
  EXPECT_EQ(ollama(404, R"({"error":"model 'x' not found"})"), CallOutcome::kModelNotFound);
  EXPECT_EQ(ollama(503, R"({"error":"server busy, please try again.  maximum pending requests exceeded"})"),
            CallOutcome::kQueueFull);
  EXPECT_EQ(ollama(400, R"({"error":"the input length exceeds the context length"})"), CallOutcome::kContextExceeded);
  EXPECT_EQ(ollama(400, R"({"error":"registry.ollama.ai/x does not support tools"})"), CallOutcome::kInvalidRequest);
  EXPECT_EQ(ollama(401, R"({"error":"unauthorized","signin_url":"https://x"})"), CallOutcome::kUnauthorized);
  EXPECT_EQ(ollama(403, R"({"error":"cloud is disabled"})"), CallOutcome::kForbidden);
  EXPECT_EQ(ollama(500, R"({"error":"llama runner process has terminated"})"), CallOutcome::kServerFailure);
  EXPECT_EQ(ollama(499, ""), CallOutcome::kServerFailure);
  EXPECT_EQ(ollama(502, "<html>"), CallOutcome::kServerFailure);
}

TEST(ClassifyTest, ReadsErrorsOfOpenAiAndItsKin) {
  const auto openai = [](int status, std::string_view body) { return Of(Protocol::kOpenAi, status, body).outcome; };
  EXPECT_EQ(
      openai(400,
             R"({"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}})"),
      CallOutcome::kContextExceeded);
  EXPECT_EQ(openai(400, R"({"error":{"message":"filtered","code":"content_filter"}})"), CallOutcome::kRefused);
  EXPECT_EQ(openai(400, R"({"error":{"message":"bad","param":"messages"}})"), CallOutcome::kInvalidRequest);
  EXPECT_EQ(openai(404, R"({"error":{"code":"model_not_found"}})"), CallOutcome::kModelNotFound);
  EXPECT_EQ(openai(429, R"({"error":{"code":"insufficient_quota","message":"You exceeded your current quota"}})"),
            CallOutcome::kSpendLimit);
  EXPECT_EQ(openai(429, R"({"error":{"code":"rate_limit_exceeded"}})"), CallOutcome::kRateLimited);
  EXPECT_EQ(openai(503, R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})"),
            CallOutcome::kLoading);
  EXPECT_EQ(openai(503, R"({"error":{"message":"no slot available"}})"), CallOutcome::kQueueFull);
  EXPECT_EQ(openai(503, ""), CallOutcome::kOverloaded);
  EXPECT_EQ(openai(402, ""), CallOutcome::kPaymentRequired);
  EXPECT_EQ(openai(307, ""), CallOutcome::kNonsense) << "not followed";
}

TEST(ClassifyTest, ReadsAnthropicsErrors) {
  const auto anthropic = [](int status, std::string_view body) {
    return Of(Protocol::kAnthropic, status, body).outcome;
  };
  EXPECT_EQ(
      anthropic(
          400,
          R"({"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. Your spend limit"}})"),
      CallOutcome::kSpendLimit);
  EXPECT_EQ(
      anthropic(
          400,
          R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}})"),
      CallOutcome::kContextExceeded);
  EXPECT_EQ(anthropic(401, R"({"error":{"type":"authentication_error"}})"), CallOutcome::kUnauthorized);
  EXPECT_EQ(anthropic(402, R"({"error":{"type":"billing_error"}})"), CallOutcome::kPaymentRequired);
  EXPECT_EQ(anthropic(403, R"({"error":{"type":"permission_error"}})"), CallOutcome::kForbidden);
  EXPECT_EQ(anthropic(404, R"({"error":{"type":"not_found_error"}})"), CallOutcome::kModelNotFound);
  EXPECT_EQ(anthropic(409, R"({"error":{"type":"conflict_error"}})"), CallOutcome::kServerFailure);
  EXPECT_EQ(anthropic(413, R"({"error":{"type":"request_too_large"}})"), CallOutcome::kContextExceeded);
  EXPECT_EQ(anthropic(500, R"({"error":{"type":"api_error"}})"), CallOutcome::kServerFailure);
  EXPECT_EQ(anthropic(529, R"({"error":{"type":"overloaded_error"}})"), CallOutcome::kOverloaded);
  EXPECT_EQ(
      anthropic(429,
                R"({"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}})"),
      CallOutcome::kSpendLimit);
}

TEST(ClassifyTest, ATimeToWaitMakesALimitOneThatPasses) {
  const Trouble trouble =
      Of(Protocol::kAnthropic, 429, R"({"error":{"message":"usage limit for this minute"}})", {{"Retry-After", "7"}});
  EXPECT_EQ(trouble.outcome, CallOutcome::kRateLimited);
  EXPECT_EQ(trouble.retry_after, absl::Seconds(7));
  EXPECT_EQ(Of(Protocol::kOpenAi, 429, "", {{"retry-after-ms", "1500"}}).retry_after, absl::Milliseconds(1500));
  EXPECT_EQ(Of(Protocol::kAnthropic, 529, "", {{"retry-after", "2"}}).retry_after, absl::Seconds(2));
  EXPECT_FALSE(Of(Protocol::kOpenAi, 429, "").retry_after.has_value());
}

TEST(ClassifyTest, WhatIsShownIsBoundedPrintableAndWithoutSecrets) {
  const Trouble trouble =
      Of(Protocol::kOpenAi, 401,
         "{\"error\":{\"message\":\"Incorrect API key: sk-abcdefghijklmnopqrstuvwxyz123456\\u001b[31m\"}}");
  EXPECT_THAT(trouble.detail, HasSubstr("401"));
  EXPECT_THAT(trouble.detail, Not(HasSubstr("abcdefghijklmnop")));
  EXPECT_THAT(trouble.detail, Not(HasSubstr("\x1b")));
  EXPECT_LE(Of(Protocol::kOpenAi, 500, std::string(100'000, 'x')).detail.size(), 600u);
}

TEST(ClassifyTest, NoBodyOfAFailureIsEverASuccess) {
  for (int status = 300; status < 600; ++status) {
    for (const char* body :
         {"", "null", "[]", "{}", R"({"error":null})", R"({"error":[]})", R"({"detail":"x"})", "{"}) {
      EXPECT_NE(Of(Protocol::kOpenAi, status, body).outcome, CallOutcome::kSuccess) << status << body;
    }
  }
}

TEST(ClassifyTest, BrokenExchangesAreToldApart) {
  const auto of = [](http::HttpFailure failure) { return ClassifyFailure(failure, "").outcome; };
  EXPECT_EQ(of(http::HttpFailure::kRefused), CallOutcome::kNoConnection);
  EXPECT_EQ(of(http::HttpFailure::kReset), CallOutcome::kConnectionReset);
  EXPECT_EQ(of(http::HttpFailure::kTls), CallOutcome::kTlsFailed);
  EXPECT_EQ(of(http::HttpFailure::kTruncated), CallOutcome::kStreamCut);
  EXPECT_EQ(of(http::HttpFailure::kConnectTimeout), CallOutcome::kConnectTimeout);
  EXPECT_EQ(of(http::HttpFailure::kProtocol), CallOutcome::kNonsense);
  EXPECT_EQ(of(http::HttpFailure::kQueueTimeout), CallOutcome::kNotSent);
}

}  // namespace
}  // namespace switchyard::executor::models
