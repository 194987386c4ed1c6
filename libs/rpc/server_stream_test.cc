#include "libs/rpc/server_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "libs/rpc/caching_authenticator.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/status_convert.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using Stream = ServerStream<WatchEchoResponse>;

WatchEchoResponse Message(std::string_view text, std::size_t payload = 0) {
  WatchEchoResponse message;
  message.set_text(std::string(text));
  message.set_payload(std::string(payload, 'x'));
  return message;
}

class ServerStreamTest : public ::testing::TestWithParam<bool> {
 protected:
  void Start(ServerOptions options = RpcTestServer::Options(), StreamLimits limits = {}) {
    server_.emplace(std::move(options), &clock_, authenticator_);
    echo_.emplace(server_->gate());
    echo_->limits = limits;
    echo_->watch = [this](const CallContext& call, const WatchEchoRequest&, std::shared_ptr<Stream> stream) {
      principal_ = call.principal().id;
      stream->OnClosed([this] { closed_.Notify(); });
      stream_ = std::move(stream);
      opened_.Notify();
      return absl::OkStatus();
    };
    server_->Register(*echo_, EchoService::service_full_name());
    server_->Start();
    stub_ = EchoService::NewStub(GetParam() ? server_->in_process_channel() : server_->channel());
  }
  // Opens a stream and waits until the handler has it.
  void Open(std::string_view token = "read-token") {
    Call(token);
    opened_.WaitForNotification();
  }
  void Call(std::string_view token) {
    context_ = std::make_unique<grpc::ClientContext>();
    server_->caller(token).Prepare(*context_, absl::InfiniteDuration(), std::nullopt);
    reader_ = stub_->WatchEcho(context_.get(), WatchEchoRequest());
  }
  absl::Status Finish() { return FromGrpcStatus(reader_->Finish()); }
  void TearDown() override {
    if (context_ != nullptr) context_->TryCancel();
    reader_ = nullptr;
    context_ = nullptr;
    stub_ = nullptr;
    stream_ = nullptr;
    if (server_.has_value()) server_->Stop();
    echo_.reset();
    server_.reset();
  }

  FakeClock clock_;
  StaticAuthenticator tokens_;
  CachingAuthenticator cache_{tokens_, clock_};
  // Null: the server's own.
  Authenticator* authenticator_ = nullptr;
  std::optional<RpcTestServer> server_;
  std::optional<EchoRpc> echo_;
  std::unique_ptr<EchoService::StubInterface> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderInterface<WatchEchoResponse>> reader_;
  std::shared_ptr<Stream> stream_;
  std::string principal_;
  absl::Notification opened_;
  absl::Notification closed_;
};

INSTANTIATE_TEST_SUITE_P(Channels, ServerStreamTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InProcess" : "Tcp"; });

TEST_P(ServerStreamTest, DeliversInOrderAndThenTheEnd) {
  Start();
  Open();
  EXPECT_EQ(principal_, "read");
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(stream_->Offer(Message(std::to_string(i))));
  stream_->CloseWith(absl::OkStatus());
  EXPECT_FALSE(stream_->Offer(Message("late")));
  WatchEchoResponse message;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(reader_->Read(&message));
    EXPECT_EQ(message.text(), std::to_string(i));
  }
  EXPECT_FALSE(reader_->Read(&message));
  EXPECT_THAT(Finish(), IsOk());
  closed_.WaitForNotification();
}

