#include "libs/forge/forge_directory.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::forge {
namespace {

using ::switchyard::testing::Fails;
using ::switchyard::testing::FakeHttp;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ForgeDirectoryTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ForgeDirectory>> Make(const std::vector<std::string>& lines) {
    return ForgeDirectory::Make(
        lines, "workspace.forges",
        [](const std::string& reference) -> absl::StatusOr<std::string> {
          if (reference == "env:GONE") {
            return MakeError(absl::StatusCode::kFailedPrecondition, "SECRET_UNREADABLE", "env:GONE is not set");
          }
          return "token-of-" + reference;
        },
        http_, clock_);
  }

  // What is asked for the repository: "URL Authorization".
  std::string Asked(const ForgeDirectory& directory, std::string_view clone_url) {
    const absl::StatusOr<Place> place = directory.Find(clone_url);
    if (!place.ok()) return ReasonOf(place.status());
    place->forge->GetPullRequest(place->repository, 7, [](const absl::StatusOr<PullRequest>&) {});
    const http::HttpRequest request = http_.requests().back();
    http_.DeliverAll();
    return request.url + " " + *http::FindHeader(request.headers, "authorization");
  }

  testing::FakeClock clock_;
  FakeHttp http_;
};

TEST_F(ForgeDirectoryTest, TheLongestPrefixSaysWhichForgeAndToken) {
  absl::StatusOr<std::unique_ptr<ForgeDirectory>> made = Make(
      {"https://api.github.com https://github.com/ env:ALL", "https://api.github.com/ https://github.com/acme env:ACME",
       "https://git.test:3000/sub/api/v1 https://git.test:3000/sub/ file:/etc/a token",
       "http://127.0.0.1:8080/api/v3 file:///srv/git env:LOCAL"});
  ASSERT_THAT(made, IsOk());
  const ForgeDirectory& directory = **made;
  EXPECT_EQ(Asked(directory, "https://github.com/acme/widget.git"),
            "https://api.github.com/repos/acme/widget/pulls/7 Bearer token-of-env:ACME");
  EXPECT_EQ(Asked(directory, "git@github.com:other/widget.git"),
            "https://api.github.com/repos/other/widget/pulls/7 Bearer token-of-env:ALL");
  EXPECT_EQ(Asked(directory, "https://git.test:3000/sub/acme/widget"),
            "https://git.test:3000/sub/api/v1/repos/acme/widget/pulls/7 token token-of-file:/etc/a token");
  EXPECT_EQ(Asked(directory, "file:///srv/git/acme/widget.git"),
            "http://127.0.0.1:8080/api/v3/repos/acme/widget/pulls/7 Bearer token-of-env:LOCAL");
  EXPECT_EQ(Asked(directory, "https://gitlab.test/acme/widget"), "FORGE_NOT_CONFIGURED");
  EXPECT_EQ(Asked(directory, "https://user:pw@github.com/acme/widget"), "INVALID_REPOSITORY");
  EXPECT_EQ(Asked(directory, "https://github.com/acme"), "INVALID_REPOSITORY");
  EXPECT_THAT(directory.Files(), ElementsAre("/etc/a token"));
  EXPECT_THAT(directory.Probe(), SizeIs(4));
}

TEST_F(ForgeDirectoryTest, EveryFaultOfEveryLineIsSaidAndNoneIsRepeated) {
  const absl::Status status =
      Make({"https://api.github.com https://github.com/acme ghp_hunter2", "hunter2", "",
            "ftp://hunter2 https://github.com/acme env:T", "http://api.test/api/v3 https://api.test/ env:T",
            "https://169.254.169.254/api/v3 https://github.com/acme env:T",
            "https://api.github.com https://u:hunter2@github.com/acme env:T",
            "https://api.github.com https://github.com/a env:T", "https://api.github.com https://github.com/a/ env:U"})
          .status();
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  const std::vector<FieldViolation> faults = DetailsOf(status).violations;
  ASSERT_THAT(faults, SizeIs(8));
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(faults[i].field, "workspace.forges[" + std::to_string(i) + "]");
    EXPECT_THAT(faults[i].description, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(faults[0].description, HasSubstr("env:NAME"));
  EXPECT_THAT(faults[4].description, HasSubstr("without encryption"));
  EXPECT_THAT(faults[5].description, HasSubstr("link-local"));
  EXPECT_EQ(faults[7].field, "workspace.forges[8]");
}

TEST_F(ForgeDirectoryTest, AMissingTokenIsFoundBeforeTheWorkAndIsTheFailureOfACall) {
  absl::StatusOr<std::unique_ptr<ForgeDirectory>> made =
      Make({"https://api.github.com https://github.com/acme env:GONE"});
  ASSERT_THAT(made, IsOk());
  EXPECT_THAT((*made)->Check("https://github.com/acme/widget"), IsError("SECRET_UNREADABLE"));
  const absl::StatusOr<Place> place = (*made)->Find("https://github.com/acme/widget");
  absl::Status said;
  place->forge->GetPullRequest(place->repository, 7,
                               [&said](const absl::StatusOr<PullRequest>& pull) { said = pull.status(); });
  EXPECT_THAT(said, IsError("SECRET_UNREADABLE"));
  EXPECT_THAT(http_.requests(), SizeIs(0));
}

TEST_F(ForgeDirectoryTest, NoneIsConfiguredWithoutLines) {
  absl::StatusOr<std::unique_ptr<ForgeDirectory>> made = Make({});
  ASSERT_THAT(made, IsOk());
  EXPECT_TRUE((*made)->empty());
  EXPECT_THAT((*made)->Find("https://github.com/acme/widget"), IsError("FORGE_NOT_CONFIGURED"));
}

}  // namespace
}  // namespace switchyard::forge
