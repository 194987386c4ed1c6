#include "libs/config/print.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/config/programs.h"
#include "libs/testing/temp_dir.h"
#include "switchyard/config/v1/switchyard.pb.h"
#include "switchyard/config/v1/task_queue.pb.h"

namespace switchyard::config {
namespace {

using ::testing::HasSubstr;

TEST(PrintConfigTest, PrintsWhatLoadsBackAsTheSame) {
  v1::AllInOneConfig config;
  Origins origins;
  const Sources sources{.file = "",
                        .environment = {{"SWITCHYARD_DATABASE_NAME", "a \"quoted\" \\ # name: x"}},
                        .flags = {"--services=identity", "--task_queue.retry.backoff=1s,1h30m",
                                  "--server.max_message_bytes=1000001", "--database.password=file:/x y"}};
  ASSERT_TRUE(Load(sources, config, &origins).ok());
  const std::string printed = PrintConfig(config, origins);

  const switchyard::testing::TempDir dir;
  const std::string path = dir.path() + "/printed.yaml";
  std::ofstream(path) << printed;
  v1::AllInOneConfig again;
  const absl::Status status = Load({.file = path, .environment = {}, .flags = {}}, again);
  ASSERT_TRUE(status.ok()) << FaultsText(status) << printed;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(config, again)) << printed;
}

TEST(PrintConfigTest, SaysWhereEachValueCameFrom) {
  v1::TaskQueueConfig config;
  Origins origins;
  ASSERT_TRUE(
      Load({.file = "", .environment = {{"SWITCHYARD_DATABASE_PORT", "6000"}}, .flags = {"--listen=127.0.0.1:9"}},
           config, &origins)
          .ok());
  const std::string printed = PrintConfig(config, origins);
  EXPECT_THAT(printed, HasSubstr("  listen: \"127.0.0.1:9\"  # flag --listen\n"));
  EXPECT_THAT(printed, HasSubstr("  port: 6000  # environment SWITCHYARD_DATABASE_PORT\n"));
  EXPECT_THAT(printed, HasSubstr("    finished: 30d  # default\n"));
}

TEST(HelpTextTest, ShowsEveryOptionWithItsTypeDefaultAndBounds) {
  const std::string help = HelpText(*v1::TaskQueueConfig::descriptor());
  EXPECT_THAT(help, HasSubstr("--server.listen=127.0.0.1:7401  (also --listen)  [address]"));
  EXPECT_THAT(help, HasSubstr("--task_queue.batch.max=512  [integer, 1 to 4096]"));
  EXPECT_THAT(help, HasSubstr("--server.log_level=info  (also --log-level)  [debug | info | warning | error]"));
}

TEST(ConfigReferenceTest, CommittedPageIsWhatTheContractsSay) {
  std::ifstream file("docs/reference/configuration.md");
  std::ostringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), ReferencePageOfAllPrograms())
      << "docs/reference/configuration.md is out of date; run from the root:\n"
         "  build/release/bin/switchyard-config-reference docs/reference/configuration.md";
}

}  // namespace
}  // namespace switchyard::config
