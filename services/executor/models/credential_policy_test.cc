#include "services/executor/models/credential_policy.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::models {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CredentialPolicyTest : public ::testing::Test {
 protected:
  CredentialPolicy Make(std::vector<std::string> lines, bool insecure = false) {
    absl::StatusOr<CredentialPolicy> policy =
        CredentialPolicy::Make(lines, insecure, [this](const std::string& reference) -> absl::StatusOr<std::string> {
          read_.push_back(reference);
          if (reference == "env:GONE") return absl::FailedPreconditionError("env:GONE is not set");
          return "secret of " + reference;
        });
    SY_EXPECT_OK(policy);
    return policy.value_or(CredentialPolicy());
  }
  std::vector<std::string> read_;
};

TEST_F(CredentialPolicyTest, NothingIsReadThatIsNotListed) {
  const CredentialPolicy none;
  EXPECT_THAT(none.SecretFor("env:HOME", "https://h"), IsError("CREDENTIAL_NOT_ALLOWED"));
  const CredentialPolicy policy = Make({"env:KEY https://api.example.org"});
  EXPECT_THAT(policy.SecretFor("file:/etc/shadow", "https://api.example.org"), IsError("CREDENTIAL_NOT_ALLOWED"));
  EXPECT_THAT(policy.SecretFor("env:KEY2", "https://api.example.org"), IsError("CREDENTIAL_NOT_ALLOWED"));
  EXPECT_THAT(policy.SecretFor("a literal", "https://api.example.org"), IsError("CREDENTIAL_NOT_ALLOWED"));
  EXPECT_THAT(read_, ElementsAre());
  SY_ASSERT_OK_AND_ASSIGN(const std::string secret, policy.SecretFor("", "https://anywhere"));
  EXPECT_EQ(secret, "") << "no credential is asked for";
}

TEST_F(CredentialPolicyTest, ASecretGoesNowhereButBelowItsUrl) {
  const CredentialPolicy policy = Make({"env:KEY https://api.example.org/team-a"});
  for (const char* url : {"https://api.example.org/team-a", "https://api.example.org/team-a/",
                          "https://API.example.org:443/team-a/v1", "https://api.example.org./team-a"}) {
    SY_ASSERT_OK_AND_ASSIGN(const std::string secret, policy.SecretFor("env:KEY", url));
    EXPECT_EQ(secret, "secret of env:KEY") << url;
  }
  read_.clear();
  for (const char* url : {"https://api.example.org", "https://api.example.org/team-ab", "http://api.example.org/team-a",
                          "https://api.example.org:8443/team-a", "https://evil.org/team-a",
                          "https://api.example.org.evil.org/team-a", "https://xapi.example.org/team-a"}) {
    EXPECT_THAT(policy.SecretFor("env:KEY", url), IsError("CREDENTIAL_NOT_ALLOWED")) << url;
  }
  for (const char* url : {"https://api.example.org/team-a/../b", "https://api.example.org@evil.org/team-a",
                          "https://api.example.org\\@evil.org/team-a", "https://api.example.org/team-a%2f..",
                          "https://api.example.org/team-a?x", "https://api.example.org/team-a#x", "//api.example.org",
                          "ftp://api.example.org", "https://evil.org/https://api.example.org/team-a", "https://",
                          "https://h:99999", "https://h:1x", "https://[::1", ""}) {
    EXPECT_THAT(policy.SecretFor("env:KEY", url), IsError("INVALID_URL")) << url;
  }
  EXPECT_THAT(read_, ElementsAre()) << "not even read";
}

TEST_F(CredentialPolicyTest, OnlyThisHostGetsOneWithoutEncryption) {
  const CredentialPolicy policy =
      Make({"env:KEY http://127.0.0.1:8000", "env:KEY http://localhost", "env:KEY http://[::1]"});
  SY_EXPECT_OK(policy.SecretFor("env:KEY", "http://127.0.0.1:8000"));
  SY_EXPECT_OK(policy.SecretFor("env:KEY", "http://localhost:80/v1"));
  SY_EXPECT_OK(policy.SecretFor("env:KEY", "http://[::1]"));
  const absl::StatusOr<CredentialPolicy> plain =
      CredentialPolicy::Make({"env:KEY http://10.0.0.1", "env:KEY http://127.0.0.1.evil.org"}, false, nullptr);
  EXPECT_THAT(plain, IsError("INVALID_FIELD"));
  EXPECT_EQ(DetailsOf(plain.status()).violations.size(), 2u);
  SY_EXPECT_OK(Make({"env:KEY http://10.0.0.1"}, true).SecretFor("env:KEY", "http://10.0.0.1"));
}

TEST_F(CredentialPolicyTest, ALineThatIsASecretByMistakeIsNotRepeated) {
  for (const char* line : {"sk-abcdefghijklmnop https://h", "env: https://h", "env:KEY", "https://h", "", " ",
                           "file: https://h", "env:KEY ftp://h"}) {
    const absl::StatusOr<CredentialPolicy> policy = CredentialPolicy::Make({line}, false, nullptr);
    EXPECT_THAT(policy, IsError("INVALID_FIELD")) << line;
    for (const FieldViolation& violation : DetailsOf(policy.status()).violations) {
      EXPECT_EQ(violation.field, "backends.models.credentials[0]");
      EXPECT_THAT(violation.description, Not(HasSubstr("sk-")));
    }
  }
}

TEST_F(CredentialPolicyTest, TellsWhichCanBeReadAndWhichFilesThereAre) {
  const CredentialPolicy policy =
      Make({"env:KEY https://a", "env:KEY https://b", "env:GONE https://a", "file:/run/a key https://a"});
  const std::vector<CredentialPolicy::Entry> entries = policy.Probe();
  ASSERT_EQ(entries.size(), 3u);
  SY_EXPECT_OK(entries[0].status);
  EXPECT_EQ(entries[1].reference, "env:GONE");
  EXPECT_FALSE(entries[1].status.ok());
  EXPECT_THAT(policy.Files(), ElementsAre("/run/a key"));
}

TEST(EndpointUrlTest, LinkLocalAddressesAreRefused) {
  for (const char* url : {"http://169.254.169.254/latest", "https://[fe80::1]:8080", "http://[::ffff:169.254.1.1]"}) {
    EXPECT_THAT(CheckEndpointUrl(url), IsError("ADDRESS_REFUSED")) << url;
  }
  SY_EXPECT_OK(CheckEndpointUrl("http://10.1.2.3:11434"));
  SY_EXPECT_OK(CheckEndpointUrl("https://gpu_host.local/v1"));
}

TEST(EndpointUrlTest, KnowsItsParts) {
  SY_ASSERT_OK_AND_ASSIGN(const EndpointUrl url, ParseEndpointUrl("HTTPS://Host.Example:8443/a/b//"));
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "host.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a/b");
  SY_ASSERT_OK_AND_ASSIGN(const EndpointUrl plain, ParseEndpointUrl("http://h"));
  EXPECT_EQ(plain.port, 80);
  EXPECT_EQ(plain.path, "");
  EXPECT_FALSE(IsLoopback(plain));
}

}  // namespace
}  // namespace switchyard::executor::models
