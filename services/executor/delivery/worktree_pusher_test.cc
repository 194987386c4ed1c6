#include "services/executor/delivery/worktree_pusher.h"

#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::delivery {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

struct FakeWorktree final : repository::Worktree {
  const repository::WorktreeFacts& facts() const override { return known; }
  absl::StatusOr<repository::Commitment> Commit(const std::string&, const repository::Stop&) override { return unused; }
  checks::ChangeView& changes() override { std::abort(); }
  absl::StatusOr<repository::DiffText> Diff(std::size_t, const repository::Stop&) override { return unused; }
  absl::StatusOr<repository::Snapshot> Save(const repository::Stop&) override { return unused; }
  absl::Status Restore(const repository::Snapshot&, const repository::Stop&) override { return unused; }
  absl::StatusOr<repository::Standing> Compare(bool, const repository::Stop&) override { return unused; }
  absl::StatusOr<std::string> Push(const repository::Stop&) override {
    ++pushes;
    return pushed;
  }
  void Release(repository::Release) override {}

  repository::WorktreeFacts known{.branch = "agent/1"};
  absl::Status unused = absl::UnimplementedError("");
  absl::StatusOr<std::string> pushed = std::string("c1");
  int pushes = 0;
};

struct FullExecutor final : Executor {
  absl::Status Run(std::function<void()>) override {
    return MakeError(absl::StatusCode::kResourceExhausted, "EXECUTOR_FULL", "full");
  }
};

class WorktreePusherTest : public ::testing::Test {
 protected:
  absl::Status Push(const std::string& branch, const std::string& commit, Executor& executor) {
    WorktreePusher pusher(worktree_, stop_, executor);
    absl::Status said = absl::UnknownError("");
    pusher.Push(branch, commit, [&said](absl::Status status) { said = std::move(status); });
    return said;
  }

  FakeWorktree worktree_;
  repository::Stop stop_ = false;
  InlineExecutor inline_;
};

TEST_F(WorktreePusherTest, TheWorktreesBranchIsPushedAndNoOther) {
  EXPECT_THAT(Push("agent/1", "c1", inline_), IsOk());
  EXPECT_EQ(worktree_.pushes, 1);
  EXPECT_THAT(Push("main", "c1", inline_), IsError("PUSH_MISMATCH"));
  EXPECT_EQ(worktree_.pushes, 1);
}

TEST_F(WorktreePusherTest, AnotherCommitThanTheOneThatWasCheckedIsSaid) {
  EXPECT_THAT(Push("agent/1", "c0", inline_), IsError("PUSH_MISMATCH"));
}

TEST_F(WorktreePusherTest, FailuresArePassedOn) {
  worktree_.pushed = MakeError(absl::StatusCode::kFailedPrecondition, "PUSH_REJECTED", "it went on");
  EXPECT_THAT(Push("agent/1", "c1", inline_), IsError("PUSH_REJECTED"));
  FullExecutor full;
  EXPECT_THAT(Push("agent/1", "c1", full), IsError("EXECUTOR_FULL"));
}

}  // namespace
}  // namespace switchyard::executor::delivery
