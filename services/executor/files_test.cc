#include "services/executor/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/status_file.h"

namespace switchyard::executor {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;

std::string Encoded(const agent::v1::EnrollmentBundle& bundle) {
  std::string text = absl::WebSafeBase64Escape(bundle.SerializeAsString());
  return "sye1_" + text;
}

agent::v1::EnrollmentBundle Bundle() {
  agent::v1::EnrollmentBundle bundle;
  bundle.add_addresses("hub.example:7400");
  bundle.add_addresses("hub2.example:7400");
  bundle.set_token("one-time");
  bundle.set_ca_pem("-----BEGIN CERTIFICATE-----\n");
  bundle.set_name("build-1");
  bundle.set_server_name("hub.internal");
  return bundle;
}

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() { config_.set_data_dir(dir_.File("data")); }

  testing::TempDir dir_;
  config::v1::ExecutorConfig config_;
};

TEST_F(FilesTest, AnEnrolmentIsReadWithBlanksAroundIt) {
  SY_ASSERT_OK_AND_ASSIGN(const agent::v1::EnrollmentBundle bundle, ParseEnrollment(" " + Encoded(Bundle()) + "\n"));
  EXPECT_EQ(bundle.token(), "one-time");
  for (const char* wrong : {"", "sye1_", "sye1_!!", "sye2_abcd", "sye1_aGVsbG8", "hello"}) {
    EXPECT_THAT(ParseEnrollment(wrong), IsError("ENROLLMENT_UNREADABLE")) << wrong;
  }
}

TEST_F(FilesTest, AnEnrolmentThatWouldSendItsTokenInTheClearIsRefused) {
  agent::v1::EnrollmentBundle bundle = Bundle();
  bundle.set_insecure(true);
  EXPECT_THAT(ParseEnrollment(Encoded(bundle)), IsError("ENROLLMENT_UNREADABLE"));
  bundle.clear_addresses();
  bundle.add_addresses("127.0.0.1:7400");
  EXPECT_THAT(ParseEnrollment(Encoded(bundle)), IsOk());
}

TEST_F(FilesTest, WithoutEnrolmentAndConfigurationNobodyKnowsTheHub) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  EXPECT_THAT(FindHub(config_), IsError("NOT_ENROLLED"));
}

TEST_F(FilesTest, TheEnrolmentSaysWhereTheHubIs) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  SY_ASSERT_OK(SaveEnrollment(config_.data_dir(), Bundle()));
  SY_ASSERT_OK_AND_ASSIGN(const HubAccess hub, FindHub(config_));
  EXPECT_THAT(hub.addresses, ElementsAre("hub.example:7400", "hub2.example:7400"));
  EXPECT_EQ(hub.tls.ca_file, config_.data_dir() + "/ca.pem");
  EXPECT_EQ(hub.tls.server_name, "hub.internal");
  EXPECT_EQ(hub.token_file, config_.data_dir() + "/token");
  EXPECT_EQ(hub.name, "build-1");
  SY_ASSERT_OK_AND_ASSIGN(const std::string kept, ReadSmallFile(config_.data_dir() + "/hub.json"));
  EXPECT_THAT(kept, ::testing::Not(::testing::HasSubstr("one-time")));
}

TEST_F(FilesTest, AnEnrolmentThatIsNotKeptYetLeavesTheOneThatWorks) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  SY_ASSERT_OK(SaveEnrollment(config_.data_dir(), Bundle()));
  agent::v1::EnrollmentBundle other = Bundle();
  other.clear_addresses();
  other.add_addresses("other.example:7400");
  SY_ASSERT_OK_AND_ASSIGN(const HubAccess next, FindHub(config_, other, "/tmp/next.pem"));
  EXPECT_THAT(next.addresses, ElementsAre("other.example:7400"));
  EXPECT_EQ(next.tls.ca_file, "/tmp/next.pem");
  SY_ASSERT_OK_AND_ASSIGN(const HubAccess hub, FindHub(config_));
  EXPECT_THAT(hub.addresses, ElementsAre("hub.example:7400", "hub2.example:7400"));
}

TEST_F(FilesTest, AnEnrolmentIsHiddenAmongTheArguments) {
  std::string program = "sye1_program", word = "enroll", text = Encoded(Bundle()), flag = "--data_dir=/x";
  char* arguments[] = {program.data(), word.data(), text.data(), flag.data()};
  HideEnrollment(4, arguments);
  EXPECT_EQ(text.find_first_not_of('x'), std::string::npos);
  EXPECT_EQ(word, "enroll");
  EXPECT_EQ(flag, "--data_dir=/x");
}

