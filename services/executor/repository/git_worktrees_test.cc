#include "services/executor/repository/git_worktrees.h"

#include "gmock/gmock.h"
#include "services/executor/repository/repository_fixture.h"

namespace switchyard::executor::repository {
namespace {

using Kind = checks::ChangedPath::Kind;
using switchyard::testing::IsError;
using switchyard::testing::IsOk;
using switchyard::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class GitWorktreesTest : public RepositoryTest {
 protected:
  checks::Changes Look(Worktree& worktree) {
    const absl::StatusOr<checks::Changes> changes = worktree.changes().Look(absl::Minutes(1), never_);
    EXPECT_THAT(changes, IsOk());
    return changes.value_or(checks::Changes());
  }
  std::vector<std::string> Paths(Worktree& worktree) {
    std::vector<std::string> paths;
    for (const checks::ChangedPath& change : Look(worktree).paths) paths.push_back(change.path);
    return paths;
  }
};

TEST_F(GitWorktreesTest, MakesAWorktreeFromTheFetchedBase) {
  const std::string base = PeoplePush("more");
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(worktree->facts().branch, "agent/t1");
  EXPECT_EQ(worktree->facts().base_branch, "main");
  EXPECT_EQ(worktree->facts().base_commit, base);
  EXPECT_EQ(worktree->facts().repository, "file://" + remote_);
  EXPECT_FALSE(worktree->facts().resumed);
  EXPECT_EQ(Read(*worktree, "src/a.txt"), "one\ntwo\nthree\n");
  EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder + "/.git"));
  struct stat info {};
  ASSERT_EQ(stat((worktree->facts().folder + "/src/a.txt").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, user_.has_value() ? user_->uid : geteuid());
}

TEST_F(GitWorktreesTest, TakesTheBaseBranchThatIsAskedFor) {
  PeopleWrite("side", "x");
  const std::string side = PeoplePush("side", "release/1");
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees, "t1", "release/1");
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(worktree->facts().base_commit, side);
  EXPECT_EQ(Read(*worktree, "side"), "x");
}

TEST_F(GitWorktreesTest, RefusesABaseThatIsNone) {
  const auto worktrees = Open();
  EXPECT_THAT(worktrees->Prepare("t1", App("nothing"), never_), IsError("BASE_NOT_FOUND"));
  EXPECT_THAT(worktrees->Prepare("t1", App("--upload-pack=x"), never_), IsError("INVALID_WORK"));
  EXPECT_THAT(worktrees->Prepare("t1", App("agent/t1"), never_), IsError("INVALID_WORK"));
  EXPECT_THAT(worktrees->Prepare("../t1", App(), never_), IsError("INVALID_WORK"));
}

TEST_F(GitWorktreesTest, RefusesADefaultBranchThatIsTheTasksOwn) {
  People({"push", "-q", remote_, "HEAD:refs/heads/agent/t1"});
  People({"symbolic-ref", "HEAD", "refs/heads/agent/t1"}, remote_);
  EXPECT_THAT(Open()->Prepare("t1", App(), never_), IsError("BASE_REFUSED"));
}

TEST_F(GitWorktreesTest, RefusesAnEmptyRepository) {
  People({"init", "-q", "--bare", dir_.File("empty.git")}, dir_.path());
  GitWorktrees::Options options = Options();
  options.policy = *RepositoryPolicy::Make({dir_.path()}, {}, nullptr);
  RepositoryWork work;
  work.repository = dir_.File("empty.git");
  EXPECT_THAT(Open(options)->Prepare("t1", work, never_), IsError("BASE_NOT_FOUND"));
}

TEST_F(GitWorktreesTest, RefusesARepositoryThatIsNotListed) {
  RepositoryWork work;
  work.repository = dir_.File("other.git");
  EXPECT_THAT(Open()->Prepare("t1", work, never_), IsError("REPOSITORY_NOT_ALLOWED"));
  work.repository = "ext::sh -c true";
  EXPECT_THAT(Open()->Prepare("t1", work, never_), IsError("INVALID_URL"));
}

