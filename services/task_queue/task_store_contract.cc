#include "services/task_queue/task_store_contract.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Kind = InsertOutcome::Kind;

NewTask With(NewTask task, std::string_view request_id, std::string_view hash, std::string_view principal = "ada") {
  task.request_id = std::string(request_id);
  task.content_hash = std::string(hash);
  task.record.principal = std::string(principal);
  return task;
}

}  // namespace

void PrintTo(const TaskStoreParam& param, std::ostream* os) { *os << param.name; }
std::string NameOfParam(const ::testing::TestParamInfo<TaskStoreParam>& info) { return info.param.name; }

TaskStoreContract::TaskStoreContract() : fixture_(GetParam().make()), now_(fixture_->start()) {}

NewTask TaskStoreContract::Make(int n, Lane lane) const {
  NewTask task;
  const absl::Time create = fixture_->start() + absl::Milliseconds(n);
  task.record.id = TaskId(testing::FakeUuid(create, static_cast<std::uint64_t>(n)));
  task.record.lane = lane;
  task.record.project = "website";
  task.record.principal = "ada";
  task.record.matching = std::string("m\0\x01", 3);
  task.spec = std::string("spec\0\xff", 6) + absl::StrCat(n);
  task.title = absl::StrCat("Task ", n);
  task.task_type = "build";
  task.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Begin(create, create, task.record);
  return task;
}

std::vector<InsertOutcome> TaskStoreContract::Insert(std::vector<NewTask> tasks) {
  std::vector<InsertOutcome> outcomes;
  const absl::Status status = store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    SY_ASSIGN_OR_RETURN(outcomes, batch.Insert(tasks, now_));
    return absl::OkStatus();
  });
  EXPECT_THAT(status, testing::IsOk());
  return outcomes;
}

TaskId TaskStoreContract::Submit(int n, Lane lane) {
  const NewTask task = Make(n, lane);
  Insert({task});
  return IdOf(task);
}

TaskRecord TaskStoreContract::Read(const TaskId& id) {
  const absl::StatusOr<StoredTask> task = store().Get(id);
  EXPECT_THAT(task, testing::IsOk());
  return task.ok() ? task->record : TaskRecord();
}

Move TaskStoreContract::Decided(const TaskRecord& record, const Command& command, TaskRecord& next) const {
  next = record;
  EXPECT_THAT(Decide(rules_, command, now_, next), testing::IsOk());
  return {.from = record.stage(),
          .generation = record.generation,
          .revision = record.revision,
          .next = &next,
          .new_events = next.timeline.back().ordinal - record.timeline.back().ordinal,
          .due = DueTime(rules_, next),
          .settled = SettledBy(record, next)};
}

MoveOutcome TaskStoreContract::DoCommand(const Command& command, const Guards& guards) {
  MoveOutcome outcome = MoveOutcome::kChanged;
  const absl::Status status = store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    const TaskId ids[] = {command.id};
    SY_ASSIGN_OR_RETURN(const auto rows, batch.Load(ids));
    TaskRecord next;
    Move move = Decided(rows.front().value(), command, next);
    move.shard_epoch = guards.shard_epoch;
    move.session_epoch = guards.session_epoch;
    move.agent = guards.agent;
    const Move moves[] = {move};
    SY_ASSIGN_OR_RETURN(const auto outcomes, batch.Apply(moves, now_));
    outcome = outcomes.front();
    return absl::OkStatus();
  });
  EXPECT_THAT(status, testing::IsOk());
  return outcome;
}

void TaskStoreContract::AssignTo(const TaskId& id, std::string_view agent) {
  EXPECT_EQ(Do(id, Assign{.seen = Read(id).generation, .agent = std::string(agent), .routing = "routing"}),
            MoveOutcome::kApplied);
}

std::vector<PublishedEvent> TaskStoreContract::EventsAfter(EventPosition after, int limit) {
  std::vector<PublishedEvent> events;
  while (true) {
    const absl::StatusOr<EventPage> page = store().ReadEvents(after, limit);
    EXPECT_THAT(page, testing::IsOk());
    if (!page.ok() || page->batches.empty()) return events;
    EXPECT_LE(static_cast<int>(page->batches.size()), limit);
    for (const EventBatch& batch : page->batches) {
      EXPECT_LT(after, batch.position);
      after = batch.position;
      events.insert(events.end(), batch.events.begin(), batch.events.end());
    }
  }
}

