// Scans, lists and counts.
#include <algorithm>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/task_store_contract.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::vector<TaskId> IdsOf(const std::vector<StoredTask>& tasks) {
  std::vector<TaskId> ids;
  for (const StoredTask& task : tasks) ids.push_back(task.record.id);
  return ids;
}
std::vector<TaskId> IdsOf(const std::vector<TaskRecord>& records) {
  std::vector<TaskId> ids;
  for (const TaskRecord& record : records) ids.push_back(record.id);
  return ids;
}
std::vector<TaskId> IdsOf(const std::vector<DueTask>& tasks) {
  std::vector<TaskId> ids;
  for (const DueTask& task : tasks) ids.push_back(task.id);
  return ids;
}
std::vector<int> AllShards() {
  std::vector<int> shards;
  for (int i = 0; i < kShardCount; ++i) shards.push_back(i);
  return shards;
}

TEST_P(TaskStoreContract, OffersReadyTasksByLaneThenFreshBeforeRetriedThenAge) {
  const TaskId low = Submit(1, Lane::kLow);
  const TaskId retried = Submit(2, Lane::kHigh);
  const TaskId fresh = Submit(3, Lane::kHigh);
  const TaskId fresh_too = Submit(4, Lane::kHigh);
  const TaskId urgent = Submit(5, Lane::kUrgent);
  const TaskId taken = Submit(6, Lane::kUrgent);
  const TaskId held = Submit(7, Lane::kUrgent);
  AssignTo(retried, "agent");
  ReportBy(retried, "agent", Released{});
  AssignTo(taken, "agent");
  Do(held, PauseOne{});
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan scan, store().ScanReady(AllShards(), 100));
  EXPECT_THAT(IdsOf(scan.tasks), ElementsAre(urgent, fresh, fresh_too, retried, low));
  EXPECT_THAT(scan.truncated, IsEmpty());
  EXPECT_EQ(scan.tasks[3], Read(retried));
}

TEST_P(TaskStoreContract, OffersAnOldTaskThatCameBackOnceItIsTold) {
  const TaskId old = Submit(1);
  // Of the same list, a minute younger.
  const TaskId young = Submit(60'001);
  Do(old, PauseOne{});
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan without, store().ScanReady(AllShards(), 100));
  EXPECT_THAT(IdsOf(without.tasks), ElementsAre(young));
  Do(old, ResumeOne{});
  store().Offered(old, Read(old).rank());
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan scan, store().ScanReady(AllShards(), 100));
  EXPECT_THAT(IdsOf(scan.tasks), ElementsAre(old, young));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StageCounts> lanes, store().CountByLane());
  EXPECT_EQ(lanes[static_cast<int>(Lane::kNormal) - 1].oldest_ready, Make(1).record.create_time);
}

TEST_P(TaskStoreContract, NamesTheLanesOfWhichMoreIsReadyThanTheWindow) {
  std::vector<TaskId> normal;
  for (int n = 1; n <= 4; ++n) normal.push_back(Submit(n));
  const TaskId high = Submit(5, Lane::kHigh);
  const TaskId high_too = Submit(6, Lane::kHigh);
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan scan, store().ScanReady(AllShards(), 2));
  EXPECT_THAT(IdsOf(scan.tasks), ElementsAre(high, high_too, normal[0], normal[1]));
  EXPECT_THAT(scan.truncated, ElementsAre(Lane::kNormal));
}

