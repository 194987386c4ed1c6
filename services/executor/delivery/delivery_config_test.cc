#include "services/executor/delivery/delivery_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::delivery {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::SizeIs;

TEST(DeliveryConfigTest, ForgesAreReadAndFaultsNamed) {
  testing::FakeHttp http;
  testing::FakeClock clock;
  config::v1::WorkspaceConfig config;
  config.add_forges("https://api.github.com https://github.com/acme/ env:SWITCHYARD_TEST_NO_SUCH_TOKEN");
  absl::StatusOr<std::unique_ptr<forge::ForgeDirectory>> forges = MakeForges(config, http, clock);
  ASSERT_THAT(forges, IsOk());
  RepositoryWork work;
  EXPECT_THAT(CheckForge(**forges, work, "https://gitlab.test/a/b"), IsOk());
  work.push = work.pull_request = true;
  EXPECT_THAT(CheckForge(**forges, work, "https://gitlab.test/a/b"), IsError("FORGE_NOT_CONFIGURED"));
  EXPECT_THAT(CheckForge(**forges, work, "https://github.com/acme/b"), IsError("SECRET_UNREADABLE"));
  ASSERT_THAT(ProbeForges(**forges), SizeIs(1));
  EXPECT_FALSE(ProbeForges(**forges).front().ok);

  config.add_forges("nonsense");
  const absl::Status status = MakeForges(config, http, clock).status();
  ASSERT_THAT(DetailsOf(status).violations, SizeIs(1));
  EXPECT_EQ(DetailsOf(status).violations.front().field, "workspace.forges[1]");
}

}  // namespace
}  // namespace switchyard::executor::delivery
