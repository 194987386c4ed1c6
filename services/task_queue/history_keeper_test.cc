#include "services/task_queue/history_keeper.h"

#include <thread>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/postgres_task_batch.h"
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

TEST_F(HistoryKeeperTest, AReaderOfTheRequestIdsHoldsUpNothingWhereNoRotationIsDue) {
  Submit("first");
  clock_.Advance(absl::Hours(25));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  auto reader = database_.pool().Acquire();
  ASSERT_THAT(reader, IsOk());
  ASSERT_THAT((*reader)->RunScript("BEGIN; TABLE task_queue.request_key"), IsOk());
  clock_.Advance(absl::Minutes(10));
  EXPECT_THAT(database_.history().Tick(), IsOk());
  Submit("second");
  ASSERT_THAT((*reader)->RunScript("COMMIT"), IsOk());
}

TEST_F(HistoryKeeperTest, ARotationBehindAReaderIsPutOffAndTheRestIsDone) {
  const TaskId finished = Submit("first");
  Cancel(finished);
  auto reader = database_.pool().Acquire();
  ASSERT_THAT(reader, IsOk());
  ASSERT_THAT((*reader)->RunScript("BEGIN; TABLE task_queue.request_key LIMIT 1"), IsOk());
  clock_.Advance(absl::Hours(24 * 32));
  EXPECT_THAT(database_.history().Tick(), IsError("LOCK_TIMEOUT"));
  EXPECT_GT(database_.history().dropped(), 0);
  EXPECT_THAT(database_.store().Get(finished), IsError("TASK_NOT_FOUND"));
  Submit("second");
  EXPECT_EQ(last_.kind, InsertOutcome::Kind::kInserted) << "today has its partitions";
  ASSERT_THAT((*reader)->RunScript("COMMIT"), IsOk());
  EXPECT_THAT(database_.history().Tick(), IsOk());
}

TEST_F(HistoryKeeperTest, PinsMoreThanOneBatchHolds) {
  std::vector<TaskId> waiting;
  for (int i = 0; i < 450; ++i) waiting.push_back(Submit());
  clock_.Advance(absl::Hours(24 * 32));
  ASSERT_THAT(database_.history().Tick(), IsOk());
  for (const TaskId& id : waiting) EXPECT_THAT(database_.store().Get(id), IsOk());
  const auto page = database_.store().List({}, false, std::nullopt, 1'000);
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->tasks.size(), waiting.size());
}

TEST_F(HistoryKeeperTest, ListsATaskOnceWhileItsDayIsDropped) {
  const TaskId id = Submit();
  auto session = database_.pool().Acquire();
  ASSERT_THAT(session, IsOk());
  ASSERT_THAT((*session)->RunScript("INSERT INTO task_queue.task_pinned SELECT * FROM task_queue.task"), IsOk());
  for (const bool newest_first : {false, true}) {
    const auto page = database_.store().List({}, newest_first, std::nullopt, 10);
    ASSERT_THAT(page, IsOk());
    ASSERT_EQ(page->tasks.size(), 1u);
    EXPECT_EQ(page->tasks[0].record.id, id);
  }
}

// A batch ends a task of a day that is being dropped: when it wrote, nothing said that the task is pinned.
TEST_F(HistoryKeeperTest, KeepsAnEndThatWasBeingWrittenWhileItsTaskWasPinned) {
  const TaskId id = Submit();
  clock_.Advance(absl::Hours(24 * 32));
  ASSERT_THAT(database_.history().MakePartitions(), IsOk());
  auto session = database_.pool().Acquire();
  ASSERT_THAT(session, IsOk());
  ASSERT_THAT((*session)->Begin(), IsOk());
  PostgresTaskBatch batch(**session);
  const TaskRecord before = database_.store().Get(id)->record;
  TaskRecord after = before;
  ASSERT_THAT(Decide(rules_, {id, task_queue::Cancel{""}}, clock_.Now(), after), IsOk());
  const Move move{.from = before.stage(),
                  .generation = before.generation,
                  .revision = before.revision,
                  .next = &after,
                  .new_events = 1};
  ASSERT_THAT(batch.Apply({&move, 1}, clock_.Now()), IsOk());

  absl::Status ticked;
  std::thread dropping([&] { ticked = database_.history().Tick(); });
  static constexpr pg::Statement kDetaching{
      "detaching",
      "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%DETACH PARTITION task_queue.outcome_p%' "
      "AND wait_event_type = 'Lock' AND datname = current_database()"};
  while (database_.pool().Execute(kDetaching).value()[0].Int64(0) == 0) std::this_thread::yield();
  EXPECT_EQ((*session)->Commit().state, pg::CommitOutcome::State::kCommitted);
  dropping.join();
  ASSERT_THAT(ticked, IsOk());
  EXPECT_GT(database_.history().dropped(), 0);
  const auto task = database_.store().Get(id);
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->record.state, TaskState::kCancelled);
}

TEST_F(HistoryKeeperTest, EndsSoonWhenTheProcessStops) {
  Submit();
  clock_.Advance(absl::Hours(24 * 32));
  database_.history().Cancel();
  EXPECT_EQ(database_.history().Tick().code(), absl::StatusCode::kCancelled);
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