TEST_P(TaskStoreContract, AScanGoesOnBehindATaskOfEachLane) {
  std::vector<TaskId> normal;
  for (int n = 1; n <= 4; ++n) normal.push_back(Submit(n));
  const TaskId retried = Submit(5);
  AssignTo(retried, "agent");
  ReportBy(retried, "agent", Released{});
  const TaskId high = Submit(6, Lane::kHigh);
  const std::vector<ReadyAfter> front = {{2, {}}, {4, {}}, {6, {}}, {8, {}}};
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan all, store().ScanReady(AllShards(), 100, front));
  EXPECT_THAT(IdsOf(all.tasks), ElementsAre(high, normal[0], normal[1], normal[2], normal[3], retried));
  const std::vector<ReadyAfter> middle = {{2, {}}, {6, {}}, {6, normal[1]}, {8, {}}};
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan rest, store().ScanReady(AllShards(), 100, middle));
  EXPECT_THAT(IdsOf(rest.tasks), ElementsAre(normal[2], normal[3], retried));
  const std::vector<ReadyAfter> last = {{4, {}}, {6, {}}, {7, {}}, {8, {}}};
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan old, store().ScanReady(AllShards(), 100, last));
  EXPECT_THAT(IdsOf(old.tasks), ElementsAre(retried));
}

TEST_P(TaskStoreContract, OffersOnlyTheShardsAskedFor) {
  const TaskId one = Submit(1);
  const TaskId two = Submit(2);
  const TaskId seventeen = Submit(17);
  const int first[] = {1};
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan scan, store().ScanReady(first, 1));
  EXPECT_THAT(IdsOf(scan.tasks), ElementsAre(one));
  EXPECT_THAT(scan.truncated, ElementsAre(Lane::kNormal));
  const int both[] = {2, 1};
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan more, store().ScanReady(both, 10));
  EXPECT_THAT(IdsOf(more.tasks), ElementsAre(one, two, seventeen));
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan none, store().ScanReady({}, 10));
  EXPECT_THAT(none.tasks, IsEmpty());
}

TEST_P(TaskStoreContract, FindsWhatIsDueOldestLimitsFirst) {
  NewTask expires = Make(1);
  expires.record.policy.time_to_live = absl::Minutes(5);
  NewTask sooner = Make(2);
  sooner.record.policy.complete_by = now() + absl::Minutes(2);
  Insert({expires, sooner, Make(3)});
  const TaskId assigned = Submit(4);
  AssignTo(assigned, "agent");  // Accepted within a minute.

  SY_ASSERT_OK_AND_ASSIGN(const auto nothing, store().ScanDue(now() + absl::Seconds(59), 10));
  EXPECT_THAT(IdsOf(nothing), IsEmpty());
  SY_ASSERT_OK_AND_ASSIGN(const auto all, store().ScanDue(now() + absl::Hours(1), 10));
  EXPECT_THAT(IdsOf(all), ElementsAre(assigned, IdOf(sooner), IdOf(expires)));
  EXPECT_EQ(all[0].due, now() + absl::Minutes(1));
  EXPECT_EQ(all[1].due, now() + absl::Minutes(2));
  SY_ASSERT_OK_AND_ASSIGN(const auto exact, store().ScanDue(now() + absl::Minutes(1), 10));
  EXPECT_THAT(IdsOf(exact), ElementsAre(assigned));
  SY_ASSERT_OK_AND_ASSIGN(const auto some, store().ScanDue(now() + absl::Hours(1), 2));
  EXPECT_THAT(IdsOf(some), ElementsAre(assigned, IdOf(sooner)));
}

TEST_P(TaskStoreContract, ForgetsALimitOnceItIsActedOn) {
  NewTask task = Make(1);
  task.record.policy.time_to_live = absl::Minutes(5);
  Insert({task});
  Advance(absl::Minutes(6));
  Do(IdOf(task), Due{});
  EXPECT_EQ(Read(IdOf(task)).state, TaskState::kExpired);
  SY_ASSERT_OK_AND_ASSIGN(const auto due, store().ScanDue(now(), 10));
  EXPECT_THAT(IdsOf(due), IsEmpty());
}

