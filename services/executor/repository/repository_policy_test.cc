#include "services/executor/repository/repository_policy.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

RepositoryPolicy Policy(const std::vector<std::string>& repositories,
                        const std::vector<std::string>& credentials = {}) {
  absl::StatusOr<RepositoryPolicy> policy = RepositoryPolicy::Make(
      repositories, credentials, [](const std::string& reference) -> absl::StatusOr<std::string> {
        if (reference == "env:LINES") return std::string("a\nb");
        return "secret of " + reference;
      });
  EXPECT_THAT(policy, switchyard::testing::IsOk());
  return policy.ok() ? *policy : RepositoryPolicy();
}

std::string Written(std::string_view text) {
  const absl::StatusOr<RepositoryUrl> url = ParseRepositoryUrl(text);
  return url.ok() ? url->ToString() : ReasonOf(url.status());
}

TEST(RepositoryUrlTest, IsWrittenInOneWay) {
  EXPECT_EQ(Written("HTTPS://GitHub.com:443/acme/app.git/"), "https://github.com/acme/app.git");
  EXPECT_EQ(Written("git@github.com:acme/app.git"), "ssh://git@github.com/acme/app.git");
  EXPECT_EQ(Written("ssh://git@host:2222/acme/app"), "ssh://git@host:2222/acme/app");
  EXPECT_EQ(Written("ssh://git@host:22/~me/app"), "ssh://git@host/~me/app");
  EXPECT_EQ(Written("/srv/git/app.git"), "file:///srv/git/app.git");
  EXPECT_EQ(Written("file:///srv/git/app.git"), "file:///srv/git/app.git");
  EXPECT_EQ(Written("https://[::1]:8443/a"), "https://[::1]:8443/a");
}

TEST(RepositoryUrlTest, RefusesWhatCouldMeanSomethingElse) {
  for (const char* bad : {"",
                          "-u/bin/sh",
                          "--upload-pack=touch /tmp/x",
                          "ext::sh -c x",
                          "ext::sh",
                          "fd::17",
                          "git://host/a",
                          "ftp://host/a",
                          "https://host/a/../b",
                          "https://host/./a",
                          "https://host//a",
                          "https://host/a//b",
                          "https://host/%2e%2e/a",
                          "https://user:password@host/a",
                          "https://token@host/a",
                          "https://host/a?b",
                          "https://host/a#b",
                          "https://-host/a",
                          "ssh://-oProxyCommand=x/a",
                          "ssh://-oProxyCommand=x@host/a",
                          "git@-oProxyCommand:a",
                          "https://host:0/a",
                          "https://host:99999/a",
                          "https://host:x/a",
                          "https:///a",
                          "https://host/a b",
                          "https://host/a\nb",
                          "https://ho\\st/a",
                          "file://host/a",
                          "https://host/$(x)",
                          "https://host/a;b",
                          "../a",
                          "a",
                          "https://host/\xc3\xa4",
                          "::/a",
                          "a@b::c"}) {
    EXPECT_EQ(Written(bad), "INVALID_URL") << bad;
  }
}

TEST(RepositoryPolicyTest, IsClosedByDefault) {
  EXPECT_THAT(RepositoryPolicy().Find("https://github.com/acme/app"), IsError("REPOSITORY_NOT_ALLOWED"));
  EXPECT_THAT(Policy({}).Find("app"), IsError("REPOSITORY_NOT_ALLOWED"));
}

TEST(RepositoryPolicyTest, TakesWhatAPrefixCoversSegmentBySegment) {
  const RepositoryPolicy policy = Policy({"https://github.com/acme/"});
  EXPECT_THAT(policy.Find("https://github.com/acme/app.git"), switchyard::testing::IsOk());
  EXPECT_THAT(policy.Find("HTTPS://GITHUB.COM/acme/app"), switchyard::testing::IsOk());
  for (const char* bad :
       {"https://github.com/acme-evil/app", "https://github.com/other/app", "http://github.com/acme/app",
        "https://github.com.evil/acme/app", "https://github.com:444/acme/app", "ssh://github.com/acme/app",
        "git@github.com:acme/app", "/acme/app", "https://github.com/"}) {
    EXPECT_THAT(policy.Find(bad), IsError("REPOSITORY_NOT_ALLOWED")) << bad;
  }
  EXPECT_THAT(policy.Find("https://github.com/acme/../other/app"), IsError("INVALID_URL"));
}

