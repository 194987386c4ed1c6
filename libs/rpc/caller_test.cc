#include "libs/rpc/caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/retry.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;

// Notes the waits, moves the clock by them and goes on at once.
class RecordingTimer final : public Timer {
 public:
  explicit RecordingTimer(FakeClock& clock) : clock_(clock) {}
  void After(absl::Duration delay, std::function<void()> then) override {
    Sleep(delay);
    alarm_.After(absl::ZeroDuration(), std::move(then));
  }
  void Sleep(absl::Duration delay) override {
    delays.push_back(delay);
    clock_.Advance(delay);
  }
  std::vector<absl::Duration> delays;

 private:
  FakeClock& clock_;
  AlarmTimer alarm_;
};

struct Way {
  bool in_process;
  bool async;
};

class CallerTest : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    echo_.emplace(server_.gate());
    echo_->echo = [this](const CallContext& call, const EchoRequest&, EchoResponse&, Done done) {
      remaining_.push_back(call.remaining());
      done(static_cast<std::size_t>(calls_++) < answers_.size() ? answers_[calls_ - 1] : absl::OkStatus());
    };
    server_.Register(*echo_, EchoService::service_full_name());
    server_.Start();
    stub_ = EchoService::NewStub(GetParam().in_process ? server_.in_process_channel() : server_.channel());
  }
  void TearDown() override {
    stub_ = nullptr;
    server_.Stop();
  }

  absl::Status Call(const CallOptions& options) {
    const Caller caller(clock_, *rng_, timer_, &token_);
    if (!GetParam().async) {
      return CallUnary(caller, *stub_, &EchoService::StubInterface::Echo, {}, options).status();
    }
    absl::Status result;
    absl::Notification answered;
    CallUnaryAsync(caller, stub_->async(), &EchoService::StubInterface::async_interface::Echo, {}, options,
                   [&](const absl::StatusOr<EchoResponse>& answer) {
                     result = answer.status();
                     answered.Notify();
                   });
    answered.WaitForNotification();
    return result;
  }

  FakeClock clock_;
  RpcTestServer server_;
  std::optional<EchoRpc> echo_;
  std::unique_ptr<EchoService::StubInterface> stub_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(11);
  RecordingTimer timer_{clock_};
  StringTokenSource token_{"read-token"};
  std::vector<absl::Status> answers_;
  int calls_ = 0;
  std::vector<absl::Duration> remaining_;
};

INSTANTIATE_TEST_SUITE_P(Ways, CallerTest,
                         ::testing::Values(Way{false, false}, Way{false, true}, Way{true, false}, Way{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.in_process ? "InProcess" : "Tcp") +
                                  (info.param.async ? "Async" : "Sync");
                         });

TEST_P(CallerTest, TriesAgainWhatIsIdempotentWithGrowingJitteredPauses) {
  answers_.assign(3, absl::UnavailableError("away"));
  EXPECT_THAT(Call({.idempotent = true}), IsOk());
  EXPECT_EQ(calls_, 4);
  ASSERT_EQ(timer_.delays.size(), 3u);
  const std::vector<absl::Duration> full = {absl::Milliseconds(100), absl::Milliseconds(300), absl::Milliseconds(900)};
  for (std::size_t i = 0; i < full.size(); ++i) {
    EXPECT_GE(timer_.delays[i], full[i] / 2) << i;
    EXPECT_LE(timer_.delays[i], full[i]) << i;
  }
}

