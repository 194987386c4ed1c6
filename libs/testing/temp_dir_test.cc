#include "libs/testing/temp_dir.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace switchyard::testing {
namespace {

TEST(TempDirTest, RemovesEverythingAtItsEnd) {
  std::string path;
  {
    const TempDir dir;
    path = dir.path();
    std::ifstream stream(dir.Write("a/b/c.txt", "hello"));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), "hello");
    EXPECT_TRUE(std::filesystem::exists(dir.File("a/b")));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TempDirTest, LeavesRoomForSocketNames) {
  const TempDir dir;
  EXPECT_LE(dir.path().size(), 60u);
}

}  // namespace
}  // namespace switchyard::testing
