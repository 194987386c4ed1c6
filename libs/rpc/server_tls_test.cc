#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/healthcheck.h"
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
using ::testing::HasSubstr;

class ServerTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_ = new TempDir;
    Authority("ca");
    Authority("stranger-ca");
    Certificate("server", "ca");
    Certificate("client", "ca");
    Certificate("stranger", "stranger-ca");
  }
  static void TearDownTestSuite() { delete files_; }

  static void Run(const std::string& arguments) {
    const std::string command = absl::StrCat("openssl ", arguments, " > /dev/null 2>&1");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static std::string File(const std::string& name) { return files_->File(name); }
  static void Authority(const std::string& name) {
    Run(absl::StrCat("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=", name,
                     " -keyout ", File(name + ".key"), " -out ", File(name + ".pem")));
  }
  static void Certificate(const std::string& name, const std::string& authority) {
    const std::string extensions = files_->Write(name + ".ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    Run(absl::StrCat("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=", name, " -keyout ",
                     File(name + ".key"), " -out ", File(name + ".csr")));
    Run(absl::StrCat("x509 -req -days 2 -in ", File(name + ".csr"), " -CA ", File(authority + ".pem"), " -CAkey ",
                     File(authority + ".key"), " -CAcreateserial -extfile ", extensions, " -out ",
                     File(name + ".pem")));
  }

  absl::Status Start(const ServerTls& tls, std::string listen = "127.0.0.1:0") {
    ServerOptions options = RpcTestServer::Options();
    options.listen = std::move(listen);
    options.tls = tls;
    server_.emplace(options);
    echo_.emplace(server_->gate());
    server_->Register(*echo_, EchoService::service_full_name());
    return server_->server().Start();
  }
  void TearDown() override {
    if (server_.has_value()) server_->Stop();
    echo_.reset();
    server_.reset();
  }
  absl::Status Echo(const ChannelTls& tls, std::string_view token = "read-token") {
    ChannelOptions options;
    options.target = absl::StrCat("127.0.0.1:", server_->server().port());
    options.tls = tls;
    const auto channel = MakeChannel(options);
    if (!channel.ok()) return channel.status();
    const auto stub = EchoService::NewStub(*channel);
    return CallUnary(server_->caller(token), static_cast<EchoService::StubInterface&>(*stub),
                     &EchoService::StubInterface::Echo, {}, CallOptions())
        .status();
  }
  static ServerTls Tls() {
    return {.cert_file = File("server.pem"), .key_file = File("server.key"), .client_ca_file = ""};
  }
  static ServerTls MutualTls() {
    return {.cert_file = File("server.pem"),
            .key_file = File("server.key"),
            .client_ca_file = File("ca.pem"),
            .require_client_cert = true};
  }

  static TempDir* files_;
  std::optional<RpcTestServer> server_;
  std::optional<EchoRpc> echo_;
};

TempDir* ServerTlsTest::files_ = nullptr;

TEST_F(ServerTlsTest, ServesClientsThatKnowItsAuthority) {
  ASSERT_THAT(Start(Tls()), IsOk());
  EXPECT_THAT(Echo({.ca_file = File("ca.pem")}), IsOk());
  EXPECT_THAT(Echo({.ca_file = File("ca.pem")}, ""), IsError("TOKEN_MISSING"));
  EXPECT_EQ(Echo({.ca_file = File("stranger-ca.pem")}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Echo({}).code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServerTlsTest, MayBindOutsideWithTls) {
  ASSERT_THAT(Start(Tls(), "0.0.0.0:0"), IsOk());
  EXPECT_EQ(RunHealthcheck(server_->server().address(), Server::kReadyService, {.ca_file = File("ca.pem")}), 0);
}

TEST_F(ServerTlsTest, MutualTlsTurnsAwayClientsWithoutACertificateOfItsAuthority) {
  ASSERT_THAT(Start(MutualTls()), IsOk());
  const std::string ca = File("ca.pem");
  EXPECT_THAT(Echo({.ca_file = ca, .cert_file = File("client.pem"), .key_file = File("client.key")}), IsOk());
  EXPECT_THAT(Echo({.ca_file = ca, .cert_file = File("client.pem"), .key_file = File("client.key")}, ""),
              IsError("TOKEN_MISSING"));
  EXPECT_EQ(Echo({.ca_file = ca}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Echo({.ca_file = ca, .cert_file = File("stranger.pem"), .key_file = File("stranger.key")}).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ServerTlsTest, NamesTheFileThatCannotBeUsed) {
  ServerTls tls = Tls();
  tls.cert_file = "/nonexistent/cert.pem";
  const absl::Status missing = Start(tls);
  EXPECT_THAT(missing, IsError("TLS_FILES"));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nonexistent/cert.pem"));
  TearDown();

  tls = Tls();
  tls.key_file = File("client.key");
  const absl::Status mismatch = Start(tls);
  EXPECT_THAT(mismatch, IsError("TLS_FILES"));
  EXPECT_THAT(std::string(mismatch.message()), HasSubstr("not the key of"));
  TearDown();

  tls = Tls();
  tls.require_client_cert = true;
  EXPECT_THAT(Start(tls), IsError("TLS_FILES"));
  TearDown();

  EXPECT_THAT(Start({.require_client_cert = true}), IsError("TLS_FILES"));
}

}  // namespace
}  // namespace switchyard::rpc