namespace {

TEST_P(TaskStoreContract, GivesBackWhatWasInserted) {
  const NewTask task = Make(1, Lane::kHigh);
  EXPECT_EQ(Insert({task}).front().kind, Kind::kInserted);
  SY_ASSERT_OK_AND_ASSIGN(const StoredTask stored, store().Get(IdOf(task)));
  EXPECT_EQ(stored.record, task.record);
  EXPECT_EQ(stored.spec, task.spec);
  EXPECT_EQ(stored.title, task.title);
  EXPECT_EQ(stored.task_type, task.task_type);
  EXPECT_EQ(stored.traceparent, task.traceparent);
}

TEST_P(TaskStoreContract, SaysNotFoundOfAnUnknownTask) {
  const TaskId id = IdOf(Make(1));
  EXPECT_THAT(store().Get(id), IsError("TASK_NOT_FOUND"));
  SY_EXPECT_OK(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    const TaskId ids[] = {id};
    SY_ASSIGN_OR_RETURN(const auto rows, batch.Load(ids));
    EXPECT_FALSE(rows.front().has_value());
    SY_ASSIGN_OR_RETURN(const auto specs, batch.LoadSpecs(ids));
    EXPECT_EQ(specs.front(), GivenSpec());
    return absl::OkStatus();
  }));
}

TEST_P(TaskStoreContract, KeepsEveryFieldOfARecordInEveryStage) {
  NewTask task = Make(1);
  task.record.policy = {.max_attempts = 4,
                        .backoff = {absl::Seconds(1), absl::Minutes(2)},
                        .on_lost = OnLost::kDeadLetter,
                        .needs_verdict = true,
                        .accept = absl::Seconds(7),
                        .run = absl::Minutes(8),
                        .stuck = absl::Seconds(9),
                        .verification = absl::Seconds(10),
                        .complete_by = now() + absl::Hours(1),
                        .time_to_live = absl::Minutes(30),
                        .uses_model = true};
  Insert({task});
  const TaskId id = IdOf(task);
  TaskRecord expected = task.record;
  const auto step = [&](auto what) {
    Advance(absl::Milliseconds(1500));
    TaskRecord next;
    Decided(expected, {id, what}, next);
    expected = next;
    EXPECT_EQ(Do(id, what), MoveOutcome::kApplied);
    EXPECT_EQ(Read(id), expected);
  };
  const auto report = [&](auto what) {
    step(Report{.generation = expected.generation, .agent = expected.agent, .what = what});
  };
  const auto assign = [&](std::string agent) {
    step(Assign{.seen = expected.generation, .agent = agent, .routing = "r\xff"});
  };
  assign("first");
  report(Rejected{.failure = {"DISK_FULL", "no room \xe2\x82\xac"}});
  assign("second");
  report(Accepted{});
  report(Blocked{.question = "Which branch?", .reason = "needs_input"});
  step(Answer{.answer = "main"});
  report(Failed{.failure = {"EXIT_STATUS", "2"}, .result = "result", .usage = "usage\xff", .model = "small"});
  step(PauseOne{.reason = "lunch"});
  step(ResumeOne{});
  step(Retry{});
  step(Hold{.generation = expected.generation, .reason = HoldReason::kNoRoute, .until = now() + absl::Minutes(1)});
  step(Hold{.generation = expected.generation, .reason = HoldReason::kNone});
  assign("third");
  report(PhaseChanged{.phase = Phase::kGenerating});
  report(Finished{.result = "better", .usage = "more", .model = "large"});
  step(Conclude{.generation = expected.generation, .verdict = Verdict::kFailed, .failure = {"CHECK", "red"}});
  step(Retry{});
  assign("fourth");
  report(Released{.reason = "drain"});
  assign("fifth");
  step(Cancel{.reason = "not needed"});
  report(Failed{.failure = {"STOPPED", ""}, .permanent = true});
  EXPECT_EQ(expected.state, TaskState::kCancelled);
}

