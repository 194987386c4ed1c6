#include "services/executor/repository/names.h"

#include <string>

#include "gtest/gtest.h"
#include "services/executor/repository/task_folder.h"

namespace switchyard::executor::repository {
namespace {

TEST(NamesTest, TakesTaskIdsThatAreSafeInPathsAndBranches) {
  EXPECT_TRUE(IsTaskId("0191d2a4-5f3e-7c11-9a00-1f2e3d4c5b6a"));
  for (const char* bad : {"", ".", "..", "a/b", "-a", "a b", "a.lock", "a\n"}) EXPECT_FALSE(IsTaskId(bad)) << bad;
  EXPECT_FALSE(IsTaskId(std::string(65, 'a')));
}

TEST(NamesTest, KnowsWhatGitTakesForABranch) {
  for (const char* good : {"main", "release/1.2", "agent/x", "f\xc3\xbcr", "a@b"})
    EXPECT_TRUE(IsBranchName(good)) << good;
  for (const char* bad : {"",         "-main", "--upload-pack=x",
                          "a..b",     "a b",   "a~1",
                          "a^",       "a:b",   "a?",
                          "a*",       "a[b",   "a\\b",
                          "/a",       "a/",    "a//b",
                          ".a",       "a/.b",  "a.lock",
                          "a.lock/b", "a.",    "a@{1}",
                          "@",        "HEAD",  "a\nb",
                          "a\x7f",    "\xff"}) {
    EXPECT_FALSE(IsBranchName(bad)) << bad;
  }
  EXPECT_FALSE(IsBranchName(std::string(201, 'a')));
}

TEST(NamesTest, EndsEachMessageWithTheTasksTrailerOnce) {
  const std::string made = CommitMessage("Mend it\n\nBecause.\n\n", "t1");
  EXPECT_EQ(made, "Mend it\n\nBecause.\n\nSwitchyard-Task: t1\n");
  EXPECT_EQ(CommitMessage(made, "t1"), made);
  EXPECT_EQ(CommitMessage("  \n", "t1"), "Work of task t1\n\nSwitchyard-Task: t1\n");
}

TEST(NamesTest, MakesTextOfAMessageThatIsNone) {
  EXPECT_EQ(CommitMessage(std::string("a\0b\xff", 4), "t1"), "ab\xEF\xBF\xBD\n\nSwitchyard-Task: t1\n");
  EXPECT_LT(CommitMessage(std::string(1 << 20, 'x'), "t1").size(), std::size_t{70} << 10);
}

TEST(TaskRecordTest, ReadsWhatItWrote) {
  const TaskRecord record{
      .base_branch = "main", .base_commit = std::string(40, 'a'), .used = absl::FromUnixSeconds(12)};
  const std::optional<TaskRecord> read = ParseTaskRecord(FormatTaskRecord(record));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->base_branch, "main");
  EXPECT_EQ(read->base_commit, record.base_commit);
  EXPECT_EQ(read->used, record.used);
}

TEST(TaskRecordTest, TakesNoPartOfOne) {
  const std::string whole =
      FormatTaskRecord({.base_branch = "main", .base_commit = std::string(40, 'a'), .used = absl::FromUnixSeconds(12)});
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    EXPECT_FALSE(ParseTaskRecord(whole.substr(0, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace switchyard::executor::repository
