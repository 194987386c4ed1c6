#include "services/executor/repository/change_lists.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::repository {
namespace {

using Kind = checks::ChangedPath::Kind;
using switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Zeros(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == '!') c = '\0';
  }
  return out;
}

TEST(ChangeListsTest, ReadsKindsAndCounts) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<RawChange> changes,
                          ParseChanges(Zeros(":100644 100644 a b M!z!:000000 100644 0 b A!b!:100644 000000 a 0 D!a!"
                                             "3\t1\tz!7\t0\tb!0\t2\ta!")));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].change.path, "a");
  EXPECT_EQ(changes[0].change.kind, Kind::kDeleted);
  EXPECT_EQ(changes[0].change.lines_removed, 2);
  EXPECT_EQ(changes[1].change.kind, Kind::kAdded);
  EXPECT_EQ(changes[1].change.lines_added, 7);
  EXPECT_EQ(changes[2].change.kind, Kind::kChanged);
}

TEST(ChangeListsTest, TakesNamesOfAnyBytes) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<RawChange> changes,
                          ParseChanges(Zeros(":000000 100644 0 b A!:100644\n\t x!1\t0\t:100644\n\t x!")));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].change.path, ":100644\n\t x");
  EXPECT_EQ(changes[0].change.lines_added, 1);
}

TEST(ChangeListsTest, TellsBinaryFilesAndRepositories) {
  SY_ASSERT_OK_AND_ASSIGN(
      const std::vector<RawChange> changes,
      ParseChanges(
          Zeros(":000000 100644 0 b A!a!:000000 160000 0 b A!b!:160000 160000 a b M!c!-\t-\ta!1\t0\tb!1\t1\tc!")));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_TRUE(changes[0].change.binary);
  EXPECT_FALSE(changes[0].repository);
  EXPECT_TRUE(changes[1].repository);
  EXPECT_TRUE(changes[2].repository);
}

TEST(ChangeListsTest, RefusesWhatGitWouldNotSay) {
  for (const char* bad : {":100644 100644 a b M!", ":1 2!x!", "x!", "1\t2!", "a\tb\tc!", ":0 1 a b A!f!1\t1\tother!"}) {
    EXPECT_THAT(ParseChanges(Zeros(bad)), IsError("GIT_FAILED")) << bad;
  }
}

TEST(ChangeListsTest, ReadsNames) {
  EXPECT_THAT(ParseNames(Zeros("a!b\n!")), ElementsAre("a", "b\n"));
  EXPECT_THAT(ParseNames(""), IsEmpty());
}

}  // namespace
}  // namespace switchyard::executor::repository