TEST_F(GitWorktreesTest, CommitsWithATrailerOnTheTasksBranchOnly) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "src/a.txt", "one\n2\nthree\n");
  Write(*worktree, "new/b", "b\n");
  SY_ASSERT_OK_AND_ASSIGN(const Commitment made, worktree->Commit("Mend it", never_));
  EXPECT_TRUE(made.made);
  const GitAnswer log = ByHand(*worktree, {"log", "-1", "--format=%an|%ae|%at|%P|%B", "agent/t1"});
  EXPECT_EQ(log.output, absl::StrCat("Switchyard|switchyard@localhost|", absl::ToUnixSeconds(clock_.Now()), "|",
                                     worktree->facts().base_commit, "|Mend it\n\nSwitchyard-Task: t1\n\n"));
  SY_ASSERT_OK_AND_ASSIGN(const Commitment again, worktree->Commit("Nothing", never_));
  EXPECT_FALSE(again.made);
  EXPECT_EQ(again.commit, made.commit);
}

TEST_F(GitWorktreesTest, TellsWhatWasChangedCommittedOrNot) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  EXPECT_THAT(Paths(*worktree), IsEmpty());
  Write(*worktree, "src/a.txt", "one\n2\nthree\nfour\n");
  ASSERT_THAT(worktree->Commit("one", never_), IsOk());
  Write(*worktree, ".gitignore", "*.o\n");
  Write(*worktree, "x.o", "ignored");
  Write(*worktree, "image", std::string("\0\1\2", 3));
  std::filesystem::remove(worktree->facts().folder + "/README");
  const checks::Changes changes = Look(*worktree);
  ASSERT_EQ(changes.paths.size(), 4u);
  EXPECT_EQ(changes.paths[0].path, ".gitignore");
  EXPECT_EQ(changes.paths[0].kind, Kind::kAdded);
  EXPECT_EQ(changes.paths[1].path, "README");
  EXPECT_EQ(changes.paths[1].kind, Kind::kDeleted);
  EXPECT_EQ(changes.paths[1].lines_removed, 1);
  EXPECT_TRUE(changes.paths[2].binary);
  EXPECT_EQ(changes.paths[3].path, "src/a.txt");
  EXPECT_EQ(changes.paths[3].lines_added, 2);
  EXPECT_EQ(changes.paths[3].lines_removed, 1);
  EXPECT_THAT(changes.uncommitted, ElementsAre(".gitignore", "README", "image"));
}

TEST_F(GitWorktreesTest, CallsARenameADeletionAndAnAddition) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  std::filesystem::rename(worktree->facts().folder + "/src/a.txt", worktree->facts().folder + "/src/b.txt");
  EXPECT_THAT(Paths(*worktree), ElementsAre("src/a.txt", "src/b.txt"));
  SY_ASSERT_OK_AND_ASSIGN(const DiffText diff, worktree->Diff(10'000, never_));
  EXPECT_THAT(diff.text, HasSubstr("rename to src/b.txt"));
}

TEST_F(GitWorktreesTest, KnowsFilesAsTheBaseHasThem) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "src/a.txt", "other");
  ASSERT_THAT(worktree->Commit("one", never_), IsOk());
  EXPECT_EQ(worktree->changes().Before("src/a.txt", 100), "one\ntwo\nthree\n");
  EXPECT_EQ(worktree->changes().Before("src/a.txt", 14), "one\ntwo\nthree\n");
  EXPECT_EQ(worktree->changes().Before("src/a.txt", 13), std::nullopt);
  EXPECT_EQ(worktree->changes().Before("nothing", 100), std::nullopt);
  EXPECT_EQ(worktree->changes().Before("src", 100), std::nullopt);
}

