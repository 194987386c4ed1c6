#include "gmock/gmock.h"
#include "services/executor/repository/repository_fixture.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using switchyard::testing::IsOk;

class SweepTest : public RepositoryTest {
 protected:
  // The folder of a task whose worktree was kept with a file of that size.
  std::string Keep(Worktrees& worktrees, const std::string& task, std::size_t bytes) {
    const auto worktree = RepositoryTest::Prepare(worktrees, task);
    if (worktree == nullptr) return "";
    Write(*worktree, "file", std::string(bytes, 'x'));
    return worktree->facts().folder;
  }
  static bool Exists(const std::string& path) { return std::filesystem::exists(path); }
};

TEST_F(SweepTest, RemovesWhatIsKeptLongEnough) {
  GitWorktrees::Options options = Options();
  options.keep = absl::Hours(2);
  const auto worktrees = Open(options);
  const std::string old = Keep(*worktrees, "old", 10);
  clock_.Advance(absl::Hours(1));
  const std::string young = Keep(*worktrees, "young", 10);
  worktrees->Sweep();
  EXPECT_TRUE(Exists(old));
  clock_.Advance(absl::Hours(1));
  worktrees->Sweep();
  EXPECT_FALSE(Exists(old));
  EXPECT_TRUE(Exists(young));
}

TEST_F(SweepTest, DoesNothingOnceStopped) {
  const auto worktrees = Open();
  const std::string old = Keep(*worktrees, "old", 10);
  clock_.Advance(absl::Hours(1000));
  worktrees->StopSweeping();
  worktrees->Sweep();
  EXPECT_TRUE(Exists(old));
}

TEST_F(SweepTest, LeavesWhatIsUsed) {
  GitWorktrees::Options options = Options();
  options.keep = absl::ZeroDuration();
  const auto worktrees = Open(options);
  const auto used = RepositoryTest::Prepare(*worktrees);
  clock_.Advance(absl::Hours(1000));
  worktrees->Sweep();
  EXPECT_TRUE(Exists(used->facts().folder + "/README"));
}

TEST_F(SweepTest, KnowsTheAgeOfWhatAFormerProcessKept) {
  std::string old;
  {
    const auto worktrees = Open();
    old = Keep(*worktrees, "old", 10);
  }
  clock_.Advance(absl::Hours(25));
  const auto worktrees = Open();
  EXPECT_TRUE(Exists(old));
  worktrees->Sweep();
  EXPECT_FALSE(Exists(old));
}

TEST_F(SweepTest, MakesRoomFromTheLongestUnused) {
  GitWorktrees::Options options = Options();
  options.max_bytes = 5 << 20;
  const auto worktrees = Open(options);
  const std::string first = Keep(*worktrees, "first", 2 << 20);
  clock_.Advance(absl::Minutes(1));
  const std::string second = Keep(*worktrees, "second", 2 << 20);
  clock_.Advance(absl::Minutes(1));
  const std::string third = Keep(*worktrees, "third", 2 << 20);
  // The fourth finds no room until the first is gone.
  const auto fourth = RepositoryTest::Prepare(*worktrees, "fourth");
  ASSERT_NE(fourth, nullptr);
  EXPECT_FALSE(Exists(first));
  EXPECT_TRUE(Exists(second));
  EXPECT_TRUE(Exists(third));
}

TEST_F(SweepTest, AWorktreeBeyondTheRoomIsHandedBackAndGoes) {
  GitWorktrees::Options options = Options();
  options.max_bytes = 3 << 20;
  const auto worktrees = Open(options);
  const std::string big = Keep(*worktrees, "big", 4 << 20);
  EXPECT_THAT(worktrees->Prepare("big", App(), never_), IsError("DISK_FULL"));
  worktrees->Sweep();
  EXPECT_FALSE(Exists(big));
  EXPECT_THAT(worktrees->Prepare("big", App(), never_), IsOk());
}

TEST_F(SweepTest, RefusesWorkThatFindsNoRoom) {
  GitWorktrees::Options options = Options();
  options.max_bytes = 1;
  EXPECT_THAT(Open(options)->Prepare("t1", App(), never_), IsError("DISK_FULL"));
  GitWorktrees::Options full = Options("full");
  full.min_free_bytes = std::uint64_t{1} << 62;
  EXPECT_THAT(Open(full)->Prepare("t1", App(), never_), IsError("DISK_FULL"));
}

TEST_F(SweepTest, RefusesABaseThatFillsTheRoom) {
  PeopleWrite("large", std::string(3 << 20, 'x'));
  PeoplePush("large");
  GitWorktrees::Options options = Options();
  options.max_bytes = 2 << 20;
  const auto worktrees = Open(options);
  EXPECT_THAT(worktrees->Prepare("t1", App(), never_), IsError("DISK_FULL"));
  // Nothing is left of it, and the next one hears the same.
  EXPECT_THAT(worktrees->Prepare("t1", App(), never_), IsError("DISK_FULL"));
}

TEST_F(SweepTest, ACloneGoesOnceNoWorktreeNeedsIt) {
  GitWorktrees::Options options = Options();
  std::string repository;
  {
    const auto worktrees = Open(options);
    const std::string folder = Keep(*worktrees, "t1", 10);
    repository = std::filesystem::path(folder).parent_path().parent_path().parent_path();
  }
  options.max_bytes = 1;
  const auto worktrees = Open(options);
  worktrees->Sweep();
  EXPECT_FALSE(Exists(repository));
}

TEST_F(SweepTest, ManyPacksBecomeOneAndNothingIsLost) {
  const auto worktrees = Open();
  auto worktree = RepositoryTest::Prepare(*worktrees);
  const std::filesystem::path repository =
      std::filesystem::path(worktree->facts().folder).parent_path().parent_path().parent_path();
  const auto packs = [&repository] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(repository / "mirror.git/objects/pack")) {
      if (entry.path().extension() == ".pack") ++count;
    }
    return count;
  };
  for (int i = 0; packs() < 40; ++i) {
    ASSERT_LT(i, 60);
    PeoplePush(std::to_string(i));
    ASSERT_THAT(worktree->Compare(true, never_), IsOk());
  }
  worktrees->Sweep();
  EXPECT_GE(packs(), 40) << "it is in use";
  worktree->Release(Release::kKeep);
  worktrees->Sweep();
  EXPECT_EQ(packs(), 1);
  worktree = RepositoryTest::Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(Read(*worktree, "README"), "hello\n");
  EXPECT_EQ(ByHand(*worktree, {"fsck", "--full"}).exit_code, 0);
}

}  // namespace
}  // namespace switchyard::executor::repository
