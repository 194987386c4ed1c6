#include "libs/app/options.h"

#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/config/load.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "switchyard/config/v1/task_queue.pb.h"

namespace switchyard::app {
namespace {

using ::switchyard::testing::IsError;

config::v1::TaskQueueConfig Load(std::vector<std::string> flags) {
  config::v1::TaskQueueConfig config;
  const absl::Status status = config::Load({.file = "", .environment = {}, .flags = std::move(flags)}, config);
  EXPECT_TRUE(status.ok()) << config::FaultsText(status);
  return config;
}

TEST(OptionsTest, CarriesTheServersSettings) {
  const rpc::ServerOptions options =
      ToServerOptions(Load({"--server.tls.cert_file=/c", "--server.tls.key_file=/k", "--server.tls.client_ca_file=/a",
                            "--server.tls.require_client_cert", "--server.drain_delay=3s",
                            "--server.max_message_bytes=1MiB", "--server.channelz"})
                          .server());
  EXPECT_EQ(options.listen, "127.0.0.1:7401");
  EXPECT_EQ(options.tls.cert_file, "/c");
  EXPECT_EQ(options.tls.key_file, "/k");
  EXPECT_EQ(options.tls.client_ca_file, "/a");
  EXPECT_TRUE(options.tls.require_client_cert);
  EXPECT_EQ(options.drain_delay, absl::Seconds(3));
  EXPECT_EQ(options.drain_deadline, absl::Seconds(20));
  EXPECT_EQ(options.max_message_bytes, 1u << 20);
  EXPECT_TRUE(options.channelz);
  EXPECT_FALSE(options.allow_insecure_bind);
}

TEST(OptionsTest, CarriesTheDatabasesSettings) {
  SY_ASSERT_OK_AND_ASSIGN(const pg::ConnectOptions options,
                          ToConnectOptions(Load({"--database.host=/run/pg", "--database.port=6000",
                                                 "--database.sslmode=verify_full", "--database.statement_timeout=3s"})
                                               .database(),
                                           "test"));
  EXPECT_EQ(options.host, "/run/pg");
  EXPECT_EQ(options.port, 6000);
  EXPECT_EQ(options.sslmode, "verify-full");
  EXPECT_EQ(options.statement_timeout, absl::Seconds(3));
  EXPECT_EQ(options.application_name, "test");
}

TEST(OptionsTest, LeavesAPasswordInItsFileButLooksAtItOnce) {
  const testing::TempDir dir;
  const std::string path = dir.Write("password", "hunter2\n");
  const auto config = Load({"--database.password=file:" + path}).database();
  chmod(path.c_str(), 0644);
  EXPECT_THAT(ToConnectOptions(config, "test"), IsError("SECRET_UNREADABLE"));
  chmod(path.c_str(), 0600);
  SY_ASSERT_OK_AND_ASSIGN(const pg::ConnectOptions options, ToConnectOptions(config, "test"));
  EXPECT_EQ(options.password, "");
  EXPECT_EQ(options.password_file, path);
}

TEST(OptionsTest, KnowsEverySslModeAsLibpqWritesIt) {
  for (const auto& [ours, libpq] : {std::pair("disable", "disable"), std::pair("prefer", "prefer"),
                                    std::pair("require", "require"), std::pair("verify_ca", "verify-ca")}) {
    const auto config = Load({std::string("--database.sslmode=") + ours}).database();
    EXPECT_EQ(ToConnectOptions(config, "test")->sslmode, libpq);
  }
}

}  // namespace
}  // namespace switchyard::app