TEST_F(GitWorktreesTest, CutsALongDiff) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "long", std::string(100'000, 'x') + "\n");
  SY_ASSERT_OK_AND_ASSIGN(const DiffText diff, worktree->Diff(1000, never_));
  EXPECT_TRUE(diff.cut);
  EXPECT_LE(diff.text.size(), 1000u);
  EXPECT_THAT(diff.text, HasSubstr("+++ b/long"));
}

TEST_F(GitWorktreesTest, StopsALookAtItsTime) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  EXPECT_THAT(worktree->changes().Look(absl::ZeroDuration(), never_), StatusIs(absl::StatusCode::kDeadlineExceeded));
  const Stop stopped(true);
  EXPECT_THAT(worktree->changes().Look(absl::Minutes(1), stopped), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Paths(*worktree), IsEmpty());
}

TEST_F(GitWorktreesTest, PutsASavedStateBack) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, ".gitignore", "*.o\n");
  Write(*worktree, "src/a.txt", "best\n");
  Write(*worktree, "src/good", "good\n");
  SY_ASSERT_OK_AND_ASSIGN(const Snapshot best, worktree->Save(never_));
  Write(*worktree, "src/a.txt", "worse\n");
  Write(*worktree, "src/deep/er/bad", "bad\n");
  Write(*worktree, "old.o", "object");
  std::filesystem::remove(worktree->facts().folder + "/src/good");
  std::filesystem::remove(worktree->facts().folder + "/README");
  Write(*worktree, "README/now/a/folder", "x");
  ASSERT_THAT(worktree->Commit("worse", never_), IsOk());
  Write(*worktree, "untracked", "x");
  ASSERT_THAT(worktree->Restore(best, never_), IsOk());
  EXPECT_EQ(Read(*worktree, "src/a.txt"), "best\n");
  EXPECT_EQ(Read(*worktree, "src/good"), "good\n");
  EXPECT_EQ(Read(*worktree, "README"), "hello\n");
  EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder + "/old.o"));
  EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder + "/src/deep"));
  EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder + "/untracked"));
  EXPECT_THAT(Paths(*worktree), ElementsAre(".gitignore", "src/a.txt", "src/good"));
  SY_ASSERT_OK_AND_ASSIGN(const Commitment made, worktree->Commit("best", never_));
  EXPECT_TRUE(made.made);
  EXPECT_THAT(worktree->Restore({.tree = "--help"}, never_), IsError("GIT_FAILED"));
}

TEST_F(GitWorktreesTest, PushesTheTasksBranchAndNothingElse) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  EXPECT_THAT(worktree->Push(never_), IsError("NOTHING_TO_PUSH"));
  const std::string main = AtRemote("refs/heads/main");
  Write(*worktree, "b", "b\n");
  SY_ASSERT_OK_AND_ASSIGN(const Commitment made, worktree->Commit("b", never_));
  SY_ASSERT_OK_AND_ASSIGN(const std::string pushed, worktree->Push(never_));
  EXPECT_EQ(pushed, made.commit);
  EXPECT_EQ(AtRemote("refs/heads/agent"), made.commit);
  EXPECT_EQ(AtRemote("refs/heads/main"), main);
  EXPECT_THAT(worktree->Push(never_), switchyard::testing::IsOkAndHolds(made.commit));
  Write(*worktree, "b", "c\n");
  SY_ASSERT_OK_AND_ASSIGN(const Commitment more, worktree->Commit("c", never_));
  ASSERT_THAT(worktree->Push(never_), IsOk());
  EXPECT_EQ(AtRemote("refs/heads/agent"), more.commit);
}

TEST_F(GitWorktreesTest, NeverOverwritesCommitsOfOthers) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "b", "b\n");
  ASSERT_THAT(worktree->Commit("b", never_), IsOk());
  const std::string theirs = PeoplePush("theirs", "agent/t1");
  EXPECT_THAT(worktree->Push(never_), IsError("PUSH_REJECTED"));
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), theirs);
}

