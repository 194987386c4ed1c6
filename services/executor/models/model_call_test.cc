#include "services/executor/models/model_call.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "services/executor/models/testing_streams.h"

namespace switchyard::executor::models {
namespace {

using ::switchyard::testing::Fails;
using ::switchyard::testing::FakeAnswer;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Recorder final : CallEvents {
  void OnFirstToken() override { ++first_tokens; }
  void OnPart(Part part, std::string_view text) override {
    if (part == Part::kText) this->text += text;
  }
  void OnProgress(const CallProgress& now) override { progress.push_back(now); }
  void OnDone(CallResult done) override {
    ++ends;
    result = std::move(done);
  }

  int first_tokens = 0;
  int ends = 0;
  std::string text;
  std::vector<CallProgress> progress;
  CallResult result;
};

class ModelCallTest : public ::testing::Test {
 protected:
  CallSpec Spec(Protocol protocol) {
    CallSpec spec;
    spec.protocol = protocol;
    spec.url = "http://h:1";
    spec.request.model = "m";
    spec.request.messages = {{.role = Role::kUser, .text = "hello"}};
    return spec;
  }
  void Begin(CallSpec spec) { call_ = ModelCall::Start(std::move(spec), http_, clock_, events_); }
  void Begin(Protocol protocol = Protocol::kOllama) { Begin(Spec(protocol)); }
  // The answer of a whole call.
  CallResult Run(Protocol protocol, FakeAnswer answer) {
    http_.When("h:1", std::move(answer));
    events_ = {};
    Begin(protocol);
    http_.DeliverAll();
    EXPECT_EQ(events_.ends, 1);
    return events_.result;
  }
  void Pass(absl::Duration by) {
    clock_.Advance(by);
    call_->Tick();
  }
  // Gets these pieces, then nothing.
  void Stall(std::vector<std::string> chunks) {
    http_.When("h:1", FakeAnswer{.chunks = std::move(chunks), .hangs = true});
  }

