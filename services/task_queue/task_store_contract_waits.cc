// Tasks that wait for a verdict, and tasks that wait for each other.
#include <algorithm>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/task_store_contract.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<TaskId> IdsOf(const std::vector<JudgingTask>& tasks) {
  std::vector<TaskId> ids;
  for (const JudgingTask& task : tasks) ids.push_back(task.id);
  return ids;
}

TEST_P(TaskStoreContract, FindsWhatAwaitsAVerdict) {
  std::vector<TaskId> ids;
  for (int n = 1; n <= 4; ++n) {
    NewTask task = Make(n);
    task.record.policy.needs_verdict = true;
    Insert({task});
    ids.push_back(IdOf(task));
    AssignTo(ids.back(), "agent");
    if (n != 2) ReportBy(ids.back(), "agent", Finished{});
  }
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<JudgingTask> all, store().ScanJudging({}, 10));
  EXPECT_THAT(IdsOf(all), ElementsAre(ids[0], ids[2], ids[3]));
  EXPECT_EQ(all[0].generation, Generation(1));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<JudgingTask> some, store().ScanJudging(ids[0], 1));
  EXPECT_THAT(IdsOf(some), ElementsAre(ids[2]));
  Do(ids[2], Conclude{.generation = Generation(1), .verdict = Verdict::kSucceeded});
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<JudgingTask> rest, store().ScanJudging(ids[0], 10));
  EXPECT_THAT(IdsOf(rest), ElementsAre(ids[3]));
}

TEST_P(TaskStoreContract, SaysHowTasksStand) {
  const TaskId ready = Submit(1);
  const TaskId running = Submit(2);
  AssignTo(running, "agent");
  const TaskId held = Submit(3);
  Do(held, PauseOne{});
  NewTask judged = Make(4);
  judged.record.policy.needs_verdict = true;
  Insert({judged});
  AssignTo(IdOf(judged), "agent");
  ReportBy(IdOf(judged), "agent", Finished{});
  const TaskId good = Submit(5);
  AssignTo(good, "agent");
  ReportBy(good, "agent", Finished{});
  const TaskId dead = Submit(6);
  AssignTo(dead, "agent");
  ReportBy(dead, "agent", Failed{.permanent = true});
  const TaskId cancelled = Submit(7);
  Do(cancelled, Cancel{});
  std::vector<Standing> standings;
  const auto ask = [&](std::vector<TaskId> ids) {
    EXPECT_THAT(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
      SY_ASSIGN_OR_RETURN(standings, batch.Standings(ids));
      return absl::OkStatus();
    }),
                testing::IsOk());
    return standings;
  };
  EXPECT_THAT(ask({good, ready, IdOf(Make(99)), running, held, IdOf(judged), dead, cancelled}),
              ElementsAre(Standing::kSucceeded, Standing::kLive, Standing::kUnknown, Standing::kLive, Standing::kLive,
                          Standing::kLive, Standing::kFailed, Standing::kFailed));
  Do(IdOf(judged), Conclude{.generation = Generation(1), .verdict = Verdict::kPartial});
  EXPECT_THAT(ask({IdOf(judged)}), ElementsAre(Standing::kSucceeded));
  EXPECT_THAT(ask({}), IsEmpty());
}

TEST_P(TaskStoreContract, KnowsWhoWaitsForWhomUntilThatEnds) {
  const TaskId a = Submit(1);
  const TaskId b = Submit(2);
  NewTask one = Make(3);
  NewTask two = Make(4);
  for (NewTask* task : {&one, &two}) {
    task->record = TaskRecord{.id = IdOf(*task), .project = "website", .awaits = {{.task = a}}};
  }
  one.record.awaits.push_back({.task = b, .optional = true, .until = now() + absl::Minutes(5) + absl::Microseconds(7)});
  for (NewTask* task : {&one, &two}) Begin(absl::InfinitePast(), now() + absl::Milliseconds(3), task->record);
  Insert({one, two});
  EXPECT_EQ(Read(IdOf(one)), one.record);
  const Wait one_a{IdOf(one), a}, one_b{IdOf(one), b}, two_a{IdOf(two), a};
  EXPECT_THAT(store().ScanWaits({}, 10), IsOkAndHolds(ElementsAre(one_a, one_b, two_a)));
  EXPECT_THAT(store().ScanWaits(one_a, 1), IsOkAndHolds(ElementsAre(one_b)));
  const TaskId both[] = {b, a};
  EXPECT_THAT(store().WaitsFor(both, {}, 10), IsOkAndHolds(ElementsAre(one_a, two_a, one_b)));
  EXPECT_THAT(store().WaitsFor(both, {}, 1), IsOkAndHolds(ElementsAre(one_a)));
  EXPECT_THAT(store().WaitsFor(both, one_a, 10), IsOkAndHolds(ElementsAre(two_a, one_b)));
  const TaskId only_b[] = {b};
  EXPECT_THAT(store().WaitsFor(only_b, {}, 10), IsOkAndHolds(ElementsAre(one_b)));
  EXPECT_THAT(store().WaitsFor({}, {}, 10), IsOkAndHolds(IsEmpty()));

  EXPECT_EQ(Do(IdOf(one), DependenciesEnded{{{a, true}}}), MoveOutcome::kApplied);
  EXPECT_EQ(Read(IdOf(one)).hold, HoldReason::kDependency);
  EXPECT_THAT(store().ScanWaits({}, 10), IsOkAndHolds(ElementsAre(one_b, two_a)));
  EXPECT_EQ(Do(IdOf(two), Cancel{}), MoveOutcome::kApplied);
  EXPECT_THAT(store().ScanWaits({}, 10), IsOkAndHolds(ElementsAre(one_b)));
  Advance(absl::Minutes(6));
  EXPECT_EQ(Do(IdOf(one), Due{}), MoveOutcome::kApplied);
  EXPECT_EQ(Read(IdOf(one)).stage(), Stage::kReady);
  EXPECT_THAT(store().ScanWaits({}, 10), IsOkAndHolds(IsEmpty()));
}

TEST_P(TaskStoreContract, StoresATaskThatIsOverAsItBegins) {
  NewTask task = Make(1);
  const TaskId other = IdOf(Make(2));
  task.record = TaskRecord{.id = IdOf(task), .project = "website", .awaits = {{.task = other}}};
  Begin(absl::InfinitePast(), now() + absl::Milliseconds(1), task.record, {{other, false}});
  ASSERT_EQ(task.record.state, TaskState::kDeadLetter);
  Insert({task});
  EXPECT_EQ(Read(IdOf(task)), task.record);
  EXPECT_THAT(store().ScanWaits({}, 10), IsOkAndHolds(IsEmpty()));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StageCounts> lanes, store().CountByLane());
  EXPECT_EQ(lanes[static_cast<int>(Lane::kNormal) - 1].by_stage[static_cast<int>(Stage::kDead)], 1);
}

}  // namespace
}  // namespace switchyard::task_queue