TEST_F(GitWorktreesTest, TellsARemoteThatRefuses) {
  const std::string hook = dir_.Write("remote.git/hooks/pre-receive", "#!/bin/sh\necho not today >&2\nexit 1\n");
  chmod(hook.c_str(), 0755);
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "b", "b\n");
  ASSERT_THAT(worktree->Commit("b", never_), IsOk());
  const absl::StatusOr<std::string> pushed = worktree->Push(never_);
  EXPECT_THAT(pushed, IsError("PUSH_REJECTED"));
  EXPECT_THAT(std::string(pushed.status().message()), HasSubstr("not today"));
}

TEST_F(GitWorktreesTest, CountsHowFarTheBaseWentOn) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "b", "b\n");
  ASSERT_THAT(worktree->Commit("b", never_), IsOk());
  PeoplePush("one");
  PeoplePush("two");
  SY_ASSERT_OK_AND_ASSIGN(const Standing before, worktree->Compare(false, never_));
  EXPECT_EQ(before.base_behind, 0);
  EXPECT_EQ(before.ahead, 1);
  SY_ASSERT_OK_AND_ASSIGN(const Standing after, worktree->Compare(true, never_));
  EXPECT_EQ(after.base_behind, 2);
  EXPECT_EQ(after.ahead, 1);
}

TEST_F(GitWorktreesTest, AnotherExecutorGoesOnFromThePushedBranch) {
  std::string commit;
  {
    const auto worktrees = Open("first");
    const auto worktree = Prepare(*worktrees);
    Write(*worktree, "b", "b\n");
    commit = worktree->Commit("b", never_)->commit;
    ASSERT_THAT(worktree->Push(never_), IsOk());
    worktree->Release(Release::kRemove);
  }
  const std::string old_base = AtRemote("refs/heads/main");
  PeoplePush("meanwhile");
  const auto worktrees = Open("second");
  const auto worktree = Prepare(*worktrees);
  EXPECT_TRUE(worktree->facts().resumed);
  EXPECT_EQ(worktree->facts().base_commit, old_base);
  EXPECT_EQ(Read(*worktree, "b"), "b\n");
  EXPECT_THAT(Paths(*worktree), ElementsAre("b"));
  Write(*worktree, "c", "c\n");
  ASSERT_THAT(worktree->Commit("c", never_), IsOk());
  ASSERT_THAT(worktree->Push(never_), IsOk());
  EXPECT_EQ(People({"log", "--format=%s", "agent/t1"}, remote_), "c\nb\nbegin");
}

TEST_F(GitWorktreesTest, TheSameExecutorGoesOnWithWhatItKept) {
  {
    const auto worktrees = Open();
    const auto worktree = Prepare(*worktrees);
    Write(*worktree, "b", "b\n");
    ASSERT_THAT(worktree->Commit("b", never_), IsOk());
    Write(*worktree, "unfinished", "half\n");
  }
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  EXPECT_TRUE(worktree->facts().resumed);
  EXPECT_THAT(Look(*worktree).uncommitted, ElementsAre("unfinished"));
  EXPECT_THAT(Paths(*worktree), ElementsAre("b", "unfinished"));
}

TEST_F(GitWorktreesTest, CommitsOutliveAWorktreeThatWasRemoved) {
  const auto worktrees = Open();
  {
    const auto worktree = Prepare(*worktrees);
    Write(*worktree, "b", "b\n");
    ASSERT_THAT(worktree->Commit("b", never_), IsOk());
    worktree->Release(Release::kRemove);
    EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder));
  }
  const auto worktree = Prepare(*worktrees);
  EXPECT_TRUE(worktree->facts().resumed);
  EXPECT_EQ(Read(*worktree, "b"), "b\n");
}

TEST_F(GitWorktreesTest, TheRemotesBranchWinsOverAnotherLocalOne) {
  const auto worktrees = Open();
  {
    const auto worktree = Prepare(*worktrees);
    Write(*worktree, "mine", "b\n");
    ASSERT_THAT(worktree->Commit("mine", never_), IsOk());
    Write(*worktree, "untracked", "b\n");
  }
  PeopleWrite("theirs", "x\n");
  PeoplePush("theirs", "agent/t1");
  const auto worktree = Prepare(*worktrees);
  EXPECT_TRUE(worktree->facts().resumed);
  EXPECT_THAT(Paths(*worktree), ElementsAre("theirs"));
  EXPECT_FALSE(std::filesystem::exists(worktree->facts().folder + "/untracked"));
}