TEST_P(TaskStoreContract, KeepsADelayedTaskOutOfTheOfferUntilItIsDue) {
  NewTask task = Make(1);
  task.record = TaskRecord{.id = IdOf(task), .project = "website"};
  const absl::Time create = now() + absl::Milliseconds(1);
  Begin(create + absl::Minutes(10), create, task.record);
  Insert({task});
  EXPECT_EQ(Read(IdOf(task)).hold, HoldReason::kDelayed);
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan scan, store().ScanReady(AllShards(), 10));
  EXPECT_THAT(scan.tasks, IsEmpty());
  Advance(absl::Minutes(11));
  SY_ASSERT_OK_AND_ASSIGN(const auto due, store().ScanDue(now(), 10));
  EXPECT_THAT(IdsOf(due), ElementsAre(IdOf(task)));
  Do(IdOf(task), Due{});
  SY_ASSERT_OK_AND_ASSIGN(const ReadyScan later, store().ScanReady(AllShards(), 10));
  EXPECT_THAT(IdsOf(later.tasks), ElementsAre(IdOf(task)));
}

TEST_P(TaskStoreContract, ListsWhatTheFilterSelects) {
  NewTask docs = Make(1, Lane::kHigh);
  docs.record.project = "docs";
  docs.task_type = "write";
  docs.title = "Fix the README: 100% of it_";
  NewTask bobs = Make(2, Lane::kLow);
  bobs.record.principal = "bob";
  Insert({docs, bobs});
  const TaskId running = Submit(3);
  AssignTo(running, "agent-7");
  const TaskId paused = Submit(4);
  Do(paused, PauseOne{});
  const TaskId cancelled = Submit(5);
  Do(cancelled, Cancel{});

  const auto ids = [&](const TaskFilter& filter) {
    const absl::StatusOr<TaskPage> page = store().List(filter, false, std::nullopt, 100);
    EXPECT_THAT(page, testing::IsOk());
    return page.ok() ? IdsOf(page->tasks) : std::vector<TaskId>();
  };
  EXPECT_THAT(ids({}), ElementsAre(IdOf(docs), IdOf(bobs), running, paused, cancelled));
  EXPECT_THAT(ids({.states = {TaskState::kCancelled, TaskState::kAssigned}}), ElementsAre(running, cancelled));
  EXPECT_THAT(ids({.lanes = {Lane::kHigh, Lane::kLow}}), ElementsAre(IdOf(docs), IdOf(bobs)));
  EXPECT_THAT(ids({.projects = {"docs", "none"}}), ElementsAre(IdOf(docs)));
  EXPECT_THAT(ids({.task_types = {"write"}}), ElementsAre(IdOf(docs)));
  EXPECT_THAT(ids({.create_from = docs.record.create_time + absl::Milliseconds(1),
                   .create_to = docs.record.create_time + absl::Milliseconds(3)}),
              ElementsAre(IdOf(bobs), running));
  EXPECT_THAT(ids({.title_contains = "the readme"}), ElementsAre(IdOf(docs)));
  EXPECT_THAT(ids({.title_contains = "100%"}), ElementsAre(IdOf(docs)));
  EXPECT_THAT(ids({.title_contains = "it_"}), ElementsAre(IdOf(docs)));
  EXPECT_THAT(ids({.title_contains = "%"}), ElementsAre(IdOf(docs))) << "a percent sign is no wildcard";
  EXPECT_THAT(ids({.title_contains = "task_"}), IsEmpty()) << "an underscore is no wildcard";
  EXPECT_THAT(ids({.holds = {HoldReason::kPaused}}), ElementsAre(paused));
  EXPECT_THAT(ids({.holds = {HoldReason::kNone}}), ElementsAre(IdOf(docs), IdOf(bobs))) << "only queued tasks";
  EXPECT_THAT(ids({.agent = "agent-7"}), ElementsAre(running));
  EXPECT_THAT(ids({.principal = "bob"}), ElementsAre(IdOf(bobs)));
  EXPECT_THAT(ids({.lanes = {Lane::kLow}, .principal = "ada"}), IsEmpty());
}