TEST_P(CallerTest, GivesUpAfterFourAttempts) {
  answers_.assign(10, absl::UnavailableError("away"));
  EXPECT_EQ(Call({.idempotent = true}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(calls_, 4);
}

TEST_P(CallerTest, NeverRepeatsWhatIsNotIdempotent) {
  answers_.assign(1, absl::UnavailableError("away"));
  EXPECT_EQ(Call({}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(calls_, 1);
}

TEST_P(CallerTest, NeverRepeatsOtherFailures) {
  answers_ = {MakeError(absl::StatusCode::kResourceExhausted, "FULL", "full")};
  EXPECT_THAT(Call({.idempotent = true}), IsError("FULL"));
  EXPECT_EQ(calls_, 1);
}

TEST_P(CallerTest, WaitsAsLongAsTheServerAsks) {
  answers_ = {MakeError(absl::StatusCode::kUnavailable, "later",
                        {.reason = "BUSY", .metadata = {}, .violations = {}, .retry_after = absl::Seconds(3)})};
  EXPECT_THAT(Call({.idempotent = true}), IsOk());
  EXPECT_EQ(timer_.delays, std::vector<absl::Duration>{absl::Seconds(3)});
}

TEST_P(CallerTest, StaysWithinTheDeadlineAndPassesOnWhatIsLeft) {
  answers_.assign(10, MakeError(absl::StatusCode::kUnavailable, "later",
                                {.reason = "BUSY", .metadata = {}, .violations = {}, .retry_after = absl::Seconds(4)}));
  EXPECT_THAT(Call({.timeout = absl::Seconds(10), .idempotent = true}), IsError("BUSY"));
  EXPECT_EQ(timer_.delays.size(), 2u);
  ASSERT_EQ(remaining_.size(), 3u);
  // gRPC rounds a deadline up on its way.
  EXPECT_LE(remaining_[1], absl::Milliseconds(6100));
  EXPECT_LE(remaining_[2], absl::Milliseconds(2100));
}

// As a call ends whose server stops and whose time for what is under way is over.
TEST(RetryLoopTest, TriesAgainWhereTheServerCutTheCallOff) {
  FakeClock clock;
  RecordingTimer timer(clock);
  const std::unique_ptr<Rng> rng = MakeSeededRng(11);
  const Caller caller(clock, *rng, timer, nullptr);
  const auto goes_on = [&](bool idempotent, const absl::Status& status) {
    RetryLoop attempts(caller, {.timeout = absl::Seconds(10), .idempotent = idempotent});
    attempts.NextContext();
    return attempts.DelayAfter(status).has_value();
  };
  EXPECT_TRUE(goes_on(true, absl::CancelledError("CANCELLED")));
  EXPECT_FALSE(goes_on(false, absl::CancelledError("CANCELLED")));
  EXPECT_FALSE(goes_on(true, MakeError(absl::StatusCode::kCancelled, "DECIDED", "a handler's own word")));
  EXPECT_FALSE(goes_on(true, absl::InternalError("no")));
}

TEST(CallerForTest, PassesOnNineTenthsOfWhatIsLeftAndTheTrace) {
  FakeClock clock;
  const auto rng = MakeSeededRng(5);
  const auto trace = telemetry::TraceContext::New(*rng);
  const CallContext call(clock, std::make_shared<const Principal>(), trace, clock.Now(),
                         clock.Now() + absl::Seconds(5));
  EXPECT_EQ(CallOptions::For(call).timeout, absl::Milliseconds(4500));
  EXPECT_EQ(CallOptions::For(call).trace, trace);
  EXPECT_EQ(CallOptions::For(call, absl::Seconds(1)).timeout, absl::Seconds(1));
}

TEST(ChannelRecoveryTest, ACallFailsWhileTheServerIsAwayAndWorksOnceItIsBack) {
  ServerOptions options = RpcTestServer::Options();
  auto first = std::make_unique<RpcTestServer>(options);
  auto echo = std::make_unique<EchoRpc>(first->gate());
  first->Register(*echo, EchoService::service_full_name());
  first->Start();
  options.listen = first->server().address();
  const auto channel = first->channel();
  const std::unique_ptr<EchoService::StubInterface> stub = EchoService::NewStub(channel);
  DisciplinedClock clock;
  const auto rng = MakeSeededRng(1);
  AlarmTimer timer;
  StringTokenSource token("read-token");
  const Caller caller(clock, *rng, timer, &token, {.attempts = 20});
  ASSERT_THAT(CallUnary(caller, *stub, &EchoService::StubInterface::Echo, {}, CallOptions()), IsOk());
  first->Stop();
  echo.reset();
  first.reset();
  EXPECT_EQ(CallUnary(caller, *stub, &EchoService::StubInterface::Echo, {}, CallOptions()).status().code(),
            absl::StatusCode::kUnavailable);
  RpcTestServer second(options);
  EchoRpc again(second.gate());
  second.Register(again, EchoService::service_full_name());
  second.Start();
  EXPECT_THAT(CallUnary(caller, *stub, &EchoService::StubInterface::Echo, {},
                        {.timeout = absl::Seconds(20), .idempotent = true}),
              IsOk());
  second.Stop();
}

}  // namespace
}  // namespace switchyard::rpc
