#include "services/executor/loop/site.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/edits/workspace_files.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::string> Paths(const FileList& list) {
  std::vector<std::string> paths;
  for (const FileFact& file : list.files) paths.push_back(file.path);
  return paths;
}

class SiteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = dir_.File("work");
    ASSERT_EQ(mkdir(folder_.c_str(), 0700), 0);
    SY_ASSERT_OK_AND_ASSIGN(site_, MakeFolderSite(folder_));
    SY_ASSERT_OK_AND_ASSIGN(edits::WorkspaceFiles files, edits::WorkspaceFiles::Open(folder_));
    files_ = std::make_unique<edits::WorkspaceFiles>(std::move(files));
  }
  std::string Content(const std::string& path) {
    const absl::StatusOr<edits::Entry> entry = files_->Read(path, 1'000);
    return entry.ok() && entry->kind == edits::EntryKind::kFile ? entry->content : "(none)";
  }
  // As an answer of a model would.
  void Put(const std::string& path, const std::string& content) {
    const std::string before = Content(path);
    const bool there = before != "(none)";
    edits::Plan plan;
    plan.changes.push_back({.kind = there ? edits::ChangeKind::kModify : edits::ChangeKind::kCreate,
                            .path = path,
                            .content = content,
                            .sha256_before = there ? Sha256Hex(before) : ""});
    SY_ASSERT_OK(files_->Apply(plan));
    site_->Applied(plan);
  }

  const switchyard::testing::TempDir dir_;
  const repository::Stop never_{false};
  std::string folder_;
  std::unique_ptr<Site> site_;
  std::unique_ptr<edits::WorkspaceFiles> files_;
};

TEST_F(SiteTest, AFolderComesBackToAnyStateThatWasSaved) {
  SY_ASSERT_OK_AND_ASSIGN(const int empty, site_->Save(never_));
  Put("a.txt", "one");
  SY_ASSERT_OK_AND_ASSIGN(const int one, site_->Save(never_));
  Put("a.txt", "two");
  Put("deep/b.txt", "new");
  SY_ASSERT_OK_AND_ASSIGN(const int two, site_->Save(never_));
  SY_ASSERT_OK(site_->Return(one, never_));
  EXPECT_EQ(Content("a.txt"), "one");
  EXPECT_EQ(Content("deep/b.txt"), "(none)");
  SY_ASSERT_OK(site_->Return(two, never_));
  EXPECT_EQ(Content("a.txt"), "two");
  EXPECT_EQ(Content("deep/b.txt"), "new");
  SY_ASSERT_OK(site_->Return(empty, never_));
  EXPECT_EQ(Content("a.txt"), "(none)");
}

TEST_F(SiteTest, AFolderComesBackWhateverProgramsDidToItsFiles) {
  Put("a.txt", "one");
  SY_ASSERT_OK_AND_ASSIGN(const int saved, site_->Save(never_));
  dir_.Write("work/a.txt", "by a test");
  dir_.Write("work/left.txt", "by a test");
  SY_ASSERT_OK(site_->Return(saved, never_));
  EXPECT_EQ(Content("a.txt"), "one");
  ASSERT_EQ(unlink((folder_ + "/a.txt").c_str()), 0);
  SY_ASSERT_OK(site_->Return(saved, never_));
  EXPECT_EQ(Content("a.txt"), "one");
}

TEST_F(SiteTest, AFolderGoesAtItsEnd) {
  Put("a.txt", "one");
  site_->End(/*keep=*/true);
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(SiteTest, ListsFilesWithoutLinksAndClutter) {
  Put("b.txt", "12345");
  Put("a/c.txt", "");
  Put("node_modules/x/y.js", "x");
  Put("a/__pycache__/c.pyc", "x");
  ASSERT_EQ(symlink("/etc/passwd", (folder_ + "/link").c_str()), 0);
  const FileList list = ListFiles(folder_, 100);
  EXPECT_THAT(Paths(list), ElementsAre("a/c.txt", "b.txt"));
  EXPECT_EQ(list.files[1].bytes, 5u);
  EXPECT_FALSE(list.cut);
  EXPECT_TRUE(ListFiles(folder_, 1).cut);
  EXPECT_THAT(ListFiles("/nonexistent", 1).files, SizeIs(0));
}

}  // namespace
}  // namespace switchyard::executor::loop
