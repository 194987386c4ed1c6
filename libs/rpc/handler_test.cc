#include "libs/rpc/handler.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "libs/base/bounded_executor.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Answers when the test says so.
class LateAuthenticator final : public Authenticator {
 public:
  void Authenticate(std::string_view, Answer answer) override {
    {
      MutexLock lock(mutex_);
      answer_ = std::move(answer);
    }
    asked.Notify();
  }
  void Reply(const Result& result) {
    Answer answer;
    {
      MutexLock lock(mutex_);
      answer = std::exchange(answer_, nullptr);
    }
    answer(result);
  }
  absl::Notification asked;

 private:
  Mutex mutex_;
  Answer answer_ ABSL_GUARDED_BY(mutex_);
};

// Both kinds of channel must behave alike.
class HandlerTest : public ::testing::TestWithParam<bool> {
 protected:
  void Start(ServerOptions options = RpcTestServer::Options(), Authenticator* authenticator = nullptr) {
    server_.emplace(std::move(options), nullptr, authenticator);
    echo_.emplace(server_->gate());
    server_->Register(*echo_, EchoService::service_full_name());
    server_->Start();
    stub_ = EchoService::NewStub(GetParam() ? server_->in_process_channel() : server_->channel());
  }
  void TearDown() override {
    stub_ = nullptr;
    if (server_.has_value()) server_->Stop();
    echo_.reset();
    server_.reset();
  }

  absl::StatusOr<EchoResponse> Echo(std::string_view token, const CallOptions& options = {}) {
    EchoRequest request;
    request.set_text("hello");
    return CallUnary(server_->caller(token), *stub_, &EchoService::StubInterface::Echo, request, options);
  }
  // With metadata as given and nothing of ours.
  absl::Status RawEcho(const std::vector<std::pair<std::string, std::string>>& metadata, bool deadline = true) {
    grpc::ClientContext context;
    if (deadline)
      context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(10, GPR_TIMESPAN)));
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    EchoResponse response;
    return FromGrpcStatus(stub_->Echo(&context, EchoRequest(), &response));
  }

  std::optional<RpcTestServer> server_;
  std::optional<EchoRpc> echo_;
  std::unique_ptr<EchoService::StubInterface> stub_;
};

INSTANTIATE_TEST_SUITE_P(Channels, HandlerTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InProcess" : "Tcp"; });

TEST_P(HandlerTest, RunsACallThatMayRun) {
  Start();
  std::string id;
  absl::Duration remaining;
  echo_->echo = [&](const CallContext& call, const EchoRequest& request, EchoResponse& response, Done done) {
    id = call.principal().id;
    remaining = call.remaining();
    response.set_text(request.text());
    done(absl::OkStatus());
  };
  const auto answer = Echo("read-token", {.timeout = absl::Seconds(7)});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->text(), "hello");
  EXPECT_EQ(id, "read");
  EXPECT_GT(remaining, absl::Seconds(5));
  // gRPC rounds a deadline up on its way.
  EXPECT_LE(remaining, absl::Milliseconds(7100));
}

TEST_P(HandlerTest, RefusesACallWithoutToken) {
  Start();
  const absl::Status status = Echo("").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(status, IsError("TOKEN_MISSING"));
}

TEST_P(HandlerTest, RefusesTokensThatAreUnknownOrGarbled) {
  Start();
  EXPECT_THAT(Echo("who-is-this"), IsError("TOKEN_INVALID"));
  for (const char* header : {"Basic YTpi", "Bearer", "Bearer ", "Bearer two words", "read-token"}) {
    EXPECT_THAT(RawEcho({{"authorization", header}}), IsError("TOKEN_INVALID")) << header;
  }
  EXPECT_THAT(RawEcho({{"authorization", "Bearer " + std::string(5000, 'x')}}), IsError("TOKEN_INVALID"));
  EXPECT_THAT(RawEcho({{"authorization", "Bearer read-token"}, {"authorization", "Bearer admin-token"}}),
              IsError("TOKEN_INVALID"));
  EXPECT_THAT(RawEcho({{"authorization", "bearer read-token"}}), IsOk());
}

