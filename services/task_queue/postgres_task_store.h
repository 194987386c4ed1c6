#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"
#include "libs/pg/pool.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Where the front of each ready list was last seen. A scan that began at the first key would walk everything that was
// deleted before it and cannot be vacuumed yet. Thread-safe.
class LowWater final {
 public:
  explicit LowWater(const Clock& clock) : clock_(clock) {}

  Uuid Get(int shard, int rank);
  // A scan found `front` to be the first.
  void Raise(int shard, int rank, const Uuid& front);
  // A row came, perhaps before the front.
  void Lower(int shard, int rank, const Uuid& id);

 private:
  struct Mark {
    Uuid low;
    absl::Time forget_at = absl::InfinitePast();
  };

  const Clock& clock_;
  Mutex mutex_;
  std::array<std::array<Mark, kLastRank + 1>, kShardCount> marks_ ABSL_GUARDED_BY(mutex_);
};

// The store of the product. See TaskStore.
class PostgresTaskStore final : public TaskStore {
 public:
  // Borrows all for its lifetime.
  PostgresTaskStore(pg::Pool& pool, const Clock& clock, IdSource& ids);

  absl::Status RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) override;

  absl::StatusOr<StoredTask> Get(const TaskId& id) override;
  absl::StatusOr<TaskPage> List(const TaskFilter& filter, bool newest_first, std::optional<TaskId> cursor,
                                int limit) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> CountDeadByModel() override;
  absl::StatusOr<std::vector<StageCounts>> CountByLane() override;
  absl::StatusOr<ReadyScan> ScanReady(absl::Span<const int> shards, int window,
                                      absl::Span<const ReadyAfter> after = {}) override;
  absl::StatusOr<std::vector<DueTask>> ScanDue(absl::Time now, int limit) override;

  absl::StatusOr<Session> OpenSession(std::string_view agent, std::string_view hub, absl::Time expire) override;
  absl::StatusOr<std::vector<std::string>> RenewSessions(
      absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) override;
  absl::StatusOr<std::vector<Session>> ExpiredSessions(absl::Time now, int limit) override;
  absl::Status FenceSession(std::string_view agent, std::int64_t epoch) override;
  absl::Status CloseSession(std::string_view agent, std::int64_t epoch) override;
  absl::StatusOr<std::vector<StoredTask>> OwnedBy(absl::Span<const std::string> agents) override;
  absl::StatusOr<std::vector<StoredTask>> WithDirectives(int limit) override;

  absl::StatusOr<std::vector<ShardLease>> AcquireShards(std::string_view owner, int want, absl::Time now,
                                                        absl::Time expire) override;
  absl::Status ReleaseShards(std::string_view owner) override;

  absl::Status Pause(const PauseEntry& entry) override;
  absl::StatusOr<bool> Resume(PauseEntry::Kind kind, std::string_view key) override;
  absl::StatusOr<std::vector<PauseEntry>> Pauses() override;

  absl::StatusOr<std::string> Incarnation() override;
  absl::StatusOr<EventPosition> EventsEnd() override;
  absl::StatusOr<EventPosition> EventsBegin() override;
  absl::StatusOr<EventPage> ReadEvents(const EventPosition& after, int limit) override;

  // A row that becomes ready by a batch that does not go through this store's RunBatch.
  void Offered(const TaskRecord& record);

 private:
  // One statement outside a transaction, on any session.
  absl::StatusOr<pg::Result> Query(const pg::Statement& statement, const pg::Params& params = pg::Params());
  absl::StatusOr<std::vector<StoredTask>> OwnedTasks(const pg::Result& rows);
  absl::Status AttachTasks(std::vector<StoredTask>& tasks);

  pg::Pool& pool_;
  const Clock& clock_;
  IdSource& ids_;
  LowWater low_water_;
  Mutex mutex_;
  absl::Time due_swept_to_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time full_due_sweep_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace switchyard::task_queue
