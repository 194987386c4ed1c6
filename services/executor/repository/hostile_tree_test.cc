// What work may leave in its folder to have git do something else.
#include "gmock/gmock.h"
#include "services/executor/repository/repository_fixture.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class HostileTreeTest : public RepositoryTest {
 protected:
  void SetUp() override {
    // Whoever runs for the task may write here; nobody should.
    mkdir(dir_.File("marks").c_str(), 0777);
    chmod(dir_.File("marks").c_str(), 0777);
    mark_ = dir_.File("marks/mark");
    worktrees_ = Open();
    worktree_ = RepositoryTest::Prepare(*worktrees_);
    ASSERT_NE(worktree_, nullptr);
  }
  std::string Touch() const { return "touch " + mark_; }
  bool Ran() const { return access(mark_.c_str(), F_OK) == 0; }

  std::vector<std::string> Everything() {
    std::vector<std::string> paths;
    const absl::StatusOr<checks::Changes> changes = worktree_->changes().Look(absl::Minutes(1), never_);
    EXPECT_THAT(changes, IsOk());
    if (changes.ok()) {
      for (const checks::ChangedPath& change : changes->paths) paths.push_back(change.path);
    }
    EXPECT_THAT(worktree_->Diff(100'000, never_), IsOk());
    const absl::StatusOr<Snapshot> saved = worktree_->Save(never_);
    EXPECT_THAT(saved, IsOk());
    EXPECT_THAT(worktree_->Commit("work", never_), IsOk());
    EXPECT_THAT(worktree_->Compare(true, never_), IsOk());
    EXPECT_THAT(worktree_->Push(never_), IsOk());
    if (saved.ok()) {
      EXPECT_THAT(worktree_->Restore(*saved, never_), IsOk());
    }
    return paths;
  }

  std::string mark_;
  std::unique_ptr<GitWorktrees> worktrees_;
  std::unique_ptr<Worktree> worktree_;
};

TEST_F(HostileTreeTest, AGitFileInTheTreeIsNotFollowed) {
  Write(*worktree_, "evil/HEAD", "ref: refs/heads/main\n");
  Write(*worktree_, "evil/config", "[core]\n\tfsmonitor = " + Touch() + "\n\thooksPath = /tmp\n");
  Write(*worktree_, "evil/objects/x", "");
  Write(*worktree_, "evil/refs/x", "");
  Write(*worktree_, ".git", "gitdir: " + worktree_->facts().folder + "/evil\n");
  Write(*worktree_, "b", "b\n");
  EXPECT_THAT(Everything(), ::testing::Contains("b"));
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, AGitFolderInTheTreeIsNotFollowed) {
  Write(*worktree_, ".git/HEAD", "ref: refs/heads/main\n");
  Write(*worktree_, ".git/config",
        "[core]\n\tfsmonitor = " + Touch() + "\n[filter \"x\"]\n\tclean = " + Touch() +
            "\n[diff]\n\texternal = " + Touch());
  Write(*worktree_, ".git/hooks/pre-commit", "#!/bin/sh\n" + Touch());
  Write(*worktree_, ".git/hooks/reference-transaction", "#!/bin/sh\n" + Touch());
  for (const char* hook : {"pre-commit", "reference-transaction"}) {
    chmod((worktree_->facts().folder + "/.git/hooks/" + hook).c_str(), 0755);
  }
  Write(*worktree_, ".gitattributes", "* filter=x diff=x merge=x\n");
  Write(*worktree_, "b", "b\n");
  EXPECT_THAT(Everything(), ElementsAre(".gitattributes", "b"));
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, FiltersOfTheBaseRunNoProgram) {
  worktree_.reset();
  PeopleWrite(".gitattributes", "*.txt filter=lfs diff=x textconv=x\n");
  PeopleWrite(".gitconfig", "[filter \"lfs\"]\n\tsmudge = " + Touch() + "\n\trequired = true\n");
  PeoplePush("attributes");
  worktree_ = RepositoryTest::Prepare(*worktrees_, "t2");
  ASSERT_NE(worktree_, nullptr);
  Write(*worktree_, "src/a.txt", "new\n");
  EXPECT_THAT(Everything(), ElementsAre("src/a.txt"));
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, AttributesHideNoLines) {
  Write(*worktree_, ".gitattributes", "* -diff\n*.txt binary\n");
  Write(*worktree_, "src/a.txt", "one\ntwo\nsmuggled\n");
  SY_ASSERT_OK_AND_ASSIGN(const checks::Changes changes, worktree_->changes().Look(absl::Minutes(1), never_));
  ASSERT_EQ(changes.paths.size(), 2u);
  EXPECT_FALSE(changes.paths[1].binary);
  EXPECT_EQ(changes.paths[1].lines_added, 1);
  SY_ASSERT_OK_AND_ASSIGN(const DiffText diff, worktree_->Diff(10'000, never_));
  EXPECT_THAT(diff.text, HasSubstr("+smuggled"));
}

TEST_F(HostileTreeTest, AnEmbeddedRepositoryIsRefusedAndRunsNothing) {
  Write(*worktree_, "sub/.git/HEAD", "ref: refs/heads/main\n");
  Write(*worktree_, "sub/.git/config", "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = " + Touch() + "\n");
  for (const char* folder : {"sub/.git/objects", "sub/.git/refs"}) {
    mkdir((worktree_->facts().folder + "/" + folder).c_str(), 0755);
    Own(worktree_->facts().folder + "/" + folder);
  }
  Write(*worktree_, "sub/file", "x");
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot before, [&]() -> absl::StatusOr<Snapshot> {
    const auto other = RepositoryTest::Prepare(*worktrees_, "t2");
    return other->Save(never_);
  }());
  for (const absl::Status& status :
       {worktree_->Commit("work", never_).status(), worktree_->changes().Look(absl::Minutes(1), never_).status(),
        worktree_->Save(never_).status()}) {
    EXPECT_THAT(status, IsError("EMBEDDED_REPOSITORY"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("sub/"));
  }
  // The way back is open.
  ASSERT_THAT(worktree_->Restore(before, never_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(worktree_->facts().folder + "/sub"));
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, ASubmoduleIsNeitherFetchedNorMoved) {
  worktree_.reset();
  People({"update-index", "--add", "--cacheinfo", "160000," + People({"rev-parse", "HEAD"}) + ",sub"});
  dir_.Write("people/.gitmodules",
             "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::" + Touch() + "\n\tupdate = !" + Touch());
  People({"add", ".gitmodules"});
  People({"commit", "-q", "-m", "submodule"});
  People({"push", "-q", remote_, "HEAD:refs/heads/main"});
  worktree_ = RepositoryTest::Prepare(*worktrees_, "t2");
  ASSERT_NE(worktree_, nullptr);
  EXPECT_TRUE(std::filesystem::is_empty(worktree_->facts().folder + "/sub"));
  Write(*worktree_, "b", "b\n");
  EXPECT_THAT(Everything(), ElementsAre("b"));
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, ARepositoryInASubmodulesPlaceIsRefusedAndRunsNothing) {
  worktree_.reset();
  People({"update-index", "--add", "--cacheinfo", "160000," + People({"rev-parse", "HEAD"}) + ",sub"});
  People({"commit", "-q", "-m", "submodule"});
  People({"push", "-q", remote_, "HEAD:refs/heads/main"});
  worktree_ = RepositoryTest::Prepare(*worktrees_, "t2");
  ASSERT_NE(worktree_, nullptr);
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot before, worktree_->Save(never_));
  GitCall call;
  call.arguments = {"-ec",
                    "git init -q . && echo x >f && git add f && git config filter.x.clean '" + Touch() +
                        "; cat' && echo '* filter=x' >.git/info/attributes && echo y >f && touch -d 2001-01-01 f"};
  call.directory = worktree_->facts().folder + "/sub";
  call.environment = {"PATH=/usr/bin:/bin", "HOME=/nonexistent"};
  call.user = user_;
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer made, RunGit("/bin/sh", call, never_));
  ASSERT_EQ(made.exit_code, 0) << made.error;
  ASSERT_FALSE(Ran());
  for (const absl::Status& status :
       {worktree_->changes().Look(absl::Minutes(1), never_).status(), worktree_->Diff(1000, never_).status(),
        worktree_->Save(never_).status(), worktree_->Commit("work", never_).status()}) {
    EXPECT_THAT(status, IsError("EMBEDDED_REPOSITORY"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("sub/.git"));
  }
  ASSERT_THAT(worktree_->Restore(before, never_), IsOk());
  EXPECT_THAT(worktree_->Save(never_), IsOk()) << "the way back is open";
  EXPECT_FALSE(Ran());
}

TEST_F(HostileTreeTest, ClosedFoldersDoNotKeepAStateFromComingBack) {
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot before, worktree_->Save(never_));
  Write(*worktree_, "left/file", "x");
  Write(*worktree_, "shut/inner/file", "x");
  const std::string& folder = worktree_->facts().folder;
  chmod((folder + "/left").c_str(), 0555);
  chmod((folder + "/src").c_str(), 0555);
  chmod((folder + "/shut/inner").c_str(), 0);
  chmod((folder + "/shut").c_str(), 0);
  ASSERT_THAT(worktree_->Restore(before, never_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(folder + "/left"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/shut"));
  EXPECT_EQ(Read(*worktree_, "src/a.txt"), "one\ntwo\nthree\n");
}

TEST_F(HostileTreeTest, WhatCannotBePutBackIsTheWorksFault) {
  worktree_.reset();
  worktrees_.reset();
  GitWorktrees::Options options = Options();
  options.git = FakeGit("case \" $* \" in *\" clean \"*) [ -e " + dir_.File("marks/full") +
                        " ] && exit 1 ;; esac\nexec $REAL \"$@\"\n");
  worktrees_ = Open(options);
  worktree_ = RepositoryTest::Prepare(*worktrees_);
  ASSERT_NE(worktree_, nullptr);
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot before, worktree_->Save(never_));
  dir_.Write("marks/full", "");
  const absl::Status status = worktree_->Restore(before, never_);
  EXPECT_THAT(status, IsError("TREE_UNREADABLE"));
  EXPECT_THAT(status, switchyard::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(HostileTreeTest, LinksAreKeptAsLinks) {
  const std::string secret = dir_.Write("secret", "outside\n");
  for (const auto& [to, name] : {std::pair<std::string, std::string>{secret, "link"}, {dir_.path(), "folder"}}) {
    ASSERT_EQ(symlink(to.c_str(), (worktree_->facts().folder + "/" + name).c_str()), 0);
    Own(worktree_->facts().folder + "/" + name);
  }
  std::filesystem::remove_all(worktree_->facts().folder + "/src");
  ASSERT_EQ(symlink(dir_.path().c_str(), (worktree_->facts().folder + "/src").c_str()), 0);
  Own(worktree_->facts().folder + "/src");
  EXPECT_THAT(Everything(), ElementsAre("folder", "link", "src", "src/a.txt"));
  EXPECT_THAT(ByHand(*worktree_, {"show", "agent/t1:link"}).output, secret);
  EXPECT_EQ(ReadText(secret), "outside\n");
}

TEST_F(HostileTreeTest, PuttingAStateBackWritesThroughNoLink) {
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot before, worktree_->Save(never_));
  mkdir(dir_.File("outside").c_str(), 0777);
  chmod(dir_.File("outside").c_str(), 0777);
  dir_.Write("outside/a.txt", "mine\n");
  std::filesystem::remove_all(worktree_->facts().folder + "/src");
  ASSERT_EQ(symlink(dir_.File("outside").c_str(), (worktree_->facts().folder + "/src").c_str()), 0);
  Own(worktree_->facts().folder + "/src");
  ASSERT_THAT(worktree_->Restore(before, never_), IsOk());
  EXPECT_EQ(ReadText(dir_.File("outside/a.txt")), "mine\n");
  EXPECT_EQ(Read(*worktree_, "src/a.txt"), "one\ntwo\nthree\n");
  EXPECT_FALSE(std::filesystem::is_symlink(worktree_->facts().folder + "/src"));
}

TEST_F(HostileTreeTest, NamesAreAnyBytes) {
  const std::string bytes = "new\nline\t\"quoted\" \xff";
  Write(*worktree_, bytes, "x\n");
  Write(*worktree_, "-rf", "x\n");
  Write(*worktree_, ":(exclude)b", "x\n");
  Write(*worktree_, "*", "x\n");
  EXPECT_THAT(Everything(), ElementsAre("*", "-rf", ":(exclude)b", bytes));
}

TEST_F(HostileTreeTest, AFileThatIsTooLargeIsRefusedBeforeItIsRead) {
  worktree_.reset();
  worktrees_.reset();
  GitWorktrees::Options options = Options();
  options.max_file_bytes = 1000;
  worktrees_ = Open(options);
  worktree_ = RepositoryTest::Prepare(*worktrees_);
  Write(*worktree_, "large", std::string(1001, 'x'));
  EXPECT_THAT(worktree_->Commit("work", never_), IsError("FILE_TOO_LARGE"));
  Write(*worktree_, ".gitignore", "large\n");
  EXPECT_THAT(worktree_->Commit("work", never_), IsOk());
}

TEST_F(HostileTreeTest, WorkThatFillsTheDiskIsRefused) {
  Write(*worktree_, "holes", "x");
  ASSERT_EQ(truncate((worktree_->facts().folder + "/holes").c_str(), off_t{90} << 20), 0);
  worktree_.reset();
  worktrees_.reset();
  GitWorktrees::Options options = Options();
  options.max_bytes = std::uint64_t{50} << 20;
  worktrees_ = Open(options);
  worktree_ = RepositoryTest::Prepare(*worktrees_);
  EXPECT_THAT(worktree_->Commit("work", never_), IsError("DISK_FULL"));
}

TEST_F(HostileTreeTest, FilesThatAreNoFilesDoNotHangAnything) {
  ASSERT_EQ(mkfifo((worktree_->facts().folder + "/pipe").c_str(), 0666), 0);
  Own(worktree_->facts().folder + "/pipe");
  Write(*worktree_, "b", "b\n");
  SY_ASSERT_OK_AND_ASSIGN(const checks::Changes changes, worktree_->changes().Look(absl::Minutes(1), never_));
  ASSERT_EQ(changes.paths.size(), 1u);
  EXPECT_EQ(changes.paths[0].path, "b");
}

TEST_F(HostileTreeTest, WhatCannotBeReadIsFeedback) {
  if (!user_.has_value() && geteuid() == 0) GTEST_SKIP() << "root reads everything";
  Write(*worktree_, "closed", "x\n");
  chmod((worktree_->facts().folder + "/closed").c_str(), 0);
  const absl::StatusOr<Commitment> made = worktree_->Commit("work", never_);
  EXPECT_THAT(made, IsError("TREE_UNREADABLE"));
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("closed"));
}

TEST_F(HostileTreeTest, TheWorkCanNeitherReadNorWriteWhatIsTheExecutors) {
  if (!user_.has_value()) GTEST_SKIP() << "needs a user of its own for tasks";
  GitCall call;
  call.user = user_;
  call.environment = {"PATH=/usr/bin:/bin"};
  const std::string root = dir_.File("data/repositories");
  call.arguments = {"-c",
                    "find " + root + " -writable -not -path '*/tasks/*/git*' -not -path '*/tasks/*/tree*' 2>/dev/null"};
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer writable, RunGit("/bin/sh", call, never_));
  EXPECT_EQ(writable.output, "");
}

}  // namespace
}  // namespace switchyard::executor::repository