TEST_P(TaskStoreContract, PagesThroughAListInBothOrders) {
  std::vector<TaskId> all;
  for (int n = 1; n <= 7; ++n) all.push_back(Submit(n));
  // Rows in other stages belong to the same order.
  Do(all[2], Cancel{});
  AssignTo(all[4], "agent");
  for (const bool newest_first : {false, true}) {
    std::vector<TaskId> seen;
    std::optional<TaskId> cursor;
    int pages = 0;
    do {
      SY_ASSERT_OK_AND_ASSIGN(const TaskPage page, store().List({}, newest_first, cursor, 3));
      ASSERT_LE(page.tasks.size(), 3u);
      for (const TaskId& id : IdsOf(page.tasks)) seen.push_back(id);
      cursor = page.next;
      ASSERT_LE(++pages, 4);
    } while (cursor.has_value());
    EXPECT_EQ(pages, 3);
    std::vector<TaskId> expected = all;
    if (newest_first) std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(seen, expected);
  }
  SY_ASSERT_OK_AND_ASSIGN(const TaskPage exact, store().List({}, true, std::nullopt, 7));
  EXPECT_FALSE(exact.next.has_value());
}

TEST_P(TaskStoreContract, EndsAPageWhereItsSpecificationsAreLargeEnough) {
  std::vector<TaskId> all;
  for (int n = 1; n <= 7; ++n) all.push_back(Submit(n));
  const std::size_t each = Make(1).spec.size();
  std::vector<TaskId> seen;
  std::optional<TaskId> cursor;
  do {
    SY_ASSERT_OK_AND_ASSIGN(const TaskPage page,
                            store().List({}, false, cursor, 100, {.max_spec_bytes = 2 * each + 1}));
    ASSERT_LE(page.tasks.size(), 3u);
    for (const StoredTask& task : page.tasks) EXPECT_EQ(task.spec.size(), each);
    for (const TaskId& id : IdsOf(page.tasks)) seen.push_back(id);
    cursor = page.next;
  } while (cursor.has_value());
  EXPECT_EQ(seen, all);
  SY_ASSERT_OK_AND_ASSIGN(const TaskPage one, store().List({}, false, std::nullopt, 100, {.max_spec_bytes = 1}));
  EXPECT_EQ(IdsOf(one.tasks), std::vector<TaskId>{all[0]});
}

TEST_P(TaskStoreContract, ListsRecordsAloneWhereNoMoreIsWanted) {
  const TaskId id = Submit(1);
  SY_ASSERT_OK_AND_ASSIGN(const TaskPage page, store().List({}, false, std::nullopt, 100, {.specs = false}));
  ASSERT_EQ(IdsOf(page.tasks), std::vector<TaskId>{id});
  EXPECT_EQ(page.tasks[0].spec, "");
  SY_ASSERT_OK_AND_ASSIGN(const StoredTask task, store().Get(id, {.specs = false}));
  EXPECT_EQ(task.record, page.tasks[0].record);
  EXPECT_EQ(task.spec, "");
}

TEST_P(TaskStoreContract, ReadsGiveUpWithTheirCallersTime) {
  const TaskId id = Submit(1);
  const ReadOptions late = {.within = absl::ZeroDuration()};
  EXPECT_THAT(store().Get(id, late), IsError("DEADLINE_EXCEEDED"));
  EXPECT_THAT(store().List({}, false, std::nullopt, 100, late), IsError("DEADLINE_EXCEEDED"));
  EXPECT_THAT(store().CountByLane(late), IsError("DEADLINE_EXCEEDED"));
  EXPECT_THAT(store().CountDeadByModel(late), IsError("DEADLINE_EXCEEDED"));
  EXPECT_THAT(store().Get(id, {.within = absl::Seconds(5)}), IsOk());
}

TEST_P(TaskStoreContract, CountsDeadLettersByModel) {
  const std::string models[] = {"small", "large", "small"};
  for (int n = 0; n < 3; ++n) {
    const TaskId id = Submit(n + 1);
    AssignTo(id, "agent");
    ReportBy(id, "agent", Failed{.failure = {"EXIT_STATUS", "1"}, .model = models[n], .permanent = true});
  }
  SY_ASSERT_OK_AND_ASSIGN(const auto counts, store().CountDeadByModel());
  EXPECT_THAT(counts, UnorderedElementsAre(Pair("small", 2), Pair("large", 1)));
  Do(IdOf(Make(2)), Retry{});
  SY_ASSERT_OK_AND_ASSIGN(const auto fewer, store().CountDeadByModel());
  EXPECT_THAT(fewer, UnorderedElementsAre(Pair("small", 2)));
}

