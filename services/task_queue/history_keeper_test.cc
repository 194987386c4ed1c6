#include "services/task_queue/history_keeper.h"

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/postgres_test_database.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

class HistoryKeeperTest : public ::testing::Test {
 protected:
  TaskId Submit(std::string_view request_id = "") {
    NewTask task;
    task.record.id = ids_.New<TaskId>();
    task.record.project = "default";
    task.record.principal = "tester";
    task.spec = "spec";
    task.request_id = std::string(request_id);
    task.content_hash = "hash";
    Begin(absl::InfinitePast(), clock_.Now(), task.record);
    EXPECT_THAT(database_.store().RunBatch([&](TaskBatch& batch) {
      const auto outcomes = batch.Insert({&task, 1}, clock_.Now());
      if (outcomes.ok()) last_ = (*outcomes)[0];
      return outcomes.status();
    }),
                IsOk());
    return task.record.id;
  }

  void Cancel(const TaskId& id) {
    EXPECT_THAT(database_.store().RunBatch([&](TaskBatch& batch) -> absl::Status {
      auto records = batch.Load({&id, 1});
      if (!records.ok()) return records.status();
      const TaskRecord before = *(*records)[0];
      TaskRecord after = before;
      const auto decided = Decide(rules_, {id, task_queue::Cancel{""}}, clock_.Now(), after);
      if (!decided.ok()) return decided.status();
      const Move move{.from = before.stage(),
                      .generation = before.generation,
                      .revision = before.revision,
                      .next = &after,
                      .new_events = 1};
      return batch.Apply({&move, 1}, clock_.Now()).status();
    }),
                IsOk());
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  PostgresTestDatabase database_{clock_};
  InsertOutcome last_;
};

TEST_F(HistoryKeeperTest, DropsWhatFinishedBeforeTheRetention) {
  const TaskId finished = Submit();
  Cancel(finished);
  EXPECT_THAT(database_.store().Get(finished), IsOk());
  clock_.Advance(absl::Hours(24 * 32));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  EXPECT_GT(database_.history().dropped(), 0);
  EXPECT_THAT(database_.store().Get(finished), IsError("TASK_NOT_FOUND"));
}

TEST_F(HistoryKeeperTest, KeepsTasksThatStillWait) {
  const TaskId waiting = Submit();
  clock_.Advance(absl::Hours(24 * 32));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  const auto task = database_.store().Get(waiting);
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->spec, "spec");
}

TEST_F(HistoryKeeperTest, KeepsTasksThatFinishedLateUntilTheirRetentionEnds) {
  const TaskId late = Submit();
  clock_.Advance(absl::Hours(24 * 20));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  Cancel(late);
  clock_.Advance(absl::Hours(24 * 12));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  const auto task = database_.store().Get(late);
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->spec, "spec");
  clock_.Advance(absl::Hours(24 * 20));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  EXPECT_THAT(database_.store().Get(late), IsError("TASK_NOT_FOUND"));
}

TEST_F(HistoryKeeperTest, ToldWatchersKnowWhichEventsAreGone) {
  Submit();
  const EventPosition before = *database_.store().EventsBegin();
  clock_.Advance(absl::Hours(24 * 9));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  EXPECT_GT(*database_.store().EventsBegin(), before);
}

TEST_F(HistoryKeeperTest, MakesPartitionsWhileALongReaderHoldsTheTable) {
  auto reader = database_.pool().Acquire();
  ASSERT_THAT(reader, IsOk());
  Submit();
  ASSERT_THAT((*reader)->RunScript("BEGIN; TABLE task_queue.task LIMIT 1"), IsOk());
  clock_.Advance(absl::Hours(24 * 5));
  EXPECT_THAT(database_.history().MakePartitions(), IsOk());
  Submit();
  ASSERT_THAT((*reader)->RunScript("COMMIT"), IsOk());
}

TEST_F(HistoryKeeperTest, RemembersRequestIdsForAtLeastADayThenForgetsThem) {
  Submit("again");
  ASSERT_EQ(last_.kind, InsertOutcome::Kind::kInserted);
  clock_.Advance(absl::Hours(23));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  Submit("again");
  EXPECT_EQ(last_.kind, InsertOutcome::Kind::kReplayed);
  for (int day = 0; day < 3; ++day) {
    clock_.Advance(absl::Hours(25));
    ASSERT_THAT(database_.history().Tick(), IsOk());
  }
  Submit("again");
  EXPECT_EQ(last_.kind, InsertOutcome::Kind::kInserted);
}

TEST_F(HistoryKeeperTest, CompactedCountsAreTheSame) {
  Submit();
  Cancel(Submit());
  const auto before = database_.store().CountByLane();
  ASSERT_THAT(database_.history().Compact(), IsOk());
  const auto after = database_.store().CountByLane();
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  for (int lane = 0; lane < kLaneCount; ++lane) {
    for (int stage = 0; stage < kStageCount; ++stage) {
      EXPECT_EQ((*before)[lane].by_stage[stage], (*after)[lane].by_stage[stage]);
    }
  }
  EXPECT_EQ((*after)[2].by_stage[static_cast<int>(Stage::kReady)], 1);
  EXPECT_EQ((*after)[2].by_stage[static_cast<int>(Stage::kDone)], 1);
}

}  // namespace
}  // namespace switchyard::task_queue
