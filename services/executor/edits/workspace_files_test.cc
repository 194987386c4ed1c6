#include "services/executor/edits/workspace_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class WorkspaceFilesTest : public ::testing::Test {
 protected:
  WorkspaceFilesTest() : files_(*WorkspaceFiles::Open(dir_.path())) {}

  // Everything below the folder, by path; folders end in '/'.
  std::map<std::string, std::string> All() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      const std::string path = entry.path().string().substr(dir_.path().size() + 1);
      if (entry.is_symlink()) {
        all[path] = "-> " + fs::read_symlink(entry.path()).string();
      } else if (entry.is_directory()) {
        all[path + "/"] = "";
      } else {
        all[path] = Content(entry.path().string());
      }
    }
    return all;
  }

  Plan PlanOf(std::string_view answer) {
    const Resolution resolution = Resolve(ParseAnswer(answer), files_);
    EXPECT_TRUE(resolution.ok());
    return resolution.plan;
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  const testing::TempDir dir_;
  WorkspaceFiles files_;
};

TEST_F(WorkspaceFilesTest, TellsWhatStandsAtAPath) {
  dir_.Write("a", "1\n");
  dir_.Write("d/b", "2\n");
  ASSERT_EQ(symlink("a", dir_.File("link").c_str()), 0);
  ASSERT_EQ(symlink("d", dir_.File("folder_link").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", dir_.File("broken").c_str()), 0);
  ASSERT_EQ(mkfifo(dir_.File("pipe").c_str(), 0600), 0);
  const auto kind = [&](const char* path) { return files_.Read(path, 100)->kind; };
  EXPECT_EQ(kind("a"), EntryKind::kFile);
  EXPECT_EQ(files_.Read("d/b", 100)->content, "2\n");
  EXPECT_EQ(kind("d"), EntryKind::kFolder);
  EXPECT_EQ(kind("link"), EntryKind::kLink);
  EXPECT_EQ(kind("broken"), EntryKind::kLink);
  EXPECT_EQ(kind("folder_link/b"), EntryKind::kLink);
  EXPECT_EQ(kind("a/b"), EntryKind::kUnderFile);
  EXPECT_EQ(kind("pipe"), EntryKind::kSpecial);
  EXPECT_EQ(kind("missing"), EntryKind::kMissing);
  EXPECT_EQ(kind("missing/too"), EntryKind::kMissing);
  EXPECT_EQ(files_.Read("a", 1)->kind, EntryKind::kTooLarge);
  EXPECT_THAT(files_.Read("../a", 100), IsError("BAD_PATH"));
  EXPECT_THAT(files_.Read("/etc/passwd", 100), IsError("BAD_PATH"));
}

TEST_F(WorkspaceFilesTest, WritesAPlanAndGivesItsInverse) {
  dir_.Write("a", "1\n2\n");
  dir_.Write("gone", "x\n");
  dir_.Write("old", "y\n");
  const auto before = All();
  const Plan plan = PlanOf(Block("a", "1\n", "one\n") + Block("new/deep/b", "", "b\n") +
                           "\nDELETE FILE: gone\nRENAME FILE: old -> moved\n");
  SY_ASSERT_OK_AND_ASSIGN(const Plan undo, files_.Apply(plan));
  EXPECT_EQ(All(), (std::map<std::string, std::string>{
                       {"a", "one\n2\n"}, {"moved", "y\n"}, {"new/", ""}, {"new/deep/", ""}, {"new/deep/b", "b\n"}}));
  ASSERT_THAT(files_.Apply(undo, {.sync = true}), IsOk());
  auto after = All();
  EXPECT_EQ(after.erase("new/") + after.erase("new/deep/"), 2u);
  EXPECT_EQ(after, before);
}

TEST_F(WorkspaceFilesTest, KeepsModes) {
  chmod(dir_.Write("run.sh", "1\n").c_str(), 0755);
  chmod(dir_.Write("secret", "1\n").c_str(), 0600);
  SY_ASSERT_OK_AND_ASSIGN(
      const Plan undo,
      files_.Apply(PlanOf(Block("run.sh", "1\n", "2\n") + Block("secret", "1\n", "2\n") + Block("plain", "", "x\n"))));
  EXPECT_EQ(ModeOf(dir_.File("run.sh")), mode_t{0755});
  EXPECT_EQ(ModeOf(dir_.File("secret")), mode_t{0600});
  EXPECT_EQ(ModeOf(dir_.File("plain")), mode_t{0644});
  ASSERT_THAT(files_.Apply(PlanOf("RENAME FILE: run.sh -> bin/run")), IsOk());
  EXPECT_EQ(ModeOf(dir_.File("bin/run")), mode_t{0755});
}

TEST_F(WorkspaceFilesTest, RefusesAFileThatChangedSinceItWasRead) {
  dir_.Write("a", "1\n");
  dir_.Write("b", "1\n");
  const Plan plan = PlanOf(Block("a", "1\n", "2\n") + Block("b", "1\n", "2\n") + Block("c/d", "", "2\n"));
  for (const char* changed : {"a", "b", "c/d"}) {
    dir_.Write("a", "1\n");
    dir_.Write("b", "1\n");
    fs::remove_all(dir_.File("c"));
    dir_.Write(changed, "other\n");
    const auto before = All();
    EXPECT_THAT(files_.Apply(plan), IsError("SNAPSHOT_CHANGED")) << changed;
    EXPECT_EQ(All(), before);
  }
}

TEST_F(WorkspaceFilesTest, RefusesAFileThatIsGone) {
  dir_.Write("a", "1\n");
  const Plan plan = PlanOf(Block("a", "1\n", "2\n"));
  const Plan removal = PlanOf("DELETE FILE: a");
  unlink(dir_.File("a").c_str());
  EXPECT_THAT(files_.Apply(plan), IsError("SNAPSHOT_CHANGED"));
  EXPECT_THAT(files_.Apply(removal), IsError("SNAPSHOT_CHANGED"));
  EXPECT_THAT(All(), IsEmpty());
}

// At each step that changes the disk, once.
TEST_F(WorkspaceFilesTest, PutsEverythingBackWhenAStepFails) {
  dir_.Write("a", "1\n");
  dir_.Write("gone", "x\n");
  dir_.Write("old", "y\n");
  const auto before = All();
  const Plan plan = PlanOf(Block("a", "1\n", "2\n") + Block("new/deep/b", "", "b\n") + Block("z", "", "z\n") +
                           "\nDELETE FILE: gone\nRENAME FILE: old -> new/moved\n");
  int failing = 0;
  for (; failing < 100; ++failing) {
    const absl::StatusOr<Plan> undo = files_.Apply(plan, {.may_step = [&](int step) { return step != failing; }});
    if (undo.ok()) break;
    EXPECT_THAT(undo, IsError("WRITE_FAILED"));
    EXPECT_EQ(All(), before) << failing;
  }
  EXPECT_GE(failing, 10);
  EXPECT_EQ(Content(dir_.File("new/deep/b")), "b\n");
}

// What a program in the workspace may do between the look and the renames.
TEST_F(WorkspaceFilesTest, NoticesAChangeAtTheLastMoment) {
  dir_.Write("a", "1\n");
  dir_.Write("b", "1\n");
  const Plan plan = PlanOf(Block("a", "1\n", "2\n") + Block("b", "1\n", "2\n"));
  bool changed = false;
  const auto change = [&](int step) {
    // The last step is the renaming of b.
    if (step == 5) {
      dir_.Write("b", "theirs\n");
      changed = true;
    }
    return true;
  };
  EXPECT_THAT(files_.Apply(plan, {.may_step = change}), IsError("SNAPSHOT_CHANGED"));
  EXPECT_TRUE(changed);
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"a", "1\n"}, {"b", "theirs\n"}}));
}

