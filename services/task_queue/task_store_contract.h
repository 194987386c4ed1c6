// What every TaskStore must do, as one suite: each implementation instantiates it with
//   INSTANTIATE_TEST_SUITE_P(InMemory, TaskStoreContract, testing::Values(TaskStoreParam{"InMemory", factory}),
//                            NameOfParam);
// and links task_queue_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// One empty store.
class TaskStoreFixture {
 public:
  virtual ~TaskStoreFixture() = default;
  virtual TaskStore& store() = 0;
  // When the suite's tasks are made; whatever is partitioned by time must be there for the hour that follows.
  virtual absl::Time start() const { return testing::FakeClock().Now(); }
};

struct TaskStoreParam {
  std::string name;
  std::function<std::unique_ptr<TaskStoreFixture>()> make;
};
void PrintTo(const TaskStoreParam& param, std::ostream* os);
std::string NameOfParam(const ::testing::TestParamInfo<TaskStoreParam>& info);

class TaskStoreContract : public ::testing::TestWithParam<TaskStoreParam> {
 protected:
  TaskStoreContract();

  TaskStore& store() { return fixture_->store(); }
  absl::Time now() const { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

  // The n-th task; its shard is n % kShardCount.
  NewTask Make(int n, Lane lane = Lane::kNormal) const;
  static TaskId IdOf(const NewTask& task) { return task.record.id; }
  std::vector<InsertOutcome> Insert(std::vector<NewTask> tasks);
  // Inserts the n-th task, as Make makes it.
  TaskId Submit(int n, Lane lane = Lane::kNormal);
  TaskRecord Read(const TaskId& id);

  struct Guards {
    std::optional<std::int64_t> shard_epoch;
    std::optional<std::int64_t> session_epoch;
    std::string agent;
  };
  // Decides on the stored row and applies: what the use cases do, without their retries.
  template <class What>
  MoveOutcome Do(const TaskId& id, What what, const Guards& guards = {}) {
    return DoCommand({id, std::move(what)}, guards);
  }
  MoveOutcome DoCommand(const Command& command, const Guards& guards);
  // Decides on `record` and describes the change; `next` takes the changed row.
  Move Decided(const TaskRecord& record, const Command& command, TaskRecord& next) const;
  void AssignTo(const TaskId& id, std::string_view agent);
  template <class What>
  void ReportBy(const TaskId& id, std::string_view agent, What what) {
    Do(id, Report{.generation = Read(id).generation, .agent = std::string(agent), .what = std::move(what)});
  }
  // All events after `after`, read `limit` batches at a time.
  std::vector<PublishedEvent> EventsAfter(EventPosition after, int limit = 100);

  const Rules rules_;

 private:
  std::unique_ptr<TaskStoreFixture> fixture_;
  absl::Time now_;
};

}  // namespace switchyard::task_queue
