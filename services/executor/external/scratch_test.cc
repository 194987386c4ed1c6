#include "services/executor/external/scratch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::executor::external {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;

TEST(ScratchTest, WhatIsWrittenIsPrivateAndReadBack) {
  testing::TempDir folder;
  SY_ASSERT_OK(WriteScratch(folder.path(), {{"a", "text"}, {"b", std::string(300'000, 'x')}}, std::nullopt));
  struct stat info {};
  ASSERT_EQ(stat(folder.File("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(ReadScratch(folder.path(), "a"), IsOkAndHolds(std::string("text")));
  EXPECT_TRUE(IsInScratch(folder.path(), "b"));
  EXPECT_FALSE(IsInScratch(folder.path(), "c"));
  EXPECT_THAT(ReadScratch(folder.path(), "c"), IsError("RESULT_MISSING"));
  EXPECT_THAT(WriteScratch(folder.path(), {{"a", "again"}}, std::nullopt), IsError("WORKSPACE_FAILED"));
}

TEST(ScratchTest, NothingButAPlainFileIsRead) {
  testing::TempDir folder;
  folder.Write("secret", "not to be read");
  testing::TempDir scratch;
  ASSERT_EQ(symlink(folder.File("secret").c_str(), scratch.File("link").c_str()), 0);
  ASSERT_EQ(symlink("/dev/zero", scratch.File("zero").c_str()), 0);
  ASSERT_EQ(mkfifo(scratch.File("fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkdir(scratch.File("folder").c_str(), 0700), 0);
  scratch.Write("long", std::string(kMostDeclared + 1, 'x'));
  for (const char* name : {"link", "zero", "fifo", "folder", "long"}) {
    EXPECT_THAT(ReadScratch(scratch.path(), name), IsError("RESULT_UNSAFE")) << name;
  }
  EXPECT_TRUE(IsInScratch(scratch.path(), "link")) << "not followed, but there";
}

TEST(ScratchTest, AFolderThatIsALinkIsNoFolder) {
  testing::TempDir folder;
  testing::TempDir other;
  other.Write("a", "x");
  ASSERT_EQ(symlink(other.path().c_str(), folder.File("link").c_str()), 0);
  EXPECT_FALSE(IsInScratch(folder.File("link"), "a"));
  EXPECT_FALSE(ReadScratch(folder.File("link"), "a").ok());
}

}  // namespace
}  // namespace switchyard::executor::external