TEST_F(WorkspaceFilesTest, DoesNotFollowALinkThatAppearsAtTheLastMoment) {
  const testing::TempDir outside;
  const std::string target = outside.Write("target", "1\n");
  dir_.Write("a", "1\n");
  dir_.Write("d/b", "1\n");
  const Plan plan = PlanOf(Block("a", "1\n", "2\n") + Block("d/b", "1\n", "2\n") + Block("d/new", "", "2\n"));
  for (int at = 0; at < 20; ++at) {
    const auto swap = [&](int step) {
      if (step == at) {
        fs::remove(dir_.File("a"));
        fs::create_symlink(target, dir_.File("a"));
      }
      return true;
    };
    const absl::StatusOr<Plan> undo = files_.Apply(plan, {.may_step = swap});
    if (undo.ok()) break;
    EXPECT_EQ(All(), (std::map<std::string, std::string>{{"a", "-> " + target}, {"d/", ""}, {"d/b", "1\n"}})) << at;
    EXPECT_EQ(Content(target), "1\n");
    fs::remove(dir_.File("a"));
    dir_.Write("a", "1\n");
  }
  EXPECT_EQ(Content(target), "1\n");
}

TEST_F(WorkspaceFilesTest, WritesThroughNoFolderThatIsALink) {
  const testing::TempDir outside;
  dir_.Write("d/b", "1\n");
  const Plan plan = PlanOf(Block("d/b", "1\n", "2\n") + Block("d/new", "", "2\n"));
  outside.Write("b", "1\n");
  fs::remove_all(dir_.File("d"));
  fs::create_symlink(outside.path(), dir_.File("d"));
  EXPECT_THAT(files_.Apply(plan), IsError("SNAPSHOT_CHANGED"));
  EXPECT_EQ(Content(outside.File("b")), "1\n");
  EXPECT_FALSE(fs::exists(outside.File("new")));
}

