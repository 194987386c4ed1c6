// Sessions of agents: who keeps, loses and gets back what. Over the in-memory store, without threads.
#include "gmock/gmock.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/session_desk.h"
#include "services/task_queue/sweeper.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest() {
    shard_epochs_.resize(kShardCount);
    const auto leases =
        store_.AcquireShards("scheduler", kShardCount, clock_.Now(), clock_.Now() + absl::Hours(1)).value();
    for (const ShardLease& lease : leases) {
      shard_epochs_[lease.shard] = lease.epoch;
    }
    // The reaper's own first lease of grace.
    EXPECT_THAT(reaper_.Tick(), IsOk());
    Idle(rules_.session_lease);
  }

  // Time passes while the service sweeps as it should.
  void Idle(absl::Duration time) {
    for (absl::Duration gone; gone < time; gone += absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      EXPECT_THAT(due_.Tick(), IsOk());
      EXPECT_THAT(reaper_.Tick(), IsOk());
    }
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
  Generation AssignTo(const TaskId& id, const Session& session) {
    const auto executed = Execute({id, Assign{.seen = Record(id).generation,
                                              .agent = session.agent,
                                              .session_epoch = session.epoch,
                                              .shard_epoch = shard_epochs_[ShardOf(id)]}});
    EXPECT_THAT(executed, IsOk());
    return executed.ok() ? executed->record->generation : Generation{};
  }
  TaskRecord Record(const TaskId& id) { return store_.Get(id)->record; }
  OpenedSession Open(std::vector<HeldTask> held, bool restarted) {
    return *desk_.Open("agent", "hub", held, restarted);
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  InMemoryTaskStore store_;
  RecordCache cache_{1024, 1 << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{store_, queue_};
  SessionDesk desk_{rules_, store_, lanes_, clock_};
  DueSweeper due_{store_, lanes_, clock_};
  SessionReaper reaper_{rules_, store_, lanes_, clock_};
  std::vector<std::int64_t> shard_epochs_;
};

TEST_F(SessionsTest, AResumedSessionKeepsWhatItHolds) {
  const TaskId id = Submit();
  const Generation generation = AssignTo(id, Open({}, true).session);
  const OpenedSession again = Open({{id, generation}}, false);
  EXPECT_THAT(again.keep, ElementsAre(HeldTask{id, generation}));
  EXPECT_THAT(again.drop, IsEmpty());
  EXPECT_EQ(again.session.epoch, 2);
}

TEST_F(SessionsTest, ARestartedExecutorReturnsAtOnceWhatItDoesNotHold) {
  const TaskId id = Submit();
  AssignTo(id, Open({}, true).session);
  const OpenedSession again = Open({}, true);
  EXPECT_THAT(again.returned, ElementsAre(id));
  EXPECT_EQ(Record(id).state, TaskState::kQueued);
  EXPECT_EQ(Record(id).losses, 1);
  EXPECT_EQ(Record(id).attempts, 0);
}

TEST_F(SessionsTest, AnAssignmentThatNeverArrivedIsSentAgain) {
  const TaskId id = Submit();
  AssignTo(id, Open({}, true).session);
  const OpenedSession again = Open({}, false);
  ASSERT_THAT(again.redeliver, SizeIs(1));
  EXPECT_EQ(again.redeliver[0].record.id, id);
}

TEST_F(SessionsTest, AnExecutorDropsWhatItNoLongerOwns) {
  const TaskId id = Submit();
  EXPECT_THAT(Open({{id, Generation(1)}}, false).drop, ElementsAre(HeldTask{id, Generation(1)}));
}

TEST_F(SessionsTest, AnOldSessionsReportIsRefused) {
  const TaskId id = Submit();
  const Session old = Open({}, true).session;
  const Generation generation = AssignTo(id, old);
  Open({{id, generation}}, false);
  EXPECT_THAT(
      Execute({id, Report{.generation = generation, .agent = "agent", .session_epoch = old.epoch, .what = Finished{}}}),
      IsError("STALE_SESSION"));
}

TEST_F(SessionsTest, TasksOfAnExpiredSessionReturnUncharged) {
  const TaskId id = Submit();
  AssignTo(id, Open({}, true).session);
  Idle(rules_.session_lease + absl::Seconds(2));
  const TaskRecord record = Record(id);
  EXPECT_EQ(record.state, TaskState::kQueued);
  EXPECT_EQ(record.attempts, 0);
  EXPECT_THAT(record.avoid_agents, ElementsAre("agent"));
}

TEST_F(SessionsTest, ARenewedSessionKeepsItsTasks) {
  const TaskId id = Submit();
  const Session session = Open({}, true).session;
  const Generation generation = AssignTo(id, session);
  ASSERT_THAT(
      Execute(
          {id, Report{.generation = generation, .agent = "agent", .session_epoch = session.epoch, .what = Accepted{}}}),
      IsOk());
  for (int i = 0; i < 10; ++i) {
    Idle(absl::Seconds(5));
    EXPECT_THAT(store_.RenewSessions({{{"agent", session.epoch}}}, clock_.Now() + rules_.session_lease),
                IsOkAndHolds(ElementsAre("agent")));
  }
  EXPECT_EQ(Record(id).state, TaskState::kRunning);
}

TEST_F(SessionsTest, AnOutageLongerThanEveryLeaseGivesEachSessionOneFullLease) {
  const TaskId id = Submit();
  const Session session = Open({}, true).session;
  const Generation generation = AssignTo(id, session);
  ASSERT_THAT(
      Execute(
          {id, Report{.generation = generation, .agent = "agent", .session_epoch = session.epoch, .what = Accepted{}}}),
      IsOk());
  store_.SetAway(true);
  for (int i = 0; i < 90; ++i) {
    clock_.Advance(absl::Seconds(1));
    EXPECT_THAT(reaper_.Tick(), IsError("DATABASE_UNAVAILABLE"));
  }
  store_.SetAway(false);
  Idle(rules_.session_lease - absl::Seconds(2));
  EXPECT_EQ(Record(id).state, TaskState::kRunning);
  EXPECT_THAT(store_.RenewSessions({{{"agent", session.epoch}}}, clock_.Now() + rules_.session_lease),
              IsOkAndHolds(ElementsAre("agent")));
  Idle(absl::Seconds(20));
  EXPECT_EQ(Record(id).state, TaskState::kRunning);
}

TEST_F(SessionsTest, AReaperThatDiesHalfWayLeavesNoTaskToNobody) {
  const TaskId id = Submit();
  AssignTo(id, Open({}, true).session);
  // The session is fenced and the task's return is lost, as by a crash between the two.
  clock_.Advance(rules_.session_lease / 4);
  ASSERT_THAT(reaper_.Tick(), IsOk());
  ASSERT_THAT(store_.FenceSession("agent", 1), IsOk());
  Idle(rules_.session_lease);
  EXPECT_EQ(Record(id).state, TaskState::kQueued);
}

TEST_F(SessionsTest, AnAssignmentNobodyAcceptsIsWithdrawn) {
  const TaskId id = Submit();
  const Session session = Open({}, true).session;
  const Generation generation = AssignTo(id, session);
  for (int i = 0; i < 13; ++i) {
    Idle(absl::Seconds(5));
    ASSERT_THAT(store_.RenewSessions({{{"agent", session.epoch}}}, clock_.Now() + rules_.session_lease), IsOk());
  }
  EXPECT_EQ(Record(id).state, TaskState::kQueued);
  EXPECT_THAT(
      Execute(
          {id, Report{.generation = generation, .agent = "agent", .session_epoch = session.epoch, .what = Accepted{}}}),
      IsError("STALE_GENERATION"));
}

}  // namespace
}  // namespace switchyard::task_queue