TEST_P(HandlerTest, RefusesATokenThatLacksTheScopeAndNamesIt) {
  Start();
  const absl::Status status =
      CallUnary(server_->caller("submit-token"), *stub_, &EchoService::StubInterface::AdminEcho, {}, CallOptions())
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status, IsError("SCOPE_MISSING"));
  EXPECT_THAT(DetailsOf(status).metadata, UnorderedElementsAre(Pair("required_scope", "SCOPE_ADMIN")));
  EXPECT_THAT(Echo("agent-token"), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Echo("submit-token"), IsOk());
  EXPECT_THAT(
      CallUnary(server_->caller("admin-token"), *stub_, &EchoService::StubInterface::AdminEcho, {}, CallOptions()),
      IsOk());
}

TEST_P(HandlerTest, AMethodOfScopeNoneAsksForNoToken) {
  Start();
  EXPECT_THAT(CallUnary(server_->caller(""), *stub_, &EchoService::StubInterface::OpenEcho, {}, CallOptions()), IsOk());
}

TEST_P(HandlerTest, RefusesACallWithoutDeadline) {
  Start();
  const absl::Status status = RawEcho({{"authorization", "Bearer read-token"}}, /*deadline=*/false);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status, IsError("DEADLINE_REQUIRED"));
}

TEST_P(HandlerTest, CarriesErrorDetailsOverTheWire) {
  Start();
  echo_->echo = [](const CallContext&, const EchoRequest&, EchoResponse&, Done done) {
    done(InvalidFields({{"text", "is wrong"}, {"other", "is missing"}}));
  };
  const absl::Status status = Echo("read-token").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).violations, (std::vector<FieldViolation>{{"text", "is wrong"}, {"other", "is missing"}}));
}

TEST_P(HandlerTest, ADroppedCallIsAnsweredWithInternal) {
  Start();
  echo_->echo = [](const CallContext&, const EchoRequest&, EchoResponse&, const Done&) {};
  const absl::Status status = Echo("read-token").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status, IsError("HANDLER_DROPPED_CALL"));
}

TEST_P(HandlerTest, AnAnswerMayComeFromAnotherThread) {
  Start();
  BoundedExecutor executor("test", 1, 8);
  executor.Start();
  echo_->echo = [&](const CallContext&, const EchoRequest& request, EchoResponse& response, Done done) {
    auto shared = std::make_shared<Done>(std::move(done));
    EXPECT_THAT(executor.Run([&request, &response, shared] {
      response.set_text(request.text() + "!");
      (*shared)(absl::OkStatus());
    }),
                IsOk());
  };
  const auto answer = Echo("read-token");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->text(), "hello!");
  executor.Stop();
}

TEST_P(HandlerTest, RefusesWhatExceedsTheLimitOfCallsUnderWay) {
  ServerOptions options = RpcTestServer::Options();
  options.limits.max_in_flight = 1;
  Start(options);
  absl::Notification held;
  std::optional<Done> first;
  echo_->echo = [&](const CallContext&, const EchoRequest&, EchoResponse&, Done done) {
    first.emplace(std::move(done));
    held.Notify();
  };
  absl::Notification answered;
  CallUnaryAsync(server_->caller("read-token"), stub_->async(), &EchoService::StubInterface::async_interface::Echo, {},
                 CallOptions(), [&](const absl::StatusOr<EchoResponse>& answer) {
                   EXPECT_THAT(answer, IsOk());
                   answered.Notify();
                 });
  held.WaitForNotification();
  const absl::Status status = Echo("read-token").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status, IsError("SERVER_OVERLOADED"));
  EXPECT_GT(DetailsOf(status).retry_after, absl::ZeroDuration());
  (*first)(absl::OkStatus());
  answered.WaitForNotification();
  // The place is free again.
  echo_->echo = [](const CallContext&, const EchoRequest&, EchoResponse&, Done done) { done(absl::OkStatus()); };
  EXPECT_THAT(Echo("read-token"), IsOk());
}

