#include "services/executor/repository/repository_config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using ::testing::ElementsAre;

TEST(RepositoryConfigTest, MakesNoWorktreesWithoutARepository) {
  config::v1::ExecutorConfig config;
  config.set_data_dir("/nonexistent");
  const switchyard::testing::FakeClock clock;
  SY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<GitWorktrees> made, MakeWorktrees(config, std::nullopt, clock));
  EXPECT_EQ(made, nullptr);
}

TEST(RepositoryConfigTest, TakesWhatIsConfigured) {
  config::v1::ExecutorConfig config;
  config.set_data_dir("/data");
  config::v1::WorkspaceConfig& workspace = *config.mutable_workspace();
  workspace.add_repositories("https://github.com/acme/");
  workspace.set_git("/opt/git");
  workspace.set_author("A <a@b>");
  workspace.set_max_bytes(5);
  workspace.mutable_keep()->set_seconds(0);
  workspace.mutable_fetch_timeout()->set_seconds(7);
  SY_ASSERT_OK_AND_ASSIGN(const GitWorktrees::Options options, WorktreeOptions(config, UserIds{.uid = 3, .gid = 4}));
  EXPECT_EQ(options.data_dir, "/data");
  EXPECT_EQ(options.git, "/opt/git");
  EXPECT_EQ(options.author, "A <a@b>");
  EXPECT_EQ(options.max_bytes, 5u);
  EXPECT_EQ(options.keep, absl::ZeroDuration());
  EXPECT_EQ(options.fetch_timeout, absl::Seconds(7));
  EXPECT_EQ(options.user->uid, 3u);
  EXPECT_THAT(options.policy.Find("https://github.com/acme/app"), switchyard::testing::IsOk());
}

TEST(RepositoryConfigTest, TellsFaults) {
  config::v1::ExecutorConfig config;
  config.mutable_workspace()->add_repositories("https://a/../b");
  EXPECT_THAT(WorktreeOptions(config, std::nullopt), IsError("INVALID_FIELD"));
}

TEST(RepositoryConfigTest, NamesTheFilesThatTasksMayNotSee) {
  config::v1::WorkspaceConfig config;
  config.add_credentials("file:/etc/a key https://host/");
  config.add_credentials("env:NAME file:///srv/");
  config.add_forges("https://api.github.com https://github.com/acme/ file:/etc/forge");
  config.add_forges("https://api.github.com https://github.com/acme/ env:TOKEN");
  EXPECT_THAT(SecretFiles(config), ElementsAre("/etc/a key", "/etc/forge"));
}

}  // namespace
}  // namespace switchyard::executor::repository