TEST_P(TaskStoreContract, CountsStagesByLane) {
  Submit(1);
  Submit(2);
  AssignTo(Submit(3), "agent");
  Do(Submit(4), PauseOne{});
  Do(Submit(5), Cancel{});
  Do(Submit(6, Lane::kUrgent), Cancel{});
  NewTask judged = Make(7);
  judged.record.policy.needs_verdict = true;
  Insert({judged});
  AssignTo(IdOf(judged), "agent");
  ReportBy(IdOf(judged), "agent", Finished{});
  const TaskId dead = Submit(8);
  AssignTo(dead, "agent");
  ReportBy(dead, "agent", Failed{.permanent = true});

  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StageCounts> lanes, store().CountByLane());
  ASSERT_EQ(lanes.size(), static_cast<std::size_t>(kLaneCount));
  const StageCounts& normal = lanes[static_cast<int>(Lane::kNormal) - 1];
  EXPECT_THAT(normal.by_stage, ElementsAre(2, 1, 1, 1, 1, 1));
  EXPECT_EQ(normal.oldest_ready, Make(1).record.create_time);
  const StageCounts& urgent = lanes[static_cast<int>(Lane::kUrgent) - 1];
  EXPECT_THAT(urgent.by_stage, ElementsAre(0, 0, 0, 0, 0, 1));
  EXPECT_EQ(urgent.oldest_ready, absl::InfiniteFuture());
}

TEST_P(TaskStoreContract, FindsWhatAgentsOwn) {
  const TaskId one = Submit(1);
  const TaskId two = Submit(2);
  const TaskId three = Submit(3);
  const TaskId over = Submit(4);
  AssignTo(one, "a");
  AssignTo(two, "b");
  ReportBy(two, "b", Accepted{});
  AssignTo(three, "c");
  AssignTo(over, "a");
  ReportBy(over, "a", Finished{});
  const std::string agents[] = {"a", "b"};
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StoredTask> owned, store().OwnedBy(agents));
  EXPECT_THAT(IdsOf(owned), UnorderedElementsAre(one, two));
  for (const StoredTask& task : owned) {
    EXPECT_EQ(task.record, Read(task.record.id));
    EXPECT_EQ(task.spec, task.record.id == one ? Make(1).spec : Make(2).spec);
    EXPECT_EQ(task.traceparent, Make(1).traceparent);
  }
}

TEST_P(TaskStoreContract, FindsWhatAgentsMustBeTold) {
  const TaskId silent = Submit(1);
  const TaskId cancelled = Submit(2);
  const TaskId answered = Submit(3);
  const TaskId queued = Submit(4);
  for (const TaskId& id : {silent, cancelled, answered}) AssignTo(id, "a");
  Do(cancelled, Cancel{});
  ReportBy(answered, "a", Blocked{.question = "Which?"});
  Do(answered, Answer{.answer = "That one."});
  Do(queued, Cancel{});
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<TaskRecord> told, store().WithDirectives({}, 10));
  EXPECT_THAT(IdsOf(told), ElementsAre(cancelled, answered));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<TaskRecord> some, store().WithDirectives({}, 1));
  EXPECT_THAT(IdsOf(some), ElementsAre(cancelled));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<TaskRecord> rest, store().WithDirectives(cancelled, 10));
  EXPECT_THAT(IdsOf(rest), ElementsAre(answered));
  ReportBy(cancelled, "a", Released{});
  ReportBy(answered, "a", PhaseChanged{.phase = Phase::kExecuting});
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<TaskRecord> none, store().WithDirectives({}, 10));
  EXPECT_THAT(IdsOf(none), IsEmpty());
}

}  // namespace
}  // namespace switchyard::task_queue