TEST_F(GitWorktreesTest, BeginsAnewWhereNothingWasDone) {
  const auto worktrees = Open();
  Prepare(*worktrees)->Release(Release::kRemove);
  const std::string base = PeoplePush("meanwhile");
  const auto worktree = Prepare(*worktrees);
  EXPECT_FALSE(worktree->facts().resumed);
  EXPECT_EQ(worktree->facts().base_commit, base);
}

TEST_F(GitWorktreesTest, RefusesABranchThatHasNothingInCommonWithTheBase) {
  People({"checkout", "-q", "--orphan", "other"});
  PeoplePush("unrelated", "agent/t1");
  EXPECT_THAT(Open()->Prepare("t1", App(), never_), IsError("BRANCH_UNRELATED"));
}

TEST_F(GitWorktreesTest, GivesEachTaskItsOwnAndOneAttemptAtATime) {
  const auto worktrees = Open();
  const auto one = Prepare(*worktrees, "t1");
  const auto two = Prepare(*worktrees, "t2");
  EXPECT_NE(one->facts().folder, two->facts().folder);
  Write(*one, "b", "1");
  EXPECT_THAT(Paths(*two), IsEmpty());
  EXPECT_THAT(worktrees->Prepare("t1", App(), never_), IsError("WORKTREE_BUSY"));
  one->Release(Release::kKeep);
  EXPECT_NE(Prepare(*worktrees, "t1"), nullptr);
}

TEST_F(GitWorktreesTest, HooksRefuseOtherBranchesByHand) {
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  ByHand(*worktree, {"checkout", "-q", "-b", "other"});
  EXPECT_EQ(ByHand(*worktree, {"rev-parse", "--verify", "-q", "other"}).exit_code, 1);
  const GitAnswer base = ByHand(*worktree, {"update-ref", "refs/heads/main", "HEAD"});
  EXPECT_NE(base.exit_code, 0);
  EXPECT_THAT(base.error, HasSubstr("refused: this task moves agent/t1"));
  ByHand(*worktree, {"symbolic-ref", "HEAD", "refs/heads/main"});
  const GitAnswer commit = ByHand(*worktree, {"commit", "--allow-empty", "-m", "on main"});
  EXPECT_NE(commit.exit_code, 0);
  EXPECT_THAT(commit.error, HasSubstr("refused: this task commits on agent/t1"));
  ByHand(*worktree, {"symbolic-ref", "HEAD", "refs/heads/agent/t1"});
  EXPECT_EQ(ByHand(*worktree, {"commit", "--allow-empty", "-m", "fine"}).exit_code, 0);
}

TEST_F(GitWorktreesTest, HooksRefusePushesElsewhereByHand) {
  People({"init", "-q", "--bare", dir_.File("elsewhere.git")}, dir_.path());
  const auto worktrees = Open();
  const auto worktree = Prepare(*worktrees);
  const std::string own = "file://" + remote_;
  ASSERT_EQ(ByHand(*worktree, {"commit", "--allow-empty", "-m", "fine"}).exit_code, 0);
  // As one who may write there.
  const auto push = [&](const std::string& where, const std::string& what) {
    return ByHand(*worktree, {"push", where, what}, /*as_task=*/false);
  };
  EXPECT_THAT(push("file://" + dir_.File("elsewhere.git"), "HEAD:refs/heads/agent/t1").error,
              HasSubstr("refused: this task pushes to its own repository"));
  EXPECT_EQ(People({"for-each-ref"}, dir_.File("elsewhere.git")), "");
  const std::string main = AtRemote("refs/heads/main");
  for (const char* what : {"HEAD:refs/heads/main", "HEAD:refs/heads/agent/t2"}) {
    EXPECT_THAT(push(own, what).error, HasSubstr("refused: this task pushes agent/t1")) << what;
  }
  EXPECT_EQ(push(own, "HEAD:refs/heads/agent/t1").exit_code, 0);
  EXPECT_THAT(push(own, ":refs/heads/agent/t1").error, HasSubstr("refused: this task deletes no branch"));
  EXPECT_EQ(AtRemote("refs/heads/main"), main);
  EXPECT_NE(AtRemote("refs/heads/agent/t1"), "");
}