TEST_F(WorkspaceFilesTest, DoesNotOverwriteWhatAppearsAtTheLastMoment) {
  const Plan plan = PlanOf(Block("a", "", "1\n"));
  const auto appear = [&](int step) {
    if (step == 2) dir_.Write("a", "theirs\n");
    return true;
  };
  EXPECT_THAT(files_.Apply(plan, {.may_step = appear}), IsError("SNAPSHOT_CHANGED"));
  EXPECT_EQ(All(), (std::map<std::string, std::string>{{"a", "theirs\n"}}));
}

TEST_F(WorkspaceFilesTest, BreaksHardLinksInsteadOfWritingThroughThem) {
  const testing::TempDir outside;
  const std::string target = outside.Write("target", "1\n");
  if (link(target.c_str(), dir_.File("a").c_str()) != 0) GTEST_SKIP() << "no hard links between these folders";
  ASSERT_THAT(files_.Apply(PlanOf(Block("a", "1\n", "2\n"))), IsOk());
  EXPECT_EQ(Content(target), "1\n");
  EXPECT_EQ(Content(dir_.File("a")), "2\n");
}

TEST_F(WorkspaceFilesTest, RefusesAPlanThatWasNotMadeHere) {
  for (const char* path : {"../a", "/tmp/a", ".git/config", "a//b", ""}) {
    Plan plan;
    plan.changes.push_back({.kind = ChangeKind::kCreate, .path = path, .content = "x"});
    EXPECT_THAT(files_.Apply(plan), IsError("BAD_PATH")) << path;
  }
}

TEST_F(WorkspaceFilesTest, RemovesWhatACrashLeft) {
  dir_.Write("d/.sy-edit-1-2", "x");
  dir_.Write(".sy-edit-1-1", "x");
  dir_.Write(".git/.sy-edit-1-3", "x");
  dir_.Write("d/a", "x");
  ASSERT_EQ(symlink("/tmp", dir_.File("link").c_str()), 0);
  EXPECT_EQ(files_.RemoveLeftovers(), 2u);
  EXPECT_TRUE(fs::exists(dir_.File(".git/.sy-edit-1-3")));
  EXPECT_TRUE(fs::exists(dir_.File("d/a")));
}

TEST_F(WorkspaceFilesTest, SaysThatThereIsNoFolder) {
  EXPECT_THAT(WorkspaceFiles::Open(dir_.File("missing")).status(), IsError("WORKSPACE_FAILED"));
  ASSERT_EQ(symlink("/tmp", dir_.File("link").c_str()), 0);
  EXPECT_THAT(WorkspaceFiles::Open(dir_.File("link")).status(), IsError("WORKSPACE_FAILED"));
}

}  // namespace
}  // namespace switchyard::executor::edits
