// The client and the parsers against a whole endpoint: what a back end for each protocol stands on.
#include "libs/http/testing/simulated_endpoint.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/http/http_client.h"
#include "libs/http/json_lines_parser.h"
#include "libs/http/sse_parser.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::http {
namespace {

using switchyard::testing::SimulatedEndpoint;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kChat[] =
    R"({"model": "m", "max_tokens": 100, "stream": true, "messages": [{"role": "user", "content": "hello"}]})";

class SimulatedEndpointTest : public ::testing::Test {
 protected:
  SimulatedEndpointTest() : client_(clock_, {}) { client_.Start(); }
  ~SimulatedEndpointTest() override { client_.Stop(); }

  HttpRequest Chat(std::string_view path) {
    HttpRequest request;
    request.method = "POST";
    request.url = endpoint_.url(path);
    request.headers = {{"Content-Type", "application/json"}, {"anthropic-version", "2023-06-01"}};
    request.body = kChat;
    return request;
  }

  // Pushes the pieces of a streamed answer into `parser`.
  template <class Parser>
  HttpOutcome Stream(HttpRequest request, Parser& parser) {
    Mutex mutex;
    CondVar changed;
    bool ended = false;
    HttpOutcome outcome;
    HttpCallbacks callbacks;
    callbacks.on_chunk = [&](std::string_view chunk) {
      ++pieces_;
      return parser.Push(chunk).ok();
    };
    callbacks.on_done = [&](HttpOutcome done) {
      MutexLock lock(mutex);
      outcome = std::move(done);
      ended = true;
      changed.NotifyAll();
    };
    SY_EXPECT_OK(client_.Send(std::move(request), std::move(callbacks)));
    MutexLock lock(mutex);
    while (!ended) changed.Wait(mutex);
    return outcome;
  }
  std::vector<std::string> Events(std::string_view path, HttpFailure wanted = HttpFailure::kNone) {
    std::vector<std::string> events;
    SseParser parser([&events](const SseEvent& event) {
      events.push_back(absl::StrCat(event.type, " ", event.data));
      return true;
    });
    const HttpOutcome outcome = Stream(Chat(path), parser);
    EXPECT_EQ(outcome.failure, wanted) << outcome.detail;
    return events;
  }
  std::vector<std::string> Lines(HttpFailure wanted = HttpFailure::kNone) {
    std::vector<std::string> lines;
    JsonLinesParser parser([&lines](std::string_view line) {
      lines.emplace_back(line);
      return true;
    });
    const HttpOutcome outcome = Stream(Chat("/api/chat"), parser);
    EXPECT_EQ(outcome.failure, wanted) << outcome.detail;
    SY_EXPECT_OK(parser.Finish());
    return lines;
  }

  SimulatedEndpoint endpoint_{{"--model", "m"}};
  DisciplinedClock clock_;
  HttpClient client_;
  int pieces_ = 0;
};

TEST_F(SimulatedEndpointTest, EveryProtocolStreamsToItsEndMarkByteByByte) {
  for (const bool byte_by_byte : {false, true}) {
    endpoint_.SetFaults(byte_by_byte ? std::vector<std::string>{"pieces,bytes=1"} : std::vector<std::string>{});
    EXPECT_THAT(Lines().back(), HasSubstr("\"done\":true"));
    EXPECT_EQ(Events("/v1/chat/completions").back(), " [DONE]");
    EXPECT_EQ(Events("/v1/messages").back(), "message_stop {\"type\":\"message_stop\"}");
  }
  EXPECT_GT(pieces_, 100);
}

TEST_F(SimulatedEndpointTest, ABrokenStreamIsATruncationInEveryProtocol) {
  for (const std::string fault : {"truncate,tokens=2", "reset,tokens=2"}) {
    endpoint_.SetFaults({fault});
    for (const std::string& line : Lines(HttpFailure::kTruncated)) EXPECT_THAT(line, Not(HasSubstr("\"done\":true")));
    EXPECT_THAT(Events("/v1/chat/completions", HttpFailure::kTruncated).back(), Not(HasSubstr("DONE")));
    EXPECT_THAT(Events("/v1/messages", HttpFailure::kTruncated).back(), Not(HasSubstr("message_stop")));
  }
}

TEST_F(SimulatedEndpointTest, ARefusalComesWithItsStatusHeadersAndWords) {
  endpoint_.SetFaults({"429,retry_after=7"});
  const HttpOutcome outcome = Fetch(client_, Chat("/v1/messages"));
  EXPECT_EQ(outcome.head.status, 429);
  EXPECT_EQ(RetryAfter(outcome.head.headers, clock_.Now()), absl::Seconds(7));
  EXPECT_THAT(outcome.body, HasSubstr("rate_limit_error"));
  EXPECT_EQ(endpoint_.CountOf("POST /v1/messages"), 1);
}

TEST_F(SimulatedEndpointTest, ADeadEndpointRefusesAndAnswersAgainOnceItLives) {
  endpoint_.SetFaults({"dead"});
  EXPECT_EQ(Fetch(client_, Chat("/api/chat")).failure, HttpFailure::kRefused);
  endpoint_.SetFaults({});
  EXPECT_TRUE(Fetch(client_, Chat("/api/chat")).ok());
}

TEST_F(SimulatedEndpointTest, ACancelledGenerationFreesItsSlot) {
  endpoint_.SetFaults({"hang_after,tokens=1,times=1"});
  HttpCallbacks callbacks;
  callbacks.on_chunk = [](std::string_view) { return false; };
  callbacks.on_done = [](HttpOutcome) {};
  SY_ASSERT_OK(client_.Send(Chat("/api/chat"), std::move(callbacks)));
  // The only slot: this waits until the first one's is free.
  EXPECT_TRUE(Fetch(client_, Chat("/api/chat")).ok());
  EXPECT_THAT(endpoint_.Control("GET", "models"), HasSubstr("\"cancelled\": 1"));
}

}  // namespace
}  // namespace switchyard::http
