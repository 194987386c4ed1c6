#include "libs/rpc/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/rpc/address.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/healthcheck.h"
#include "libs/rpc/lifecycle.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using ::switchyard::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Status Health(const std::string& address, std::string_view service) {
  ChannelOptions options;
  options.target = address;
  return CheckHealth(options, service, absl::Seconds(10));
}

class ServerTest : public ::testing::Test {
 protected:
  absl::Status Start(ServerOptions options) {
    server_.emplace(std::move(options));
    echo_.emplace(server_->gate());
    server_->Register(*echo_, EchoService::service_full_name());
    return server_->server().Start();
  }
  void TearDown() override {
    if (server_.has_value()) server_->Stop();
    echo_.reset();
    server_.reset();
  }
  std::string address() { return server_->server().address(); }
  absl::Status Echo() {
    const auto stub = EchoService::NewStub(server_->channel());
    return CallUnary(server_->caller("read-token"), static_cast<EchoService::StubInterface&>(*stub),
                     &EchoService::StubInterface::Echo, {}, CallOptions())
        .status();
  }

  std::optional<RpcTestServer> server_;
  std::optional<EchoRpc> echo_;
};

TEST_F(ServerTest, RefusesToStartWhenAMethodDeclaresNoScope) {
  switchyard::testing::v1::UnscopedService::CallbackService service;
  server_.emplace();
  server_->Register(service, switchyard::testing::v1::UnscopedService::service_full_name());
  const absl::Status status = server_->server().Start();
  EXPECT_THAT(status, IsError("SCOPE_UNDECLARED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("switchyard.testing.v1.UnscopedService.Unscoped"));
}

TEST_F(ServerTest, RefusesToBeReachableFromOutsideWithoutTls) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "10.1.2.3:0", "example.org:0", "127.evil.example:0"}) {
    ServerOptions options = RpcTestServer::Options();
    options.listen = listen;
    const absl::Status status = Start(options);
    EXPECT_THAT(status, IsError("INSECURE_BIND")) << listen;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(listen), HasSubstr("--allow-insecure-bind")));
    TearDown();
  }
  ServerOptions options = RpcTestServer::Options();
  options.metrics_listen = "0.0.0.0:0";
  EXPECT_THAT(Start(options), IsError("INSECURE_BIND"));
}

TEST_F(ServerTest, BindsOutsideWhenToldSo) {
  ServerOptions options = RpcTestServer::Options();
  options.listen = "0.0.0.0:0";
  options.allow_insecure_bind = true;
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_EQ(RunHealthcheck(address(), ""), 0);
}

TEST_F(ServerTest, ATakenPortIsAnErrorThatSaysSo) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in taken{};
  taken.sin_family = AF_INET;
  taken.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&taken), sizeof(taken)), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  socklen_t size = sizeof(taken);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&taken), &size), 0);
  ServerOptions options = RpcTestServer::Options();
  options.listen = absl::StrCat("127.0.0.1:", ntohs(taken.sin_port));
  const absl::Status status = Start(options);
  EXPECT_THAT(status, IsError("LISTEN_FAILED"));
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(options.listen), HasSubstr("in use")));
  close(fd);
}

TEST_F(ServerTest, APortServedByAnotherServerIsNotShared) {
  ASSERT_THAT(Start(RpcTestServer::Options()), IsOk());
  ServerOptions options = RpcTestServer::Options();
  options.listen = address();
  RpcTestServer second(options);
  EXPECT_THAT(second.server().Start(), IsError("LISTEN_FAILED"));
}

TEST_F(ServerTest, ServesAUnixSocketAndRefusesOneThatIsServed) {
  const TempDir folder;
  ServerOptions options = RpcTestServer::Options();
  options.listen = "unix:" + folder.File("s");
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_THAT(Echo(), IsOk());
  EXPECT_EQ(RunHealthcheck(options.listen, ""), 0);
  RpcTestServer second(options);
  const absl::Status status = second.server().Start();
  EXPECT_THAT(status, IsError("LISTEN_FAILED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process"));
}

TEST_F(ServerTest, ReadinessFlipsWithItsConditions) {
  server_.emplace();
  echo_.emplace(server_->gate());
  server_->Register(*echo_, EchoService::service_full_name());
  Server& server = server_->server();
  server.SetReady("database", false);
  server.SetReady("migrations", true);
  ASSERT_THAT(server.Start(), IsOk());
  EXPECT_THAT(Health(address(), ""), IsOk());
  EXPECT_THAT(Health(address(), EchoService::service_full_name()), IsOk());
  EXPECT_THAT(Health(address(), Server::kReadyService), IsError("NOT_SERVING"));
  EXPECT_EQ(RunHealthcheck(address(), Server::kReadyService), 1);
  server.SetReady("database", true);
  EXPECT_THAT(Health(address(), Server::kReadyService), IsOk());
  EXPECT_EQ(RunHealthcheck(address(), Server::kReadyService), 0);
  server.SetReady("migrations", false);
  EXPECT_THAT(Health(address(), Server::kReadyService), IsError("NOT_SERVING"));
  EXPECT_THAT(Health(address(), "no.such.Service"), Not(IsOk()));
}

