#include "libs/config/secret.h"

#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::config {
namespace {

using ::testing::HasSubstr;

class SecretTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text, mode_t mode) {
    const std::string path = dir_.path() + "/secret";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return "file:" + path;
  }

  switchyard::testing::TempDir dir_;
};

TEST_F(SecretTest, ReadsAVariable) {
  EXPECT_EQ(*ResolveSecret("env:DB_PASSWORD", {{"DB_PASSWORD", "open sesame"}}), "open sesame");
  EXPECT_EQ(ReasonOf(ResolveSecret("env:OTHER", {{"DB_PASSWORD", "x"}}).status()), "SECRET_UNREADABLE");
  EXPECT_EQ(ReasonOf(ResolveSecret("env:EMPTY", {{"EMPTY", ""}}).status()), "SECRET_UNREADABLE");
}

TEST_F(SecretTest, ReadsAPrivateFileWithoutItsLastNewline) {
  EXPECT_EQ(*ResolveSecret(Write("open sesame\n", 0600)), "open sesame");
}

TEST_F(SecretTest, RefusesAFileThatOthersMayReadAndSaysWhatToDo) {
  for (const mode_t mode : {0640, 0604, 0644}) {
    const absl::Status status = ResolveSecret(Write("open sesame", mode)).status();
    EXPECT_EQ(ReasonOf(status), "SECRET_UNREADABLE");
    EXPECT_THAT(std::string(status.message()), HasSubstr("chmod 600"));
  }
}

TEST_F(SecretTest, RefusesAnEmptyAnAbsentAndAnOverlongFile) {
  EXPECT_FALSE(ResolveSecret(Write("\n", 0600)).ok());
  EXPECT_FALSE(ResolveSecret("file:" + dir_.path() + "/none").ok());
  EXPECT_FALSE(ResolveSecret("file:" + dir_.path()).ok());
  EXPECT_FALSE(ResolveSecret(Write(std::string(65 * 1024, 'x'), 0600)).ok());
}

TEST_F(SecretTest, NeverRepeatsALiteral) {
  const absl::Status status = ResolveSecret("hunter2").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), ::testing::Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace switchyard::config
