// The store over a database in which something is amiss: rows that cannot be read, another life, batches that commit
// late.
#include <numeric>
#include <optional>
#include <thread>

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/postgres_task_batch.h"
#include "services/task_queue/postgres_test_database.h"
#include "services/task_queue/session_desk.h"
#include "services/task_queue/sweeper.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PostgresTroublesTest : public ::testing::Test {
 protected:
  PostgresTroublesTest() {
    all_shards_.resize(kShardCount);
    std::iota(all_shards_.begin(), all_shards_.end(), 0);
  }

  void Run(const std::string& sql) {
    auto session = database_.pool().Acquire();
    ASSERT_THAT(session, IsOk());
    ASSERT_THAT((*session)->RunScript(sql), IsOk());
  }
  TaskId Submit() {
    TaskId id;
    lanes_.Submit({}, [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    return id;
  }
  absl::StatusOr<Executed> Execute(Command command) {
    absl::StatusOr<Executed> answer = absl::UnknownError("");
    lanes_.Execute(std::move(command), [&](absl::StatusOr<Executed> executed) { answer = std::move(executed); });
    return answer;
  }
  TaskStore& store() { return database_.store(); }

  // A batch that assigns `id` under a session, written but not committed.
  pg::Pool::Lease AssignWithoutCommit(const TaskId& id, const Session& session) {
    auto lease = database_.pool().Acquire();
    EXPECT_THAT((*lease)->Begin(), IsOk());
    PostgresTaskBatch batch(**lease);
    const TaskRecord before = store().Get(id)->record;
    TaskRecord next = before;
    EXPECT_THAT(Decide(rules_, {id, Assign{.seen = before.generation, .agent = session.agent}}, clock_.Now(), next),
                IsOk());
    const Move move{.from = before.stage(),
                    .generation = before.generation,
                    .revision = before.revision,
                    .next = &next,
                    .new_events = 1,
                    .session_epoch = session.epoch,
                    .agent = session.agent};
    const auto outcomes = batch.Apply({&move, 1}, clock_.Now());
    EXPECT_THAT(*outcomes, ElementsAre(MoveOutcome::kApplied));
    return *std::move(lease);
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  PostgresTestDatabase database_{clock_};
  RecordCache cache_{1024, 1 << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{database_.store(), queue_};
  std::vector<int> all_shards_;
};

TEST_F(PostgresTroublesTest, ARowThatCannotBeReadStopsNoneOfThoseWhoReadMany) {
  const TaskId broken = Submit();
  const TaskId sound = Submit();
  Run("UPDATE task_queue.ready SET carry = '\\xffff' WHERE id = '" + broken.ToString() + "'");
  const auto scan = store().ScanReady(all_shards_, 10);
  ASSERT_THAT(scan, IsOk());
  ASSERT_THAT(scan->tasks, SizeIs(1));
  EXPECT_EQ(scan->tasks[0].id, sound);
  const auto page = store().List({}, false, std::nullopt, 10);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->tasks, SizeIs(1));
  EXPECT_THAT(store().Get(broken), IsError("STORED_DATA_CORRUPT"));
}

TEST_F(PostgresTroublesTest, ARunningRowThatCannotBeReadStopsNeitherSessionsNorDirectives) {
  const Session session = *store().OpenSession("a", "hub", clock_.Now() + absl::Minutes(1));
  const TaskId ids[] = {Submit(), Submit()};
  for (const TaskId& id : ids) {
    ASSERT_THAT(Execute({id, Assign{.agent = "a", .session_epoch = session.epoch}}), IsOk());
    ASSERT_THAT(Execute({id, Cancel{}}), IsOk());
  }
  Run("UPDATE task_queue.running SET carry = '\\xffff' WHERE id = '" + ids[0].ToString() + "'");
  const std::string agents[] = {"a"};
  EXPECT_THAT(store().OwnedBy(agents)->size(), 1);
  EXPECT_THAT(store().WithDirectives({}, 10)->size(), 1);
}

TEST_F(PostgresTroublesTest, ABatchOfEventsThatCannotBeReadDoesNotStopTheLog) {
  const EventPosition start = *store().EventsEnd();
  Submit();
  Run("UPDATE task_queue.event_log SET payload = '\\xffff'");
  const TaskId after = Submit();
  const auto page = store().ReadEvents(start, 10);
  ASSERT_THAT(page, IsOk());
  ASSERT_THAT(page->batches, SizeIs(2));
  EXPECT_THAT(page->batches[0].events, IsEmpty());
  EXPECT_EQ(page->batches[1].events.at(0).task, after);
}

TEST_F(PostgresTroublesTest, AReaderThatIsBehindIsToldHowFar) {
  const EventPosition start = *store().EventsEnd();
  Submit();
  clock_.Advance(absl::Seconds(7));
  Submit();
  EXPECT_EQ(store().ReadEvents(start, 1)->lag, absl::Seconds(7));
  EXPECT_EQ(store().ReadEvents(start, 2)->lag, absl::ZeroDuration());
}

TEST_F(PostgresTroublesTest, ANewLifeOfTheDatabaseBeginsItsLogAnewAndResumingWorksInIt) {
  const std::string former = *store().Incarnation();
  Submit();
  // As a dump of another cluster, read into this one, leaves it.
  Run("UPDATE task_queue.incarnation SET life = 'elsewhere', system_identifier = '1'");
  Run("UPDATE task_queue.event_horizon SET xid = '9000000000', seq = 900");
  PostgresTaskStore after(database_.pool(), clock_, ids_);
  const auto page = after.ReadEvents({}, 10);
  ASSERT_THAT(page, IsOk());
  EXPECT_NE(page->incarnation, former);
  EXPECT_THAT(page->batches, IsEmpty());
  EXPECT_EQ(*after.Incarnation(), page->incarnation);
  EXPECT_EQ(*after.EventsBegin(), EventPosition());
  const EventPosition start = *after.EventsEnd();
  const TaskId id = Submit();
  const auto news = after.ReadEvents(start, 10);
  ASSERT_THAT(news, IsOk());
  EXPECT_EQ(news->incarnation, page->incarnation);
  ASSERT_THAT(news->batches, SizeIs(1));
  EXPECT_EQ(news->batches[0].events.at(0).task, id);
}

TEST_F(PostgresTroublesTest, AnAssignmentThatCommitsBehindTheNextSessionIsRedelivered) {
  const TaskId id = Submit();
  const Session former = *store().OpenSession("a", "hub", clock_.Now() + absl::Minutes(1));
  pg::Pool::Lease batch = AssignWithoutCommit(id, former);
  SessionDesk desk(rules_, store(), lanes_, clock_, /*patience=*/absl::Minutes(1));
  absl::StatusOr<OpenedSession> opened = absl::UnknownError("");
  std::thread opening([&] { opened = desk.Open("a", "hub", {}, false); });
  // Once the former one can no longer be renewed, the new session stands.
  const std::vector<std::pair<std::string, std::int64_t>> refs = {{"a", former.epoch}};
  while (!store().RenewSessions(refs, clock_.Now() + absl::Minutes(1))->empty()) std::this_thread::yield();
  EXPECT_EQ(batch->Commit().state, pg::CommitOutcome::State::kCommitted);
  opening.join();
  ASSERT_THAT(opened, IsOk());
  ASSERT_THAT(opened->redeliver, SizeIs(1));
  EXPECT_EQ(opened->redeliver[0].record.id, id);
}

TEST_F(PostgresTroublesTest, AnAssignmentThatCommitsBehindTheEndOfItsSessionIsReturned) {
  const TaskId id = Submit();
  const Session session = *store().OpenSession("a", "hub", clock_.Now() + absl::Seconds(1));
  SessionReaper reaper(rules_, store(), lanes_, clock_);
  ASSERT_THAT(reaper.Tick(), IsOk());
  const auto idle = [&] {
    for (absl::Duration gone; gone < rules_.session_lease; gone += absl::Seconds(5)) {
      clock_.Advance(absl::Seconds(5));
      ASSERT_THAT(reaper.Tick(), IsOk());
    }
  };
  std::optional<pg::Pool::Lease> batch(AssignWithoutCommit(id, session));
  idle();
  EXPECT_THAT(*store().ExpiredSessions(clock_.Now(), 10), SizeIs(1)) << "not closed while a batch may still own";
  EXPECT_EQ((*batch)->Commit().state, pg::CommitOutcome::State::kCommitted);
  batch.reset();
  ASSERT_THAT(reaper.Tick(), IsOk());
  EXPECT_EQ(store().Get(id)->record.state, TaskState::kQueued);
  ASSERT_THAT(reaper.Tick(), IsOk());
  EXPECT_THAT(*store().ExpiredSessions(clock_.Now(), 10), IsEmpty());
}

}  // namespace
}  // namespace switchyard::task_queue
