// One suite for both journals; what only the file can do follows.
#include "services/executor/journal.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/in_memory_journal.h"
#include "services/executor/sqlite_journal.h"

namespace switchyard::executor {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TaskKey Key(const std::string& id, std::int64_t generation = 1) { return {.task_id = id, .generation = generation}; }

JournalledWork WorkOf(const TaskKey& key, bool started = false) {
  return {.assignment = {.number = 7,
                         .key = key,
                         .beyond_workspace = true,
                         .retry_when_lost = false,
                         .payload = std::string("pay\0load", 8)},
          .started = started};
}

Report EndOf(const TaskKey& key, std::int64_t number) {
  return {.number = number,
          .key = key,
          .kind = ReportKind::kFail,
          .reason = "EXIT_STATUS",
          .message = "exit status 3",
          .permanent = true,
          .agent_fault = true,
          .phase = 5,
          .result = std::string("\0\xff", 2),
          .route_report = std::string("\1\0", 2),
          .retry_after = absl::Seconds(7)};
}

// A journal whose process can die: reopened, the same content is there.
class Keeper {
 public:
  virtual ~Keeper() = default;
  virtual Journal& Reopen() = 0;
};

class MemoryKeeper final : public Keeper {
 public:
  Journal& Reopen() override { return journal_; }

 private:
  InMemoryJournal journal_;
};

class FileKeeper final : public Keeper {
 public:
  Journal& Reopen() override {
    journal_.reset();
    auto opened = SqliteJournal::Open(dir_.File("journal.db"));
    if (!opened.ok()) ADD_FAILURE() << opened.status();
    journal_ = *std::move(opened);
    return *journal_;
  }

 private:
  testing::TempDir dir_;
  std::unique_ptr<SqliteJournal> journal_;
};

class JournalTest : public ::testing::TestWithParam<std::function<std::unique_ptr<Keeper>()>> {
 protected:
  JournalContent Loaded() {
    auto content = keeper_->Reopen().Load();
    if (!content.ok()) ADD_FAILURE() << content.status();
    return *std::move(content);
  }