TEST_F(ServerTest, HealthAnswersWhileEveryHandlerStalls) {
  ServerOptions options = RpcTestServer::Options();
  options.limits.max_in_flight = 64;
  ASSERT_THAT(Start(options), IsOk());
  Mutex mutex;
  CondVar changed;
  std::vector<Done> stalled;
  echo_->echo = [&](const CallContext&, const EchoRequest&, EchoResponse&, Done done) {
    MutexLock lock(mutex);
    stalled.push_back(std::move(done));
    changed.NotifyAll();
  };
  const auto stub = EchoService::NewStub(server_->channel());
  int answered = 0;
  for (int i = 0; i < 64; ++i) {
    CallUnaryAsync(server_->caller("read-token"), static_cast<EchoService::StubInterface&>(*stub).async(),
                   &EchoService::StubInterface::async_interface::Echo, {}, {.timeout = absl::Seconds(60)},
                   [&](const absl::StatusOr<EchoResponse>&) {
                     MutexLock lock(mutex);
                     ++answered;
                     changed.NotifyAll();
                   });
  }
  {
    MutexLock lock(mutex);
    while (stalled.size() < 64) changed.Wait(mutex);
  }
  EXPECT_THAT(Health(address(), ""), IsOk());
  EXPECT_THAT(Health(address(), Server::kReadyService), IsOk());
  MutexLock lock(mutex);
  for (Done& done : stalled) done(absl::OkStatus());
  while (answered < 64) changed.Wait(mutex);
}

TEST_F(ServerTest, DrainWaitsForCallsUnderWay) {
  ASSERT_THAT(Start(RpcTestServer::Options()), IsOk());
  absl::Notification held;
  std::optional<Done> pending;
  echo_->echo = [&](const CallContext&, const EchoRequest&, EchoResponse&, Done done) {
    pending.emplace(std::move(done));
    held.Notify();
  };
  absl::Status answer = absl::UnknownError("none yet");
  std::thread client([&] { answer = Echo(); });
  held.WaitForNotification();
  std::thread stopping([&] { server_->server().Stop(); });
  while (server_->server().ready()) std::this_thread::yield();
  (*pending)(absl::OkStatus());
  client.join();
  stopping.join();
  EXPECT_THAT(answer, IsOk());
}

TEST_F(ServerTest, IsNotReadyDuringTheDelayOfADrainAndStillServes) {
  ServerOptions options = RpcTestServer::Options();
  options.drain_delay = absl::Seconds(60);
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_THAT(Health(address(), Server::kReadyService), IsOk());
  std::thread draining([&] { server_->server().DrainAndStop(); });
  while (server_->server().ready()) std::this_thread::yield();
  EXPECT_THAT(Health(address(), Server::kReadyService), IsError("NOT_SERVING"));
  EXPECT_THAT(Health(address(), ""), IsOk());
  EXPECT_THAT(Echo(), IsOk());
  server_->server().Stop();
  draining.join();
}

TEST_F(ServerTest, ServesMetrics) {
  ServerOptions options = RpcTestServer::Options();
  options.metrics_listen = "127.0.0.1:0";
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_GT(server_->server().metrics_port(), 0);
  RpcTestServer second(RpcTestServer::Options());
  ServerOptions taken = RpcTestServer::Options();
  taken.metrics_listen = absl::StrCat("127.0.0.1:", server_->server().metrics_port());
  RpcTestServer third(taken);
  EXPECT_THAT(third.server().Start(), IsError("METRICS_LISTEN_FAILED"));
}

TEST_F(ServerTest, RefusesMessagesAboveTheLimit) {
  ASSERT_THAT(Start(RpcTestServer::Options()), IsOk());
  const auto stub = EchoService::NewStub(server_->in_process_channel());
  EchoRequest request;
  request.set_text(std::string(5u << 20, 'x'));
  EXPECT_EQ(CallUnary(server_->caller("read-token"), static_cast<EchoService::StubInterface&>(*stub),
                      &EchoService::StubInterface::Echo, request, CallOptions())
                .status()
                .code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ServerTest, SendsAnswersAboveTheLimitOfWhatItTakes) {
  ASSERT_THAT(Start(RpcTestServer::Options()), IsOk());
  constexpr std::size_t kLarge = 20u << 20;
  echo_->echo = [](const CallContext&, const EchoRequest&, EchoResponse& response, Done done) {
    response.set_text(std::string(kLarge, 'x'));
    done(absl::OkStatus());
  };
  for (const auto& channel : {server_->channel(), server_->in_process_channel()}) {
    const auto stub = EchoService::NewStub(channel);
    const absl::StatusOr<EchoResponse> answer =
        CallUnary(server_->caller("read-token"), static_cast<EchoService::StubInterface&>(*stub),
                  &EchoService::StubInterface::Echo, {}, CallOptions());
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->text().size(), kLarge);
  }
}

