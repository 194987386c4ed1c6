#include "services/task_queue/task.h"

#include <set>

#include "gtest/gtest.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr int kFirstState = static_cast<int>(TaskState::kQueued);
constexpr int kLastState = static_cast<int>(TaskState::kDiscarded);

TEST(TaskTest, LivesInTheStageOfItsState) {
  EXPECT_EQ(StageOf(TaskState::kQueued, HoldReason::kNone), Stage::kReady);
  EXPECT_EQ(StageOf(TaskState::kQueued, HoldReason::kBackoff), Stage::kHeld);
  EXPECT_EQ(StageOf(TaskState::kAssigned, HoldReason::kNone), Stage::kRunning);
  EXPECT_EQ(StageOf(TaskState::kRunning, HoldReason::kNone), Stage::kRunning);
  EXPECT_EQ(StageOf(TaskState::kVerifying, HoldReason::kNone), Stage::kJudging);
  EXPECT_EQ(StageOf(TaskState::kDeadLetter, HoldReason::kNone), Stage::kDead);
  EXPECT_EQ(StageOf(TaskState::kPartial, HoldReason::kNone), Stage::kDone);
}

TEST(TaskTest, NeverLeavesAFinalState) {
  for (int from = kFirstState; from <= kLastState; ++from) {
    for (int to = kFirstState; to <= kLastState; ++to) {
      EXPECT_FALSE(IsFinal(TaskState(from)) && IsTransitionLegal(TaskState(from), TaskState(to)));
    }
  }
  EXPECT_FALSE(IsFinal(TaskState::kDeadLetter));
}

TEST(TaskTest, LeavesTheDeadLetterOnlyByRetryAndDiscard) {
  std::set<TaskState> reached;
  for (int to = kFirstState; to <= kLastState; ++to) {
    if (IsTransitionLegal(TaskState::kDeadLetter, TaskState(to))) reached.insert(TaskState(to));
  }
  EXPECT_EQ(reached, (std::set<TaskState>{TaskState::kQueued, TaskState::kDiscarded}));
}

TEST(TaskTest, RanksLanesFirstThenFreshBeforeRetried) {
  const TaskRecord fresh{.lane = Lane::kHigh};
  const TaskRecord retried{.lane = Lane::kHigh, .generation = Generation(1)};
  EXPECT_LT(fresh.rank(), retried.rank());
  EXPECT_LT(retried.rank(), TaskRecord{.lane = Lane::kNormal}.rank());
  EXPECT_EQ(TaskRecord{.lane = Lane::kUrgent}.rank(), kFirstRank);
  EXPECT_EQ((TaskRecord{.lane = Lane::kLow, .generation = Generation(9)}.rank()), kLastRank);
}

TEST(TaskTest, SpreadsTasksOverAllShards) {
  std::set<int> shards;
  for (int n = 0; n < 256; ++n) {
    std::array<std::uint8_t, 16> bytes = {};
    bytes[15] = static_cast<std::uint8_t>(n);
    shards.insert(ShardOf(TaskId(Uuid(bytes))));
  }
  EXPECT_EQ(shards.size(), static_cast<std::size_t>(kShardCount));
  EXPECT_EQ(*shards.begin(), 0);
  EXPECT_EQ(*shards.rbegin(), kShardCount - 1);
}

TEST(TaskTest, NamesEveryStateAndHoldDifferently) {
  std::set<std::string_view> names;
  for (int state = kFirstState; state <= kLastState; ++state) names.insert(NameOf(TaskState(state)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kLastState));
  std::set<std::string_view> holds;
  for (int hold = 1; hold <= static_cast<int>(HoldReason::kNoAgent); ++hold) holds.insert(NameOf(HoldReason(hold)));
  EXPECT_EQ(holds.size(), static_cast<std::size_t>(HoldReason::kNoAgent));
  EXPECT_EQ(names.count("UNKNOWN") + holds.count("UNKNOWN"), 0u);
}

}  // namespace
}  // namespace switchyard::task_queue
