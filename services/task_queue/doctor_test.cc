#include "services/task_queue/doctor.h"

#include <string>

#include "gmock/gmock.h"
#include "libs/pg/params.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/postgres_test_database.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The checks read the database's clock, so the partitions must be those of its day.
absl::Time DatabaseNow() {
  const FakeClock clock;
  PostgresTestDatabase any{clock};
  static constexpr pg::Statement kNow{"now", "SELECT clock_timestamp()"};
  return any.pool().Execute(kNow).value()[0].Time(0);
}

// Each test breaks one thing in a database that is sound, and only that is found.
class DoctorTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(Findings(), IsEmpty()); }

  std::vector<app::DoctorFinding> Findings() {
    const auto findings = app::RunDoctor(database_.pool(), DoctorChecks(), absl::Seconds(10));
    EXPECT_THAT(findings, IsOk());
    return findings.value_or(std::vector<app::DoctorFinding>());
  }
  void Break(const std::string& sql) {
    auto session = database_.pool().Acquire();
    ASSERT_THAT(session, IsOk());
    ASSERT_THAT((*session)->RunScript(sql), IsOk());
  }
  void ExpectOnly(std::string_view invariant, const std::string& about) {
    const std::vector<app::DoctorFinding> findings = Findings();
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].invariant, invariant);
    EXPECT_THAT(findings[0].breach, HasSubstr(about));
  }

  TaskId Submit() {
    TaskId id;
    lanes_.Submit({}, [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    return id;
  }
  void Do(Command command) {
    lanes_.Execute(std::move(command), [](const absl::StatusOr<Executed>& answer) { EXPECT_THAT(answer, IsOk()); });
  }
  TaskId Held() {
    const TaskId id = Submit();
    Do({id, PauseOne{}});
    return id;
  }
  TaskId Running() {
    const Session session = *database_.store().OpenSession("agent", "hub", clock_.Now() + absl::Hours(1));
    const TaskId id = Submit();
    Do({id, Assign{.agent = "agent", .session_epoch = session.epoch}});
    return id;
  }
  TaskId Done() {
    const TaskId id = Submit();
    Do({id, Cancel{}});
    return id;
  }
  static std::string Quoted(const TaskId& id) { return "'" + id.ToString() + "'"; }

  FakeClock clock_{DatabaseNow()};
  FakeIdSource ids_{clock_};
  const Rules rules_;
  PostgresTestDatabase database_{clock_};
  RecordCache cache_{1024, 1 << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{database_.store(), queue_};
};

TEST_F(DoctorTest, FindsNothingWhereAllIsWell) {
  Submit();
  Held();
  Running();
  Done();
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(DoctorTest, FindsAReadyTaskThatWaits) {
  const TaskId id = Submit();
  Break("INSERT INTO task_queue.dependency SELECT id, id FROM task_queue.ready");
  ExpectOnly("what waits for others is held", id.ToString() + " is not held and waits for " + id.ToString());
}

TEST_F(DoctorTest, FindsATaskThatWaitsForWhatEndedLongAgo) {
  const TaskId waiting = Held();
  const TaskId ended = Done();
  Break("INSERT INTO task_queue.dependency SELECT h.id, o.id FROM task_queue.held h, task_queue.outcome o");
  EXPECT_THAT(Findings(), IsEmpty()) << "it may be told at this moment";
  Break("UPDATE task_queue.outcome SET finish_time = finish_time - interval '1 hour'");
  ExpectOnly("ends are told to what waits for them", waiting.ToString() + " waits for " + ended.ToString());
}

TEST_F(DoctorTest, FindsATaskThatWaitsForWhatWasGivenUpLongAgo) {
  const TaskId waiting = Held();
  const TaskId given_up = Submit();
  const Session session = *database_.store().OpenSession("agent", "hub", clock_.Now() + absl::Hours(1));
  Do({given_up, Assign{.agent = "agent", .session_epoch = session.epoch}});
  Do({given_up, Report{.generation = Generation(1),
                       .agent = "agent",
                       .session_epoch = session.epoch,
                       .what = Failed{.failure = {.reason = "BROKEN"}, .permanent = true}}});
  Break("INSERT INTO task_queue.dependency SELECT h.id, d.id FROM task_queue.held h, task_queue.dead d");
  EXPECT_THAT(Findings(), IsEmpty()) << "it may be told at this moment";
  Break("UPDATE task_queue.event_log SET create_time = create_time - interval '1 day'");
  ExpectOnly("ends are told to what waits for them", waiting.ToString() + " waits for " + given_up.ToString());
}

TEST_F(DoctorTest, FindsATaskThatIsHeldAndJudged) {
  const TaskId id = Held();
  Break("INSERT INTO task_queue.judging SELECT id, generation, revision, due, carry FROM task_queue.held");
  Break("INSERT INTO task_queue.stage_delta VALUES (3, 3, 1)");
  ExpectOnly("a task stands in one stage", id.ToString() + " stands in more than one stage: held, judging");
}

TEST_F(DoctorTest, FindsATaskThatIsReadyAndFinished) {
  const TaskId id = Submit();
  Break("INSERT INTO task_queue.outcome SELECT id, 5, now(), carry FROM task_queue.ready");
  ExpectOnly("a task stands in one stage", id.ToString() + " stands in more than one stage: outcome, ready");
}

TEST_F(DoctorTest, FindsARunningTaskThatEndedAmongThePinned) {
  const TaskId id = Running();
  Break("INSERT INTO task_queue.outcome_pinned SELECT id, 5, now(), carry FROM task_queue.running");
  ExpectOnly("a task stands in one stage", id.ToString() + " stands in more than one stage: outcome, running");
}

TEST_F(DoctorTest, FindsTwoEndsThatDifferAndNotACopy) {
  const TaskId id = Done();
  Break("INSERT INTO task_queue.task_pinned SELECT * FROM task_queue.task");
  Break("INSERT INTO task_queue.outcome_pinned SELECT * FROM task_queue.outcome");
  EXPECT_THAT(Findings(), IsEmpty()) << "a day that is about to be dropped";
  Break("UPDATE task_queue.outcome_pinned SET state = 5");
  ExpectOnly("a task ended once", id.ToString());
}

TEST_F(DoctorTest, FindsATaskThatIsLost) {
  const TaskId id = Done();
  Break("DELETE FROM task_queue.outcome");
  ExpectOnly("no task is lost", id.ToString());
}

TEST_F(DoctorTest, FindsAPinnedTaskThatIsLost) {
  const TaskId id = Done();
  Break(
      "INSERT INTO task_queue.task_pinned SELECT * FROM task_queue.task; DELETE FROM task_queue.task;"
      "DELETE FROM task_queue.outcome");
  ExpectOnly("no task is lost", id.ToString());
}

TEST_F(DoctorTest, FindsALiveTaskWithoutSpecification) {
  const TaskId id = Submit();
  Break("DELETE FROM task_queue.task");
  ExpectOnly("a live or pinned task has its specification", id.ToString() + " is ready");
}

TEST_F(DoctorTest, FindsAPinnedEndWithoutSpecification) {
  const TaskId id = Done();
  Break("INSERT INTO task_queue.outcome_pinned SELECT * FROM task_queue.outcome; DELETE FROM task_queue.task");
  ExpectOnly("a live or pinned task has its specification", id.ToString() + " is pinned");
}

TEST_F(DoctorTest, FindsAnOwnerWithoutSession) {
  const TaskId id = Running();
  Break("UPDATE task_queue.session SET expire_time = NULL");
  ExpectOnly("an owner has a session", id.ToString() + " belongs to agent");
}

TEST_F(DoctorTest, FindsATimeLimitThatNobodyActedUpon) {
  const TaskId id = Running();
  Break("UPDATE task_queue.running SET due = now() - interval '1 hour'");
  ExpectOnly("time limits that pass are acted upon", id.ToString());
}

TEST_F(DoctorTest, FindsAReadyTaskWhereNoSchedulerLooks) {
  const TaskId id = Submit();
  Break("UPDATE task_queue.ready SET rank = rank + 1");
  ExpectOnly("a ready task stands where schedulers look", id.ToString());
}

TEST_F(DoctorTest, FindsCountsThatAreNotThoseOfTheRows) {
  Submit();
  Break("INSERT INTO task_queue.stage_delta VALUES (1, 0, 1)");
  ExpectOnly("counts equal the rows", "stage 0 counts 2 tasks and holds 1");
}

TEST_F(DoctorTest, FindsRowsThatNothingCounts) {
  Held();
  Break("DELETE FROM task_queue.stage_delta WHERE stage = 1");
  ExpectOnly("counts equal the rows", "stage 1 counts 0 tasks and holds 1");
}

TEST_F(DoctorTest, FindsADayWithoutPartition) {
  const std::string today = absl::FormatTime("%Y%m%d", clock_.Now(), absl::UTCTimeZone());
  Break("DROP TABLE task_queue.event_log_p" + today);
  ExpectOnly("today and tomorrow have partitions", "event_log has no partition");
}

}  // namespace
}  // namespace switchyard::task_queue