  std::unique_ptr<Keeper> keeper_ = GetParam()();
};

INSTANTIATE_TEST_SUITE_P(Journals, JournalTest,
                         ::testing::Values([] { return std::unique_ptr<Keeper>(new MemoryKeeper); },
                                           [] { return std::unique_ptr<Keeper>(new FileKeeper); }));

TEST_P(JournalTest, BeginsEmptyWithNumberOne) {
  const JournalContent content = Loaded();
  EXPECT_THAT(content.work, IsEmpty());
  EXPECT_THAT(content.reports, IsEmpty());
  EXPECT_EQ(content.next_number, 1);
}

TEST_P(JournalTest, GivesBackWorkAndEndsAsTheyWere) {
  Journal& journal = keeper_->Reopen();
  SY_ASSERT_OK(journal.Load());
  SY_ASSERT_OK(journal.Apply({.work = {WorkOf(Key("a"))}, .reports = {EndOf(Key("b"), 4)}}));
  const JournalContent content = Loaded();
  ASSERT_THAT(content.work, SizeIs(1));
  const Assignment& assignment = content.work[0].assignment;
  EXPECT_EQ(assignment.key, Key("a"));
  EXPECT_EQ(assignment.number, 0);
  EXPECT_TRUE(assignment.beyond_workspace);
  EXPECT_FALSE(assignment.retry_when_lost);
  EXPECT_EQ(assignment.payload, std::string("pay\0load", 8));
  EXPECT_FALSE(content.work[0].started);
  EXPECT_THAT(content.reports, ElementsAre(EndOf(Key("b"), 4)));
}

TEST_P(JournalTest, NumbersAreNeverGivenTwice) {
  Journal& journal = keeper_->Reopen();
  SY_ASSERT_OK_AND_ASSIGN(const JournalContent first, journal.Load());
  const std::int64_t last = first.next_number + 5;
  SY_ASSERT_OK(journal.Apply({.reports = {EndOf(Key("a"), last)}}));
  SY_ASSERT_OK(journal.Apply({.acknowledged = {last}}));
  const JournalContent again = Loaded();
  EXPECT_THAT(again.reports, IsEmpty());
  EXPECT_GT(again.next_number, last);
}

TEST_P(JournalTest, NumbersBeyondTheReserveAreKeptToo) {
  Journal& journal = keeper_->Reopen();
  SY_ASSERT_OK(journal.Load());
  SY_ASSERT_OK(journal.Apply({.reports = {EndOf(Key("a"), 5'000'000)}}));
  EXPECT_GT(Loaded().next_number, 5'000'000);
}

TEST_P(JournalTest, AStartIsRemembered) {
  Journal& journal = keeper_->Reopen();
  SY_ASSERT_OK(journal.Apply({.work = {WorkOf(Key("a"))}}));
  SY_ASSERT_OK(journal.Apply({.work = {WorkOf(Key("a"), true)}}));
  const JournalContent content = Loaded();
  ASSERT_THAT(content.work, SizeIs(1));
  EXPECT_TRUE(content.work[0].started);
}

TEST_P(JournalTest, WhatIsForgottenGoesWithItsEnd) {
  Journal& journal = keeper_->Reopen();
  SY_ASSERT_OK(journal.Apply(
      {.work = {WorkOf(Key("a", 1)), WorkOf(Key("a", 2))}, .reports = {EndOf(Key("a", 1), 1), EndOf(Key("a", 2), 2)}}));
  SY_ASSERT_OK(journal.Apply({.forget = {Key("a", 1)}}));
  const JournalContent content = Loaded();
  ASSERT_THAT(content.work, SizeIs(1));
  EXPECT_EQ(content.work[0].assignment.key, Key("a", 2));
  EXPECT_THAT(content.reports, ElementsAre(EndOf(Key("a", 2), 2)));
}

class SqliteJournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> Open() {
    auto opened = SqliteJournal::Open(path_);
    if (!opened.ok()) ADD_FAILURE() << opened.status();
    return *std::move(opened);
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("journal.db");
};

TEST_F(SqliteJournalTest, OnlyItsOwnerMayReadIt) {
  Open();
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SqliteJournalTest, WhatWasAnsweredSurvivesAKill) {
  const pid_t child = fork();
  if (child == 0) {
    auto journal = SqliteJournal::Open(path_);
    for (std::int64_t i = 1; journal.ok() && i <= 50; ++i) {
      const TaskKey key = Key("task-" + std::to_string(i));
      if (!(*journal)->Apply({.work = {WorkOf(key, true)}, .reports = {EndOf(key, i)}}).ok()) break;
    }
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  SY_ASSERT_OK_AND_ASSIGN(const JournalContent content, Open()->Load());
  EXPECT_THAT(content.work, SizeIs(50));
  EXPECT_THAT(content.reports, SizeIs(50));
}

TEST_F(SqliteJournalTest, AFullDiskIsNamedAndNothingIsHalfWritten) {
  const std::unique_ptr<SqliteJournal> journal = Open();
  SY_ASSERT_OK(journal->Apply({.reports = {EndOf(Key("before"), 1)}}));
  SY_ASSERT_OK(journal->sqlite().LimitPages(12));
  Report large = EndOf(Key("large"), 3);
  large.result = std::string(1 << 20, 'x');
  EXPECT_THAT(journal->Apply({.reports = {EndOf(Key("small"), 2), large}}), IsError("DISK_FULL"));
  SY_ASSERT_OK_AND_ASSIGN(const JournalContent content, journal->Load());
  EXPECT_THAT(content.reports, ElementsAre(EndOf(Key("before"), 1)));
  SY_ASSERT_OK(journal->sqlite().LimitPages(1 << 20));
  SY_EXPECT_OK(journal->Apply({.reports = {large}}));
}

TEST_F(SqliteJournalTest, AFileThatIsNoJournalIsRefused) {
  dir_.Write("journal.db", std::string(4096, 'z'));
  EXPECT_THAT(SqliteJournal::Open(path_), IsError("JOURNAL_FAILED"));
}

TEST_F(SqliteJournalTest, DamageIsFound) {
  SY_EXPECT_OK(Open()->Check());
  {
    const std::unique_ptr<SqliteJournal> journal = Open();
    for (std::int64_t i = 1; i <= 200; ++i) {
      Report report = EndOf(Key("t" + std::to_string(i)), i);
      report.result = std::string(2'000, 'x');
      SY_ASSERT_OK(journal->Apply({.reports = {report}}));
    }
  }
  FILE* file = fopen(path_.c_str(), "r+b");
  ASSERT_NE(file, nullptr);
  fseek(file, 3 * 4096, SEEK_SET);
  const std::string junk(40 * 4096, '\x5a');
  fwrite(junk.data(), 1, junk.size(), file);
  fclose(file);
  auto opened = SqliteJournal::Open(path_);
  ASSERT_THAT(opened, testing::IsOk());
  EXPECT_THAT((*opened)->Check(), IsError("JOURNAL_FAILED"));
}

TEST_F(SqliteJournalTest, AJournalOfANewerProgramIsLeftAlone) {
  const pg::Migration future{.version = 99, .name = "future", .checksum = "", .sql = "SELECT 1"};
  SY_ASSERT_OK(Open()->sqlite().Migrate(future));
  EXPECT_THAT(SqliteJournal::Open(path_), IsError("JOURNAL_TOO_NEW"));
}

}  // namespace
}  // namespace switchyard::executor