TEST_P(TaskStoreContract, MovesThroughTheDeadLetterAndBack) {
  const TaskId id = Submit(1);
  AssignTo(id, "agent");
  ReportBy(id, "agent", Failed{.failure = {"EXIT_STATUS", "2"}, .model = "small", .permanent = true});
  EXPECT_EQ(Read(id).state, TaskState::kDeadLetter);
  EXPECT_EQ(Do(id, Retry{}), MoveOutcome::kApplied);
  EXPECT_EQ(Read(id).stage(), Stage::kReady);
  AssignTo(id, "agent");
  ReportBy(id, "agent", Failed{.failure = {"EXIT_STATUS", "2"}, .permanent = true});
  EXPECT_EQ(Do(id, Discard{.reason = "hopeless"}), MoveOutcome::kApplied);
  EXPECT_EQ(Read(id).state, TaskState::kDiscarded);
}

TEST_P(TaskStoreContract, RollsBackWhenTheWorkFails) {
  const TaskId old = Submit(1);
  const NewTask fresh = With(Make(2), "r", "h");
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition end, store().EventsEnd());
  const TaskRecord before = Read(old);
  const absl::Status status = store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    const NewTask tasks[] = {fresh};
    SY_RETURN_IF_ERROR(batch.Insert(tasks, now()).status());
    TaskRecord next;
    const Move moves[] = {Decided(before, {old, Cancel{}}, next)};
    SY_ASSIGN_OR_RETURN(const auto outcomes, batch.Apply(moves, now()));
    EXPECT_THAT(outcomes, ElementsAre(MoveOutcome::kApplied));
    return absl::AbortedError("changed my mind");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(store().Get(IdOf(fresh)), IsError("TASK_NOT_FOUND"));
  EXPECT_EQ(Read(old), before);
  EXPECT_THAT(EventsAfter(end), SizeIs(0));
  EXPECT_EQ(Insert({fresh}).front().kind, Kind::kInserted) << "its request id was kept";
}

TEST_P(TaskStoreContract, ReplaysARequestIdAndRefusesItWithOtherContent) {
  EXPECT_EQ(Insert({With(Make(1), "r", "h")}).front().kind, Kind::kInserted);
  const std::vector<InsertOutcome> outcomes = Insert(
      {With(Make(2), "r", "h"), With(Make(3), "r", "other"), With(Make(4), "r", "h", "bob"), With(Make(5), "", "h")});
  EXPECT_EQ(outcomes[0].kind, Kind::kReplayed);
  EXPECT_EQ(outcomes[0].id, IdOf(Make(1)));
  EXPECT_EQ(outcomes[1].kind, Kind::kRequestIdReused);
  EXPECT_EQ(outcomes[2].kind, Kind::kInserted) << "of another principal";
  EXPECT_EQ(outcomes[3].kind, Kind::kInserted);
  EXPECT_THAT(store().Get(IdOf(Make(2))), IsError("TASK_NOT_FOUND"));
  EXPECT_THAT(store().Get(IdOf(Make(3))), IsError("TASK_NOT_FOUND"));
}

TEST_P(TaskStoreContract, TellsARequestIdThatComesTwiceInOneBatch) {
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition end, store().EventsEnd());
  const std::vector<InsertOutcome> outcomes =
      Insert({With(Make(1), "r", "h"), With(Make(2), "r", "h"), With(Make(3), "r", "other"), With(Make(4), "s", "h")});
  EXPECT_EQ(outcomes[0].kind, Kind::kInserted);
  EXPECT_EQ(outcomes[1].kind, Kind::kReplayed);
  EXPECT_EQ(outcomes[1].id, IdOf(Make(1)));
  EXPECT_EQ(outcomes[2].kind, Kind::kRequestIdReused);
  EXPECT_EQ(outcomes[3].kind, Kind::kInserted);
  EXPECT_THAT(EventsAfter(end), SizeIs(2)) << "only stored tasks have events";
}

TEST_P(TaskStoreContract, ChangesOnlyARowThatIsAsItWasRead) {
  const TaskId id = Submit(1);
  const TaskRecord before = Read(id);
  SY_ASSERT_OK_AND_ASSIGN(const EventPosition end, store().EventsEnd());
  TaskRecord next;
  const Move right = Decided(before, {id, Cancel{}}, next);
  std::vector<Move> wrong(3, right);
  wrong[0].from = Stage::kHeld;
  wrong[1].generation = Generation(7);
  wrong[2].revision = before.revision + 1;
  for (const Move& move : wrong) {
    SY_EXPECT_OK(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
      const Move moves[] = {move};
      SY_ASSIGN_OR_RETURN(const auto outcomes, batch.Apply(moves, now()));
      EXPECT_THAT(outcomes, ElementsAre(MoveOutcome::kChanged));
      return absl::OkStatus();
    }));
  }
  EXPECT_EQ(Read(id), before);
  EXPECT_THAT(EventsAfter(end), SizeIs(0));
}