  testing::FakeClock clock_;
  testing::FakeHttp http_;
  Recorder events_;
  std::shared_ptr<ModelCall> call_;
};

constexpr char kOneToken[] = "{\"model\":\"m\",\"message\":{\"content\":\"one \"},\"done\":false}\n";
constexpr char kDone[] = "{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";

TEST_F(ModelCallTest, StreamsAWholeAnswerOfEachProtocol) {
  for (const Protocol protocol : {Protocol::kOllama, Protocol::kOpenAi, Protocol::kAnthropic}) {
    const CallResult result = Run(protocol, testing::Answer(200, std::string(StreamOf(protocol))));
    EXPECT_EQ(result.outcome, CallOutcome::kSuccess) << result.detail;
    EXPECT_EQ(events_.text, "Grüße, ü 😀");
    EXPECT_EQ(result.answer.text, events_.text);
    EXPECT_EQ(events_.first_tokens, 1);
    EXPECT_EQ(result.http_status, 200);
    EXPECT_TRUE(result.times.first_token.has_value());
  }
}

TEST_F(ModelCallTest, LooksAtTheStatusBeforeTheBody) {
  // A body that would be a fine answer.
  const std::string fine(StreamOf(Protocol::kOllama));
  for (const auto& [status, outcome] : std::vector<std::pair<int, CallOutcome>>{{400, CallOutcome::kInvalidRequest},
                                                                                {401, CallOutcome::kUnauthorized},
                                                                                {402, CallOutcome::kPaymentRequired},
                                                                                {403, CallOutcome::kForbidden},
                                                                                {404, CallOutcome::kModelNotFound},
                                                                                {429, CallOutcome::kRateLimited},
                                                                                {500, CallOutcome::kServerFailure},
                                                                                {503, CallOutcome::kOverloaded},
                                                                                {529, CallOutcome::kOverloaded}}) {
    const CallResult result = Run(Protocol::kOllama, testing::Answer(status, fine));
    EXPECT_EQ(result.outcome, outcome) << status;
    EXPECT_EQ(events_.text, "") << status;
  }
  const CallResult wait = Run(Protocol::kAnthropic, testing::Answer(429, "{}", {{"retry-after", "9"}}));
  EXPECT_EQ(wait.retry_after, absl::Seconds(9));
}

TEST_F(ModelCallTest, TakesAnAnswerThatWasNotStreamedThoughItWasAskedTo) {
  const CallResult result =
      Run(Protocol::kOpenAi,
          testing::Answer(200, R"({"model":"m","choices":[{"finish_reason":"stop","message":{"content":"hi"}}]})",
                          {{"Content-Type", "application/json"}}));
  EXPECT_EQ(result.outcome, CallOutcome::kSuccess) << result.detail;
  EXPECT_EQ(result.answer.text, "hi");
}

TEST_F(ModelCallTest, WhatBreaksTheExchangeIsToldApart) {
  EXPECT_EQ(Run(Protocol::kOllama, Fails(http::HttpFailure::kRefused)).outcome, CallOutcome::kNoConnection);
  EXPECT_EQ(Run(Protocol::kOllama, Fails(http::HttpFailure::kConnectTimeout)).outcome, CallOutcome::kConnectTimeout);
  EXPECT_EQ(Run(Protocol::kOllama, Fails(http::HttpFailure::kTls)).outcome, CallOutcome::kTlsFailed);
  const CallResult cut =
      Run(Protocol::kOllama, FakeAnswer{.chunks = {kOneToken}, .failure = http::HttpFailure::kTruncated});
  EXPECT_EQ(cut.outcome, CallOutcome::kStreamCut);
  EXPECT_EQ(cut.answer.text, "one ") << "what there is of it";
  EXPECT_EQ(Run(Protocol::kOllama, FakeAnswer{.chunks = {kOneToken}}).outcome, CallOutcome::kStreamCut)
      << "a transfer that ends well without the end mark";
  http_.RefuseNext(absl::UnavailableError("stopped"));
  events_ = {};
  Begin();
  EXPECT_EQ(events_.result.outcome, CallOutcome::kNotSent);
}

TEST_F(ModelCallTest, ABreakBehindTheEndIsNoFailure) {
  std::string whole(kOpenAiStream);
  whole.resize(whole.find("data: [DONE]"));
  const CallResult result =
      Run(Protocol::kOpenAi, FakeAnswer{.chunks = {whole}, .failure = http::HttpFailure::kTruncated});
  EXPECT_EQ(result.outcome, CallOutcome::kSuccess);
}

TEST_F(ModelCallTest, AStreamThatStaysOpenBehindItsEndIsLeft) {
  Stall({kOneToken, kDone});
  Begin();
  http_.DeliverAll();
  EXPECT_EQ(events_.ends, 0);
  Pass(ModelCall::kLingerBehindEnd);
  EXPECT_EQ(events_.ends, 1);
  EXPECT_EQ(events_.result.outcome, CallOutcome::kSuccess);

  // Counts may still follow the reason to finish.
  std::string whole(kOpenAiStream);
  whole.resize(whole.find("data: {\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[],"));
  Stall({whole});
  events_ = {};
  Begin(Protocol::kOpenAi);
  http_.DeliverAll();
  Pass(ModelCall::kLingerBehindEnd);
  EXPECT_EQ(events_.ends, 0);
  Pass(ModelCall::kLinger);
  EXPECT_EQ(events_.result.outcome, CallOutcome::kSuccess);
}

TEST_F(ModelCallTest, NonsenseEndsTheCallAtOnce) {
  const CallResult result = Run(Protocol::kOllama, FakeAnswer{.chunks = {kOneToken, "<html>\n", kDone}});
  EXPECT_EQ(result.outcome, CallOutcome::kNonsense);
  EXPECT_THAT(result.detail, HasSubstr("html"));
}

TEST_F(ModelCallTest, AnAnswerBeyondItsBoundIsLeft) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.bounds.answer_bytes = 10;
  Stall({kOneToken, kOneToken, kOneToken, kOneToken});
  Begin(std::move(spec));
  http_.DeliverAll();
  EXPECT_EQ(events_.result.outcome, CallOutcome::kTooLong);
  EXPECT_LE(events_.result.answer.text.size(), 10u);
  EXPECT_EQ(http_.hanging(), 0u) << "the connection is closed";
}

TEST_F(ModelCallTest, AColdModelMayLoadAWarmOneMayNot) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.timeouts.load = absl::Seconds(100);
  spec.timeouts.first_token = absl::Seconds(20);
  Stall({});
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(20));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kFirstTokenTimeout);
  EXPECT_EQ(events_.ends, 1);

  spec.cold = true;
  events_ = {};
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(119));
  EXPECT_EQ(events_.ends, 0);
  Pass(absl::Seconds(1));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kLoadTimeout);
  EXPECT_EQ(http_.hanging(), 0u);
}

