#include "services/task_queue/in_memory_task_store.h"

#include "gmock/gmock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/task_store_contract.h"

namespace switchyard::task_queue {

class InMemoryFixture final : public TaskStoreFixture {
 public:
  TaskStore& store() override { return store_; }

 private:
  InMemoryTaskStore store_;
};

INSTANTIATE_TEST_SUITE_P(Store, TaskStoreContract,
                         ::testing::Values(TaskStoreParam{"InMemory",
                                                          [] { return std::make_unique<InMemoryFixture>(); }}),
                         NameOfParam);

namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Fault = InMemoryTaskStore::Fault;

TaskId NumberedId(std::uint8_t n) {
  std::array<std::uint8_t, 16> bytes = {};
  bytes[15] = n;
  return TaskId(Uuid(bytes));
}

absl::Status InsertOne(TaskStore& store, std::uint8_t n) {
  NewTask task;
  task.record.id = NumberedId(n);
  Begin(absl::UnixEpoch(), absl::UnixEpoch(), task.record);
  return store.RunBatch([&](TaskBatch& batch) { return batch.Insert({&task, 1}, absl::UnixEpoch()).status(); });
}

TEST(InMemoryTaskStoreTest, FailsABatchBeforeItsCommit) {
  InMemoryTaskStore store;
  store.InjectFaults({Fault::kNone, Fault::kFailBeforeCommit});
  EXPECT_THAT(InsertOne(store, 1), IsOk());
  EXPECT_THAT(InsertOne(store, 2), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(InsertOne(store, 3), IsOk());
  EXPECT_THAT(store.AllRecords(), SizeIs(2));
  EXPECT_EQ(store.committed_batches(), 2);
}

TEST(InMemoryTaskStoreTest, CommitsABatchWhoseAnswerIsLost) {
  InMemoryTaskStore store;
  store.InjectFaults({Fault::kCommitThenLoseAnswer});
  EXPECT_THAT(InsertOne(store, 1), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(store.Get(NumberedId(1)), IsOk());
  EXPECT_THAT(store.ReadEvents({}, 10)->batches, SizeIs(1));
}

TEST(InMemoryTaskStoreTest, RefusesEverythingWhileAway) {
  InMemoryTaskStore store;
  store.SetAway(true);
  EXPECT_THAT(InsertOne(store, 1), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(store.OpenSession("a", "hub", absl::UnixEpoch()), IsError("DATABASE_UNAVAILABLE"));
  store.SetAway(false);
  EXPECT_THAT(store.AllRecords(), IsEmpty());
  EXPECT_EQ(store.OpenSession("a", "hub", absl::UnixEpoch())->epoch, 1);
}

TEST(InMemoryTaskStoreTest, LosesABatchWhenItGoesAwayMeanwhile) {
  InMemoryTaskStore store;
  const absl::Status status = store.RunBatch([&](TaskBatch&) {
    store.SetAway(true);
    return absl::OkStatus();
  });
  EXPECT_THAT(status, IsError("DATABASE_UNAVAILABLE"));
  EXPECT_EQ(store.committed_batches(), 0);
}

TEST(InMemoryTaskStoreTest, ForgetsTasksAndEventsAsRetentionDoes) {
  InMemoryTaskStore store;
  ASSERT_THAT(InsertOne(store, 1), IsOk());
  const EventPosition first = *store.EventsEnd();
  ASSERT_THAT(InsertOne(store, 2), IsOk());
  store.DropEvents(first);
  EXPECT_EQ(*store.EventsBegin(), first);
  EXPECT_THAT(store.ReadEvents({}, 10)->batches, SizeIs(1));
  store.DropTask(NumberedId(1));
  EXPECT_THAT(store.Get(NumberedId(1)), IsError("TASK_NOT_FOUND"));
  const int shards[] = {1, 2};
  EXPECT_THAT(store.ScanReady(shards, 10)->tasks, SizeIs(1));
}

TEST(InMemoryTaskStoreTest, LetsOthersReadWhileABatchRuns) {
  InMemoryTaskStore store;
  ASSERT_THAT(InsertOne(store, 1), IsOk());
  EXPECT_THAT(store.RunBatch([&](TaskBatch&) { return store.Get(NumberedId(1)).status(); }), IsOk());
}

}  // namespace
}  // namespace switchyard::task_queue