TEST_P(TaskStoreContract, RefusesOneChangeWithoutHurtingTheOthers) {
  std::vector<TaskRecord> before = {Read(Submit(1)), Read(Submit(2)), Read(Submit(3)), Make(4).record};
  std::vector<TaskRecord> next(before.size());
  std::vector<Move> moves;
  for (std::size_t i = 0; i < before.size(); ++i) {
    moves.push_back(Decided(before[i], {before[i].id, Cancel{}}, next[i]));
  }
  moves[1].revision = 99;
  std::vector<MoveOutcome> outcomes;
  SY_EXPECT_OK(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    SY_ASSIGN_OR_RETURN(outcomes, batch.Apply(moves, now()));
    return absl::OkStatus();
  }));
  EXPECT_THAT(outcomes,
              ElementsAre(MoveOutcome::kApplied, MoveOutcome::kChanged, MoveOutcome::kApplied, MoveOutcome::kChanged));
  EXPECT_EQ(Read(before[0].id).state, TaskState::kCancelled);
  EXPECT_EQ(Read(before[1].id).state, TaskState::kQueued);
  EXPECT_EQ(Read(before[2].id).state, TaskState::kCancelled);
}

TEST_P(TaskStoreContract, SeesWithinABatchWhatTheBatchDid) {
  const NewTask task = Make(1);
  const TaskId other = Submit(2);
  SY_EXPECT_OK(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
    const NewTask tasks[] = {task};
    SY_RETURN_IF_ERROR(batch.Insert(tasks, now()).status());
    TaskRecord next;
    const Move moves[] = {Decided(task.record, {IdOf(task), Cancel{.reason = "at once"}}, next)};
    SY_RETURN_IF_ERROR(batch.Apply(moves, now()).status());
    const TaskId ids[] = {other, IdOf(task), IdOf(Make(3))};
    SY_ASSIGN_OR_RETURN(const auto rows, batch.Load(ids));
    EXPECT_EQ(rows[0]->id, other);
    EXPECT_EQ(*rows[1], next);
    EXPECT_FALSE(rows[2].has_value());
    SY_ASSIGN_OR_RETURN(const auto specs, batch.LoadSpecs(ids));
    EXPECT_THAT(specs, ElementsAre(GivenSpec{Make(2).spec, Make(2).traceparent}, GivenSpec{task.spec, task.traceparent},
                                   GivenSpec()));
    return absl::OkStatus();
  }));
  EXPECT_EQ(Read(IdOf(task)).state, TaskState::kCancelled);
}

TEST_P(TaskStoreContract, GivesATaskToOneOfManyClaimers) {
  constexpr int kClaimers = 8;
  for (int n = 1; n <= 5; ++n) {
    const TaskId id = Submit(n);
    const TaskRecord seen = Read(id);
    std::vector<MoveOutcome> outcomes(kClaimers, MoveOutcome::kChanged);
    std::vector<std::thread> claimers;
    for (int i = 0; i < kClaimers; ++i) {
      claimers.emplace_back([&, i] {
        TaskRecord next;
        const Move moves[] = {
            Decided(seen, {id, Assign{.seen = seen.generation, .agent = absl::StrCat("agent-", i)}}, next)};
        EXPECT_THAT(store().RunBatch([&](TaskBatch& batch) -> absl::Status {
          SY_ASSIGN_OR_RETURN(const auto applied, batch.Apply(moves, now()));
          outcomes[i] = applied.front();
          return absl::OkStatus();
        }),
                    testing::IsOk());
      });
    }
    for (std::thread& claimer : claimers) claimer.join();
    ASSERT_EQ(std::count(outcomes.begin(), outcomes.end(), MoveOutcome::kApplied), 1);
    const auto winner = std::find(outcomes.begin(), outcomes.end(), MoveOutcome::kApplied) - outcomes.begin();
    EXPECT_EQ(Read(id).agent, absl::StrCat("agent-", winner));
    EXPECT_EQ(Read(id).generation, Generation(1));
  }
}

}  // namespace
}  // namespace switchyard::task_queue