TEST_F(FilesTest, APublicAuthorityIsTheSystems) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  agent::v1::EnrollmentBundle bundle = Bundle();
  bundle.clear_ca_pem();
  SY_ASSERT_OK(SaveEnrollment(config_.data_dir(), bundle));
  SY_ASSERT_OK_AND_ASSIGN(const HubAccess hub, FindHub(config_));
  EXPECT_EQ(hub.tls.ca_file, "/etc/ssl/certs/ca-certificates.crt");
}

TEST_F(FilesTest, TheConfigurationBeatsTheEnrolment) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  SY_ASSERT_OK(SaveEnrollment(config_.data_dir(), Bundle()));
  config_.mutable_hub()->add_addresses("elsewhere:1");
  config_.mutable_hub()->set_ca_file("/etc/other.pem");
  SY_ASSERT_OK_AND_ASSIGN(const HubAccess hub, FindHub(config_));
  EXPECT_THAT(hub.addresses, ElementsAre("elsewhere:1"));
  EXPECT_EQ(hub.tls.ca_file, "/etc/other.pem");
  EXPECT_EQ(hub.tls.server_name, "");
}

TEST_F(FilesTest, FilesAreReplacedWholeAndForTheirOwnerOnly) {
  const std::string path = dir_.File("token");
  SY_ASSERT_OK(ReplaceFile(path, "first\n"));
  SY_ASSERT_OK(ReplaceFile(path, "second\n"));
  EXPECT_THAT(ReadSmallFile(path), IsOkAndHolds("second\n"));
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_NE(access((path + ".new").c_str(), F_OK), 0);
}

TEST_F(FilesTest, AFolderThatOthersMayWriteIsRefused) {
  ASSERT_EQ(mkdir(config_.data_dir().c_str(), 0700), 0);
  ASSERT_EQ(chmod(config_.data_dir().c_str(), 0777), 0);
  EXPECT_THAT(PrepareDataDir(config_.data_dir()), IsError("DATA_DIR"));
}

TEST_F(FilesTest, OneProcessAtATimeUsesAFolder) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  EXPECT_FALSE(IsLocked(config_.data_dir()));
  {
    SY_ASSERT_OK_AND_ASSIGN(const UniqueFd lock, LockDataDir(config_.data_dir()));
    EXPECT_TRUE(IsLocked(config_.data_dir()));
    EXPECT_THAT(LockDataDir(config_.data_dir()), IsError("ALREADY_RUNNING"));
  }
  EXPECT_FALSE(IsLocked(config_.data_dir()));
}

TEST_F(FilesTest, AFolderIsWaitedForWhileItsLastUserGoes) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  SY_ASSERT_OK_AND_ASSIGN(UniqueFd former, LockDataDir(config_.data_dir()));
  absl::Status locked = absl::UnknownError("not tried");
  std::thread next([&] { locked = LockDataDir(config_.data_dir()).status(); });
  former.Reset();
  next.join();
  EXPECT_THAT(locked, IsOk());
}

TEST_F(FilesTest, HealthIsThatOfTheProcessWithTheLock) {
  SY_ASSERT_OK(PrepareDataDir(config_.data_dir()));
  StatusFile(config_.data_dir()).Write({.connected = true});
  EXPECT_THAT(CheckRunning(config_.data_dir(), false), IsError("NOT_RUNNING"));
  SY_ASSERT_OK_AND_ASSIGN(const UniqueFd lock, LockDataDir(config_.data_dir()));
  EXPECT_THAT(CheckRunning(config_.data_dir(), true), IsOk());
  StatusFile(config_.data_dir()).Write({.connected = false, .last_error = "refused"});
  EXPECT_THAT(CheckRunning(config_.data_dir(), false), IsOk());
  EXPECT_THAT(CheckRunning(config_.data_dir(), true), IsError("NOT_CONNECTED"));
  StatusFile(config_.data_dir()).Write({.connected = true, .refusing = "disk full"});
  EXPECT_THAT(CheckRunning(config_.data_dir(), true), IsError("REFUSING"));
}

}  // namespace
}  // namespace switchyard::executor
