#include "libs/files/new_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::files {
namespace {

using switchyard::testing::IsError;

class NewFileTest : public ::testing::Test {
 protected:
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  int Entries() const {
    return static_cast<int>(
        std::distance(std::filesystem::directory_iterator(dir_.path()), std::filesystem::directory_iterator()));
  }

  switchyard::testing::TempDir dir_;
  const std::string path_ = dir_.File("token");
};

TEST_F(NewFileTest, AppearsWholeWithItsMode) {
  SY_ASSERT_OK(WriteNewFile(path_, 0600, "content\n"));
  EXPECT_EQ(Read(path_), "content\n");
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(Entries(), 1);
}

TEST_F(NewFileTest, LeavesNothingBehindWhenNotPublished) {
  {
    NewFile file(path_, 0600);
    SY_ASSERT_OK(file.status());
    EXPECT_EQ(Entries(), 1);
  }
  EXPECT_EQ(Entries(), 0);
}

TEST_F(NewFileTest, RefusesATakenName) {
  dir_.Write("token", "before");
  EXPECT_THAT(WriteNewFile(path_, 0600, "after"), IsError("FILE_EXISTS"));
  EXPECT_EQ(Read(path_), "before");
}

TEST_F(NewFileTest, RefusesADanglingLink) {
  std::filesystem::create_symlink(dir_.File("elsewhere"), path_);
  EXPECT_THAT(WriteNewFile(path_, 0600, "after"), IsError("FILE_EXISTS"));
}

TEST_F(NewFileTest, RefusesANameTakenMeanwhile) {
  NewFile file(path_, 0600);
  dir_.Write("token", "before");
  EXPECT_THAT(file.Publish("after"), IsError("FILE_EXISTS"));
  EXPECT_EQ(Read(path_), "before");
  EXPECT_EQ(Entries(), 2);
}

TEST_F(NewFileTest, SaysWhyItCannotBeWritten) {
  EXPECT_THAT(WriteNewFile(dir_.File("none/token"), 0600, "x"), IsError("FILE_UNWRITABLE"));
}

}  // namespace
}  // namespace switchyard::files
