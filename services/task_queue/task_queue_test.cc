// Batches of the use cases over stores that do not do as they should.
#include "services/task_queue/task_queue.h"

#include <set>

#include "gmock/gmock.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

// One of its rows always changes just before it is written; some cannot be read.
class TroubledBatch final : public TaskBatch {
 public:
  TroubledBatch(TaskBatch& batch, const std::set<TaskId>& changing, const std::set<TaskId>& broken)
      : batch_(batch), changing_(changing), broken_(broken) {}

  absl::StatusOr<std::vector<InsertOutcome>> Insert(absl::Span<const NewTask> tasks, absl::Time now) override {
    return batch_.Insert(tasks, now);
  }
  absl::StatusOr<std::vector<std::optional<TaskRecord>>> Load(absl::Span<const TaskId> ids) override {
    for (const TaskId& id : ids) {
      if (broken_.contains(id)) return MakeError(absl::StatusCode::kDataLoss, "STORED_DATA_CORRUPT", "a broken row");
    }
    return batch_.Load(ids);
  }
  absl::StatusOr<std::vector<MoveOutcome>> Apply(absl::Span<const Move> moves, absl::Time now) override {
    std::vector<MoveOutcome> outcomes;
    for (const Move& move : moves) {
      outcomes.push_back(MoveOutcome::kChanged);
      if (changing_.contains(move.next->id)) continue;
      SY_ASSIGN_OR_RETURN(const std::vector<MoveOutcome> applied, batch_.Apply({&move, 1}, now));
      outcomes.back() = applied.front();
    }
    return outcomes;
  }
  absl::StatusOr<std::vector<GivenSpec>> LoadSpecs(absl::Span<const TaskId> ids) override {
    return batch_.LoadSpecs(ids);
  }
  absl::StatusOr<std::vector<Standing>> Standings(absl::Span<const TaskId> ids) override {
    return batch_.Standings(ids);
  }

 private:
  TaskBatch& batch_;
  const std::set<TaskId>& changing_;
  const std::set<TaskId>& broken_;
};

class TaskQueueTest : public ::testing::Test {
 protected:
  TaskId Submit() {
    TaskId id;
    lanes_.Submit({}, [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    return id;
  }
  std::vector<absl::StatusOr<Executed>> CancelAll(const std::vector<TaskId>& ids) {
    std::vector<Command> commands;
    for (const TaskId& id : ids) commands.push_back({id, Cancel{}});
    std::vector<absl::StatusOr<Executed>> answers(ids.size(), absl::UnknownError(""));
    EXPECT_THAT(store_.RunBatch([&](TaskBatch& batch) {
      TroubledBatch troubled(batch, changing_, broken_);
      return queue_.Execute(troubled, commands, absl::MakeSpan(answers));
    }),
                IsOk());
    return answers;
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  InMemoryTaskStore store_;
  RecordCache cache_{1024, 1 << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{store_, queue_};
  std::set<TaskId> changing_, broken_;
};

TEST_F(TaskQueueTest, ATaskThatChangesUnderEveryTryIsContentionAndTheOthersGoOn) {
  const TaskId restless = Submit();
  const TaskId other = Submit();
  changing_ = {restless};
  const auto answers = CancelAll({restless, other});
  EXPECT_THAT(answers[0], IsError("CONTENTION"));
  EXPECT_EQ(answers[0].status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(answers[1], IsOk());
  EXPECT_EQ(store_.Get(restless)->record.state, TaskState::kQueued);
  EXPECT_EQ(store_.Get(other)->record.state, TaskState::kCancelled);
}

TEST_F(TaskQueueTest, ARowThatCannotBeReadFailsItsOwnCommandOnly) {
  const TaskId broken = Submit();
  const TaskId other = Submit();
  cache_.Clear();
  broken_ = {broken};
  const auto answers = CancelAll({broken, other, TaskId(testing::FakeUuid(clock_.Now(), 77))});
  EXPECT_THAT(answers[0], IsError("STORED_DATA_CORRUPT"));
  EXPECT_THAT(answers[1], IsOk());
  EXPECT_THAT(answers[2], IsError("TASK_NOT_FOUND"));
}

std::shared_ptr<const TaskRecord> RecordOf(FakeIdSource& ids) {
  TaskRecord record{.id = ids.New<TaskId>(), .project = "website"};
  Begin(absl::InfinitePast(), absl::UnixEpoch(), record);
  return std::make_shared<const TaskRecord>(std::move(record));
}

TEST_F(TaskQueueTest, TheCacheCountsAllThatAnEntryHolds) {
  const auto bytes_with = [&](auto fill) {
    RecordCache cache(16, 1u << 30);
    TaskRecord record = *RecordOf(ids_);
    fill(record);
    cache.Put(std::make_shared<const TaskRecord>(std::move(record)));
    return cache.bytes();
  };
  const std::string text(10'000, 'x');
  const std::size_t plain = bytes_with([](TaskRecord&) {});
  EXPECT_GT(plain, sizeof(TaskRecord));
  EXPECT_GT(bytes_with([&](TaskRecord& record) { record.routing = text; }), plain + text.size());
  EXPECT_GT(bytes_with([&](TaskRecord& record) { record.answer = text; }), plain + text.size());
  EXPECT_GT(bytes_with([&](TaskRecord& record) { record.usage = text; }), plain + text.size());
  EXPECT_GT(bytes_with([&](TaskRecord& record) { record.failure.message = text; }), plain + text.size());
  EXPECT_GT(bytes_with([&](TaskRecord& record) { record.timeline.back().message = text; }), plain + text.size());
  EXPECT_GT(bytes_with([&](TaskRecord& record) {
              record.history.push_back({.failure = {"", text}});
            }),
            plain + text.size());
}

TEST_F(TaskQueueTest, TheCacheHoldsNoMoreThanItsBytes) {
  constexpr std::size_t kBytes = 16 * 64 * 1024;
  RecordCache cache(1'000'000, kBytes);
  for (int i = 0; i < 1000; ++i) {
    TaskRecord record = *RecordOf(ids_);
    record.question = std::string(8 * 1024, 'q');
    cache.Put(std::make_shared<const TaskRecord>(std::move(record)));
    EXPECT_LE(cache.bytes(), kBytes + kShardCount);
  }
  EXPECT_GT(cache.entries(), 0u);
  cache.Clear();
  EXPECT_EQ(cache.entries(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace switchyard::task_queue