TEST_P(HandlerTest, JoinsTheCallersTraceOrBeginsOne) {
  Start();
  std::string trace;
  std::string span;
  echo_->echo = [&](const CallContext& call, const EchoRequest&, EchoResponse&, Done done) {
    trace = std::string(call.trace().trace_id());
    span = std::string(call.trace().span_id());
    done(absl::OkStatus());
  };
  const auto rng = MakeSeededRng(3);
  const auto parent = telemetry::TraceContext::New(*rng);
  ASSERT_THAT(Echo("read-token", {.trace = parent}), IsOk());
  EXPECT_EQ(trace, parent.trace_id());
  EXPECT_NE(span, parent.span_id());
  ASSERT_THAT(Echo("read-token"), IsOk());
  EXPECT_NE(trace, parent.trace_id());
  EXPECT_EQ(trace.size(), 32u);
  EXPECT_THAT(RawEcho({{"authorization", "Bearer read-token"}, {"traceparent", "nonsense"}}), IsOk());
}

TEST_P(HandlerTest, CountsCallsByMethodAndStatus) {
  Start();
  ASSERT_THAT(Echo("read-token"), IsOk());
  ASSERT_THAT(Echo("read-token"), IsOk());
  ASSERT_THAT(Echo(""), Not(IsOk()));
  const std::string text = server_->metrics().Text();
  EXPECT_THAT(text,
              HasSubstr("grpc_server_call_started_total{grpc_method=\"switchyard.testing.v1.EchoService/Echo\"} 3"));
  EXPECT_THAT(text, HasSubstr("grpc_server_call_duration_seconds_count{grpc_method=\"switchyard.testing.v1.EchoService/"
                              "Echo\",grpc_status=\"OK\"} 2"));
  EXPECT_THAT(text, HasSubstr("grpc_status=\"UNAUTHENTICATED\"} 1"));
  EXPECT_THAT(text, HasSubstr("switchyard_rpc_calls_in_flight 0"));
}

TEST_P(HandlerTest, WaitsForAnAuthenticatorThatHasToAskWithoutHoldingAThread) {
  LateAuthenticator late;
  Start(RpcTestServer::Options(), &late);
  absl::Notification answered;
  CallUnaryAsync(server_->caller("read-token"), stub_->async(), &EchoService::StubInterface::async_interface::Echo, {},
                 CallOptions(), [&](const absl::StatusOr<EchoResponse>& answer) {
                   EXPECT_THAT(answer, IsOk());
                   answered.Notify();
                 });
  late.asked.WaitForNotification();
  EXPECT_THAT(CallUnary(server_->caller(""), *stub_, &EchoService::StubInterface::OpenEcho, {}, CallOptions()), IsOk());
  EXPECT_FALSE(answered.HasBeenNotified());
  late.Reply(std::make_shared<const Principal>(Principal{
      .id = "late", .name = "late", .scopes = {options::v1::SCOPE_READ}, .expire_time = absl::InfiniteFuture()}));
  answered.WaitForNotification();
}

TEST_P(HandlerTest, AHandlerLearnsThatTheClientHasGone) {
  Start();
  absl::Notification held;
  std::optional<Done> pending;
  echo_->echo = [&](const CallContext&, const EchoRequest&, EchoResponse&, Done done) {
    pending.emplace(std::move(done));
    held.Notify();
  };
  EXPECT_EQ(Echo("read-token", {.timeout = absl::Milliseconds(200)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  held.WaitForNotification();
  while (!pending->IsCancelled()) std::this_thread::yield();
  (*pending)(absl::OkStatus());
}

}  // namespace
}  // namespace switchyard::rpc