TEST_F(ServerTest, OffersReflectionAndChannelzOnlyWhenAsked) {
  const auto implements = [&](std::string method) {
    grpc::ClientContext context;
    server_->caller("read-token").Prepare(context, absl::Seconds(10), std::nullopt);
    grpc::GenericStub stub(server_->channel());
    const grpc::Slice nothing;
    const grpc::ByteBuffer empty(&nothing, 1);
    grpc::ByteBuffer answer;
    absl::Notification done;
    absl::StatusCode code = absl::StatusCode::kOk;
    stub.UnaryCall(&context, std::move(method), {}, &empty, &answer, [&](const grpc::Status& status) {
      code = FromGrpcStatus(status).code();
      done.Notify();
    });
    done.WaitForNotification();
    return code != absl::StatusCode::kUnimplemented;
  };
  for (const bool on : {true, false}) {
    ServerOptions options = RpcTestServer::Options();
    options.reflection = on;
    options.channelz = on;
    ASSERT_THAT(Start(options), IsOk());
    EXPECT_EQ(implements("/grpc.channelz.v1.Channelz/GetServers"), on);
    EXPECT_EQ(implements("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"), on);
    TearDown();
  }
}

TEST_F(ServerTest, RunsInProcessOnly) {
  ServerOptions options = RpcTestServer::Options();
  options.listen = "";
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_EQ(address(), "");
  const auto stub = EchoService::NewStub(server_->in_process_channel());
  EXPECT_THAT(CallUnary(server_->caller("read-token"), static_cast<EchoService::StubInterface&>(*stub),
                        &EchoService::StubInterface::Echo, {}, CallOptions()),
              IsOk());
}

// Runs a server in a child until signals end it; the child's exit code.
int ExitCodeAfter(const std::vector<int>& signals, absl::Duration drain_delay, absl::Duration patience) {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    StopSignals stop;
    ServerOptions options = RpcTestServer::Options();
    options.drain_delay = drain_delay;
    RpcTestServer server(options);
    server.Start();
    if (write(ready[1], "r", 1) != 1) std::_Exit(99);
    std::_Exit(RunUntilSignalled(stop, {&server.server()}, patience));
  }
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) return -1;
  close(ready[0]);
  close(ready[1]);
  for (const int signal : signals) kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// The children fork before this process has threads of gRPC: each case of this suite runs in its own process.
TEST(LifecycleDeathTest, EndsOnSignals) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::_Exit(ExitCodeAfter({SIGTERM}, absl::ZeroDuration(), absl::Seconds(60))),
              ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(std::_Exit(ExitCodeAfter({SIGINT, SIGTERM}, absl::Seconds(60), absl::Seconds(90))),
              ::testing::ExitedWithCode(128 + SIGTERM), "");
  EXPECT_EXIT(std::_Exit(ExitCodeAfter({SIGTERM}, absl::Seconds(60), absl::Milliseconds(100))),
              ::testing::ExitedWithCode(1), "");
}

TEST(AddressTest, KnowsWhatIsLocal) {
  for (const char* local : {"127.0.0.1:1", "127.8.9.1:0", "localhost:70", "[::1]:5", "unix:/run/x", "ipv4:127.0.0.1:80",
                            "dns:///localhost:80", "unix-abstract:x"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const char* open : {"", "0.0.0.0:1", "[::]:1", "host:1", "127.example.org:1", "localhost.example.org:1",
                           "dns:///example.org:80", "ipv4:127.0.0.1:80,10.0.0.1:80"}) {
    EXPECT_FALSE(IsLocalAddress(open)) << open;
  }
  EXPECT_EQ(LocalTarget("0.0.0.0:7000"), "127.0.0.1:7000");
  EXPECT_EQ(LocalTarget("[::]:7000"), "[::1]:7000");
  EXPECT_EQ(LocalTarget("10.0.0.1:7000"), "10.0.0.1:7000");
  EXPECT_EQ(LocalTarget("unix:/run/x"), "unix:/run/x");
}

}  // namespace
}  // namespace switchyard::rpc