TEST_P(ServerStreamTest, TellsItsOwnerWhenTheClientGoes) {
  Start();
  Open();
  context_->TryCancel();
  closed_.WaitForNotification();
  EXPECT_FALSE(stream_->open());
  EXPECT_FALSE(stream_->Offer(Message("x")));
  bool at_once = false;
  stream_->OnClosed([&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST_P(ServerStreamTest, RefusesAStreamWithoutToken) {
  Start();
  Call("");
  EXPECT_THAT(Finish(), IsError("TOKEN_MISSING"));
}

TEST_P(ServerStreamTest, AHandlersErrorEndsTheStreamWithDetails) {
  Start();
  echo_->watch = [](const CallContext&, const WatchEchoRequest&, const std::shared_ptr<Stream>&) {
    return MakeError(absl::StatusCode::kOutOfRange, "TOKEN_TOO_OLD", "resync");
  };
  Call("read-token");
  EXPECT_THAT(Finish(), IsError("TOKEN_TOO_OLD"));
}

TEST_P(ServerStreamTest, ASlowReaderIsCutOffWithTheStatusGivenAndBoundedMemory) {
  Start(RpcTestServer::Options(), {.max_messages = 20, .max_bytes = 1u << 20});
  Open();
  int taken = 0;
  while (taken < 10'000 && stream_->Offer(Message(std::to_string(taken), 64 << 10))) ++taken;
  // Flow control and the buffer hold some, not ten thousand.
  EXPECT_LT(taken, 500);
  EXPECT_LE(stream_->buffered(), 20u);
  stream_->CloseWith(MakeError(absl::StatusCode::kResourceExhausted, "WATCHER_TOO_SLOW", "resume from the last token"));
  EXPECT_LE(stream_->buffered(), 1u);
  WatchEchoResponse message;
  int read = 0;
  while (reader_->Read(&message)) ++read;
  EXPECT_LE(read, taken);
  EXPECT_THAT(Finish(), IsError("WATCHER_TOO_SLOW"));
  closed_.WaitForNotification();
}

TEST_P(ServerStreamTest, AReaderThatNeverReadsIsCancelledAfterTheGrace) {
  ServerOptions options = RpcTestServer::Options();
  options.slow_reader_grace = absl::ZeroDuration();
  Start(options, {.max_messages = 5, .max_bytes = 1u << 20});
  Open();
  while (stream_->Offer(Message("x", 200 << 10))) {
  }
  stream_->CloseWith(absl::ResourceExhaustedError("slow"));
  closed_.WaitForNotification();
}

TEST_P(ServerStreamTest, AMessageLargerThanTheBoundIsTakenByAnEmptyBuffer) {
  Start(RpcTestServer::Options(), {.max_messages = 5, .max_bytes = 10});
  Open();
  EXPECT_TRUE(stream_->Offer(Message("large", 1000)));
  WatchEchoResponse message;
  EXPECT_TRUE(reader_->Read(&message));
}

TEST_P(ServerStreamTest, DrainEndsStreamsAndTellsClientsToComeBack) {
  Start();
  Open();
  std::thread stopping([&] { server_->server().Stop(); });
  WatchEchoResponse message;
  EXPECT_FALSE(reader_->Read(&message));
  const absl::Status status = Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status, IsError("DRAINING"));
  EXPECT_GT(DetailsOf(status).retry_after, absl::ZeroDuration());
  stopping.join();
  server_->server().StopInProcess();
  EXPECT_TRUE(closed_.HasBeenNotified());
}

TEST_P(ServerStreamTest, DrainEndsByItsDeadlineThoughAReaderNeverReads) {
  ServerOptions options = RpcTestServer::Options();
  options.drain_deadline = absl::Milliseconds(300);
  Start(options, {.max_messages = 5, .max_bytes = 1u << 20});
  Open();
  while (stream_->Offer(Message("x", 200 << 10))) {
  }
  server_->server().Stop();
  // Calls of the process to itself go on until it ends.
  server_->server().StopInProcess();
  EXPECT_TRUE(closed_.HasBeenNotified());
}

TEST_P(ServerStreamTest, ARevokedTokenEndsAnOpenStream) {
  Start();
  Open();
  server_->authenticator().Remove("read-token");
  clock_.Advance(absl::Seconds(30));
  closed_.WaitForNotification();
  EXPECT_THAT(Finish(), IsError("TOKEN_INVALID"));
}

TEST_P(ServerStreamTest, ARevocationReachesOpenStreamsPastTheCache) {
  tokens_.Add("read-token", {.id = "read", .name = "read", .scopes = {options::v1::SCOPE_READ}});
  authenticator_ = &cache_;
  Start();
  Open();
  tokens_.Remove("read-token");
  // What the cache remembers would count for five more.
  clock_.Advance(absl::Seconds(25));
  EXPECT_TRUE(closed_.WaitForNotificationWithTimeout(absl::Seconds(30)));
  EXPECT_THAT(Finish(), IsError("TOKEN_INVALID"));
}

TEST_P(ServerStreamTest, OneMessageMayWaitInManyStreams) {
  Start();
  Open();
  const auto shared = std::make_shared<const WatchEchoResponse>(Message("same"));
  EXPECT_TRUE(stream_->Offer(shared));
  EXPECT_TRUE(stream_->Offer(shared));
  stream_->CloseWith(absl::OkStatus());
  WatchEchoResponse message;
  EXPECT_TRUE(reader_->Read(&message));
  EXPECT_TRUE(reader_->Read(&message));
  EXPECT_EQ(message.text(), "same");
}

TEST_P(ServerStreamTest, RefusesStreamsBeyondTheLimit) {
  ServerOptions options = RpcTestServer::Options();
  options.limits.max_streams = 1;
  Start(options);
  Open();
  grpc::ClientContext second;
  server_->caller("read-token").Prepare(second, absl::Seconds(10), std::nullopt);
  EXPECT_THAT(FromGrpcStatus(stub_->WatchEcho(&second, WatchEchoRequest())->Finish()), IsError("TOO_MANY_STREAMS"));
}

TEST_P(ServerStreamTest, ManyThreadsMayOfferAndCloseAtOnce) {
  Start(RpcTestServer::Options(), {.max_messages = 50, .max_bytes = 1u << 20});
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    server_->caller("read-token").Prepare(context, absl::Seconds(30), std::nullopt);
    absl::Notification opened;
    absl::Notification closed;
    std::shared_ptr<Stream> stream;
    echo_->watch = [&](const CallContext&, const WatchEchoRequest&, std::shared_ptr<Stream> made) {
      made->OnClosed([&] { closed.Notify(); });
      stream = std::move(made);
      opened.Notify();
      return absl::OkStatus();
    };
    auto reader = stub_->WatchEcho(&context, WatchEchoRequest());
    opened.WaitForNotification();
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) stream->Offer(Message("x", 100));
        if (t == 0) stream->CloseWith(absl::AbortedError("enough"));
        if (t == 1 && round % 2 == 0) context.TryCancel();
      });
    }
    WatchEchoResponse message;
    while (reader->Read(&message)) {
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(reader->Finish().ok());
    closed.WaitForNotification();
  }
}

}  // namespace
}  // namespace switchyard::rpc