TEST_F(ModelCallTest, PatienceEndsTheWaitForTheFirstTokenWhateverTheModelDoes) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.cold = true;
  spec.timeouts.patience = absl::Seconds(7);
  Stall({});
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(7));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kFirstTokenTimeout);
}

TEST_F(ModelCallTest, SignsOfLifeAreNoTokens) {
  CallSpec spec = Spec(Protocol::kAnthropic);
  spec.timeouts.first_token = absl::Seconds(20);
  Stall({"event: ping\ndata: {\"type\":\"ping\"}\n\n"});
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(20));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kFirstTokenTimeout);
  EXPECT_EQ(events_.first_tokens, 0);
}

TEST_F(ModelCallTest, AStalledAnswerEndsAndThinkingCountsAsTokens) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.timeouts.between_tokens = absl::Seconds(5);
  spec.timeouts.first_token = absl::Seconds(2);
  Stall({"{\"message\":{\"thinking\":\"hm\"},\"done\":false}\n"});
  Begin(spec);
  http_.DeliverAll();
  EXPECT_EQ(events_.first_tokens, 1);
  Pass(absl::Seconds(4));
  EXPECT_EQ(events_.ends, 0);
  Pass(absl::Seconds(1));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kTokenTimeout);
}

TEST_F(ModelCallTest, TheWholeCallHasItsTime) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.timeouts.total = absl::Seconds(50);
  spec.timeouts.between_tokens = absl::InfiniteDuration();
  Stall({kOneToken});
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(50));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kTotalTimeout);
}

TEST_F(ModelCallTest, AnAnswerBelowTheFloorEndsOnlyAfterTheWindow) {
  CallSpec spec = Spec(Protocol::kOllama);
  spec.least_tokens_per_second = 2;
  spec.floor_window = absl::Seconds(10);
  spec.timeouts.between_tokens = absl::Seconds(30);
  Stall({kOneToken, kOneToken});
  Begin(spec);
  http_.DeliverAll();
  Pass(absl::Seconds(9));
  EXPECT_EQ(events_.ends, 0);
  Pass(absl::Seconds(1));
  EXPECT_EQ(events_.result.outcome, CallOutcome::kTooSlow);
}

TEST_F(ModelCallTest, SaysHowItStandsAboutEveryFiveSeconds) {
  Stall({kOneToken});
  Begin();
  Pass(absl::Seconds(4));
  EXPECT_THAT(events_.progress, SizeIs(0));
  Pass(absl::Seconds(1));
  ASSERT_THAT(events_.progress, SizeIs(1));
  EXPECT_EQ(events_.progress[0].stage, CallStage::kWaiting);
  http_.DeliverAll();
  Pass(absl::Seconds(1));
  Pass(absl::Seconds(4));
  ASSERT_THAT(events_.progress, SizeIs(2));
  EXPECT_EQ(events_.progress[1].stage, CallStage::kGenerating);
  EXPECT_EQ(events_.progress[1].tokens, 1);
}

TEST_F(ModelCallTest, CancellingClosesTheConnection) {
  Stall({kOneToken});
  Begin();
  http_.DeliverAll();
  EXPECT_EQ(http_.hanging(), 1u);
  call_->Cancel();
  EXPECT_EQ(http_.hanging(), 0u);
  EXPECT_EQ(events_.result.outcome, CallOutcome::kCancelled);
  call_->Cancel();
  call_->Tick();
  EXPECT_EQ(events_.ends, 1);
}

TEST_F(ModelCallTest, HearsAProxySayThatItFellBackByItself) {
  const CallResult result = Run(
      Protocol::kOpenAi, testing::Answer(200, std::string(kOpenAiStream), {{"x-litellm-attempted-fallbacks", "2"}}));
  EXPECT_EQ(result.proxy_fallbacks, 2);
}

TEST_F(ModelCallTest, TheEndMayComeBeforeStartReturns) {
  testing::FakeHttp at_once(testing::FakeHttp::Mode::kInline);
  at_once.When("h:1", testing::Answer(200, std::string(kOllamaStream)));
  call_ = ModelCall::Start(Spec(Protocol::kOllama), at_once, clock_, events_);
  EXPECT_EQ(events_.result.outcome, CallOutcome::kSuccess);
  call_->Cancel();
  EXPECT_EQ(events_.ends, 1);
}

}  // namespace
}  // namespace switchyard::executor::models