TEST(RepositoryPolicyTest, KnowsNames) {
  const RepositoryPolicy policy = Policy({"docs=git@github.com:acme/docs.git"});
  SY_ASSERT_OK_AND_ASSIGN(const RepositoryUrl url, policy.Find("docs"));
  EXPECT_EQ(url.ToString(), "ssh://git@github.com/acme/docs.git");
  EXPECT_THAT(policy.Find("ssh://git@github.com/acme/docs"), switchyard::testing::IsOk());
  EXPECT_THAT(policy.Find("other"), IsError("REPOSITORY_NOT_ALLOWED"));
  EXPECT_FALSE(policy.MayUseFiles());
  EXPECT_TRUE(Policy({"here=/srv/a"}).MayUseFiles());
}

TEST(RepositoryPolicyTest, OneRepositoryHasOneKey) {
  SY_ASSERT_OK_AND_ASSIGN(const RepositoryUrl one, ParseRepositoryUrl("https://host/a.git"));
  SY_ASSERT_OK_AND_ASSIGN(const RepositoryUrl other, ParseRepositoryUrl("https://HOST:443/a/"));
  EXPECT_EQ(one.Key(), other.Key());
}

TEST(RepositoryPolicyTest, SendsASecretOnlyWhereItsLineSays) {
  const RepositoryPolicy policy =
      Policy({"https://github.com/"}, {"env:ALL https://github.com/acme/", "env:APP https://github.com/acme/app",
                                       "file:/etc/keys/deploy ssh://git@github.com/acme/"});
  const auto secret = [&policy](std::string_view text) {
    const absl::StatusOr<RepositoryUrl> url = ParseRepositoryUrl(text);
    const absl::StatusOr<RepositoryPolicy::Credential> found = policy.CredentialFor(*url);
    return found.ok() ? found->secret + found->key_file : ReasonOf(found.status());
  };
  EXPECT_EQ(secret("https://github.com/acme/other"), "secret of env:ALL");
  EXPECT_EQ(secret("https://github.com/acme/app.git"), "secret of env:APP");
  EXPECT_EQ(secret("https://github.com/acme-evil/app"), "");
  EXPECT_EQ(secret("http://github.com/acme/app"), "");
  EXPECT_EQ(secret("git@github.com:acme/app"), "/etc/keys/deploy");
  EXPECT_THAT(policy.Files(), ElementsAre("/etc/keys/deploy"));
}

TEST(RepositoryPolicyTest, RefusesASecretOfManyLines) {
  const RepositoryPolicy policy = Policy({"https://host/"}, {"env:LINES https://host/"});
  SY_ASSERT_OK_AND_ASSIGN(const RepositoryUrl url, policy.Find("https://host/a"));
  EXPECT_THAT(policy.CredentialFor(url), IsError("SECRET_UNREADABLE"));
}

TEST(RepositoryPolicyTest, NamesAllFaultsAndRepeatsNoSecret) {
  const absl::Status status =
      RepositoryPolicy::Make(
          {"https://a/../b", "na me=https://a/b", "x=https://host"},
          {"ghp_abcdefghijklmnop https://host/", "env:A http://host/", "env:A /srv/a", "env:K ssh://h/"}, nullptr)
          .status();
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  EXPECT_EQ(DetailsOf(status).violations.size(), 7u);
  for (const FieldViolation& fault : DetailsOf(status).violations) {
    EXPECT_THAT(fault.description, Not(HasSubstr("ghp_")));
  }
}

}  // namespace
}  // namespace switchyard::executor::repository
