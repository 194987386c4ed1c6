#include "libs/http/http_transport.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::http {
namespace {

using switchyard::testing::Answer;
using switchyard::testing::Fails;
using switchyard::testing::FakeAnswer;
using switchyard::testing::FakeHttp;
using switchyard::testing::Hangs;
using switchyard::testing::IsError;
using switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

HttpRequest GetOf(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

TEST(RetryAfterTest, PrefersMillisecondsThenSecondsThenADate) {
  const absl::Time now = absl::FromUnixSeconds(1'900'000'000);
  EXPECT_EQ(RetryAfter({{"Retry-After", "7"}, {"Retry-After-Ms", "250"}}, now), absl::Milliseconds(250));
  EXPECT_EQ(RetryAfter({{"retry-after", " 7 "}}, now), absl::Seconds(7));
  const std::string date = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now + absl::Minutes(2), absl::UTCTimeZone());
  EXPECT_EQ(RetryAfter({{"Retry-After", date}}, now), absl::Minutes(2));
  EXPECT_EQ(RetryAfter({{"Retry-After", date}}, now + absl::Hours(1)), absl::ZeroDuration());
}

TEST(RetryAfterTest, SaysNothingOfWhatItCannotRead) {
  const absl::Time now = absl::FromUnixSeconds(1'900'000'000);
  for (const char* value : {"", "soon", "-5", "nan", "Wed, 99 Foo 2026"}) {
    EXPECT_EQ(RetryAfter({{"Retry-After", value}}, now), std::nullopt) << value;
  }
  EXPECT_EQ(RetryAfter({}, now), std::nullopt);
}

TEST(CheckRequestTest, RefusesWhatCouldForgeALine) {
  HttpRequest request = GetOf("http://a/");
  SY_EXPECT_OK(CheckRequest(request));
  request.headers = {{"x-api-key", "a\r\nHost: other"}};
  EXPECT_THAT(CheckRequest(request), IsError("INVALID_HTTP_REQUEST"));
  request.headers = {{"x api", "a"}};
  EXPECT_THAT(CheckRequest(request), IsError("INVALID_HTTP_REQUEST"));
  request.headers = {{"x", std::string("a\0b", 3)}};
  EXPECT_THAT(CheckRequest(request), IsError("INVALID_HTTP_REQUEST"));
  request.headers.clear();
  request.method = "GET /x HTTP/1.1\r\n";
  EXPECT_THAT(CheckRequest(request), IsError("INVALID_HTTP_REQUEST"));
}

TEST(HttpOutcomeTest, EveryFailureHasItsOwnReason) {
  HttpOutcome outcome;
  outcome.head.status = 500;
  SY_EXPECT_OK(outcome.ToStatus());
  EXPECT_FALSE(outcome.ok());
  outcome.failure = HttpFailure::kFirstByteTimeout;
  EXPECT_THAT(outcome.ToStatus(), IsError("HTTP_FIRST_BYTE_TIMEOUT"));
  EXPECT_TRUE(IsTimeout(outcome.failure));
  outcome.failure = HttpFailure::kTruncated;
  EXPECT_THAT(outcome.ToStatus(), IsError("HTTP_TRUNCATED"));
  EXPECT_FALSE(IsTimeout(outcome.failure));
}

TEST(FakeHttpTest, AnswersByTheNewestRuleThatMatches) {
  FakeHttp http(FakeHttp::Mode::kInline);
  http.When("/api", Answer(200, "old"));
  http.When("GET http://a/api", Answer(503, "new", {{"Retry-After", "1"}}));
  const HttpOutcome outcome = Fetch(http, GetOf("http://a/api/tags"));
  EXPECT_EQ(outcome.head.status, 503);
  EXPECT_EQ(outcome.body, "new");
  EXPECT_EQ(*FindHeader(outcome.head.headers, "retry-after"), "1");
  EXPECT_EQ(Fetch(http, GetOf("http://a/other")).failure, HttpFailure::kRefused);
  EXPECT_EQ(http.CountOf("/api"), 1u);
}

TEST(FakeHttpTest, StreamsPiecesAndThenFails) {
  FakeHttp http;
  FakeAnswer answer;
  answer.chunks = {"a", "b"};
  answer.failure = HttpFailure::kTruncated;
  http.When("/", answer);
  std::vector<std::string> seen;
  HttpCallbacks callbacks;
  callbacks.on_head = [&](const HttpHead& head) { return head.status == 200; };
  callbacks.on_chunk = [&](std::string_view chunk) {
    seen.emplace_back(chunk);
    return true;
  };
  callbacks.on_done = [&](HttpOutcome outcome) { seen.emplace_back(FailureName(outcome.failure)); };
  SY_ASSERT_OK(http.Send(GetOf("http://a/"), std::move(callbacks)));
  EXPECT_THAT(seen, IsEmpty());
  EXPECT_EQ(http.DeliverAll(), 1u);
  EXPECT_THAT(seen, ElementsAre("a", "b", "truncated"));
}

TEST(FakeHttpTest, CancelEndsWhatWaitsAndWhatHangs) {
  FakeHttp http;
  http.When("/", Hangs());
  std::vector<HttpFailure> ends;
  const auto send = [&] {
    HttpCallbacks callbacks;
    callbacks.on_done = [&](HttpOutcome outcome) { ends.push_back(outcome.failure); };
    return *http.Send(GetOf("http://a/"), std::move(callbacks));
  };
  const HttpCallId hanging = send();
  EXPECT_TRUE(http.DeliverOne());
  EXPECT_EQ(http.hanging(), 1u);
  const HttpCallId waiting = send();
  http.Cancel(waiting);
  http.Cancel(hanging);
  http.Cancel(hanging);
  EXPECT_THAT(ends, ElementsAre(HttpFailure::kCancelled, HttpFailure::kCancelled));
}

}  // namespace
}  // namespace switchyard::http