TEST_F(GitWorktreesTest, MendsWhatAKilledExecutorLeft) {
  {
    const auto worktrees = Open();
    const auto worktree = Prepare(*worktrees, "t1");
    Write(*worktree, "b", "b\n");
    ASSERT_THAT(worktree->Commit("b", never_), IsOk());
    for (const char* name : {"index.lock", "HEAD.lock", "refs/heads/agent/t1.lock"}) {
      std::ofstream(GitFolder(*worktree) + "/" + name) << "x";
      Own(GitFolder(*worktree) + "/" + name);
    }
    const auto half = Prepare(*worktrees, "half");
    const std::string record = half->facts().folder + "/../record";
    half->Release(Release::kKeep);
    std::filesystem::remove(record);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.File("data/repositories"))) {
    if (entry.path().filename() != "mirror.git") continue;
    for (const char* name : {"packed-refs.lock", "shallow.lock", "config.lock", "refs/heads/agent/t1.lock"}) {
      std::ofstream(entry.path() / name) << "x";
    }
    std::ofstream(entry.path() / "objects/pack/tmp_pack_abc") << "half";
    break;
  }
  const auto worktrees = Open();
  EXPECT_THAT(ReadText(dir_.File("data/repositories/git/config")), HasSubstr("fsmonitor = false"));
  const auto worktree = Prepare(*worktrees, "t1");
  ASSERT_NE(worktree, nullptr);
  EXPECT_THAT(Paths(*worktree), ElementsAre("b"));
  Write(*worktree, "c", "c\n");
  ASSERT_THAT(worktree->Commit("c", never_), IsOk());
  ASSERT_THAT(worktree->Push(never_), IsOk());
  const auto half = Prepare(*worktrees, "half");
  ASSERT_NE(half, nullptr);
  EXPECT_FALSE(half->facts().resumed);
}

TEST_F(GitWorktreesTest, MakesADamagedIndexOrFolderAnew) {
  const auto worktrees = Open();
  std::string folder;
  {
    const auto worktree = Prepare(*worktrees);
    Write(*worktree, "b", "b\n");
    ASSERT_THAT(worktree->Commit("b", never_), IsOk());
    folder = GitFolder(*worktree);
  }
  std::ofstream(folder + "/index", std::ios::trunc) << "no index";
  {
    const auto worktree = Prepare(*worktrees);
    ASSERT_NE(worktree, nullptr);
    EXPECT_THAT(Paths(*worktree), ElementsAre("b"));
  }
  std::filesystem::remove_all(folder + "/refs");
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_THAT(Paths(*worktree), ElementsAre("b"));
}

TEST_F(GitWorktreesTest, TellsWhetherGitIsThere) {
  EXPECT_THAT(Open()->Probe(), IsOk());
  GitWorktrees::Options options = Options();
  options.git = "/nonexistent/git";
  EXPECT_THAT(Open(options)->Probe(), IsError("GIT_FAILED"));
}

TEST_F(GitWorktreesTest, RefusesAnAuthorThatIsNone) {
  for (const char* bad : {"", "name", "<a@b>", "name <>", "name <a@b> x", "a\nb <a@b>"}) {
    GitWorktrees::Options options = Options();
    options.author = bad;
    EXPECT_THAT(GitWorktrees::Create(options, clock_), IsError("INVALID_FIELD")) << bad;
  }
}

}  // namespace
}  // namespace switchyard::executor::repository
