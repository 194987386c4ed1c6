#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/pg/pool.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Where the front of each ready list was last seen. A scan that began at the first key would walk everything that was
// deleted before it and cannot be vacuumed yet. Thread-safe.
class LowWater final {
 public:
  explicit LowWater(const Clock& clock) : clock_(clock) {}

  Uuid Get(int shard, int rank);
  // To be taken before a scan: what comes while it runs is not overlooked after it.
  std::uint64_t Moment() const;
  // A scan that began at `moment` found `front` to be the first.
  void Raise(int shard, int rank, const Uuid& front, std::uint64_t moment);
  // A row came, perhaps before the front.
  void Lower(int shard, int rank, const Uuid& id);

 private:
  struct Mark {
    Uuid low;
    absl::Time forget_at = absl::InfinitePast();
    std::uint64_t lowered = 0;
  };

  const Clock& clock_;
  mutable Mutex mutex_;
  // Counts what came.
  std::uint64_t moment_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<std::array<Mark, kLastRank + 1>, kShardCount> marks_ ABSL_GUARDED_BY(mutex_);
};

// When a read gives up, in steady time.
struct GiveUp {
  static GiveUp After(absl::Duration within);
  std::int64_t at = std::numeric_limits<std::int64_t>::max();
};

// The store of the product. See TaskStore.
class PostgresTaskStore final : public TaskStore {
 public:
  // Borrows all for its lifetime.
  PostgresTaskStore(pg::Pool& pool, const Clock& clock, IdSource& ids);

  absl::Status RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) override;

  absl::StatusOr<StoredTask> Get(const TaskId& id, const ReadOptions& options = {}) override;
  absl::StatusOr<TaskPage> List(const TaskFilter& filter, bool newest_first, std::optional<TaskId> cursor, int limit,
                                const ReadOptions& options = {}) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> CountDeadByModel(
      const ReadOptions& options = {}) override;
  absl::StatusOr<std::vector<StageCounts>> CountByLane(const ReadOptions& options = {}) override;
  absl::StatusOr<ReadyScan> ScanReady(absl::Span<const int> shards, int window,
                                      absl::Span<const ReadyAfter> after = {}) override;
  void Offered(const TaskId& id, int rank) override;
  absl::StatusOr<std::vector<DueTask>> ScanDue(absl::Time now, int limit) override;

  using TaskStore::OpenSession;
  absl::StatusOr<Session> OpenSession(std::string_view agent, std::string_view hub, absl::Time expire,
                                      std::int64_t connection) override;
  absl::StatusOr<std::vector<std::string>> RenewSessions(
      absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) override;
  absl::StatusOr<std::vector<Session>> ExpiredSessions(absl::Time now, int limit) override;
  absl::StatusOr<bool> FenceSession(std::string_view agent, std::int64_t epoch) override;
  absl::Status CloseSession(std::string_view agent, std::int64_t epoch) override;
  absl::StatusOr<std::vector<StoredTask>> OwnedBy(absl::Span<const std::string> agents) override;
  absl::StatusOr<std::vector<TaskRecord>> WithDirectives(const TaskId& after, int limit) override;

  absl::StatusOr<std::vector<JudgingTask>> ScanJudging(const TaskId& after, int limit) override;
  absl::StatusOr<std::vector<Wait>> ScanWaits(const Wait& after, int limit) override;
  absl::StatusOr<std::vector<Wait>> WaitsFor(absl::Span<const TaskId> awaited, const Wait& after, int limit) override;

  absl::StatusOr<std::vector<ShardLease>> AcquireShards(std::string_view owner, int want, absl::Time now,
                                                        absl::Time expire) override;
  absl::Status ReleaseShards(std::string_view owner) override;

  absl::Status Pause(const PauseEntry& entry) override;
  absl::StatusOr<bool> Resume(PauseEntry::Kind kind, std::string_view key) override;
  absl::StatusOr<std::vector<PauseEntry>> Pauses() override;

  absl::StatusOr<std::string> Incarnation() override;
  absl::StatusOr<EventPosition> EventsEnd() override;
  absl::StatusOr<EventPosition> EventsBegin() override;
  absl::StatusOr<EventPosition> EventsLimit() override;
  absl::StatusOr<EventPage> ReadEvents(const EventPosition& after, int limit) override;

 private:
  // One statement outside a transaction, on any session.
  absl::StatusOr<pg::Result> Query(const pg::Statement& statement, const pg::Params& params = pg::Params(),
                                   GiveUp give_up = {});
  absl::StatusOr<std::vector<StoredTask>> OwnedTasks(const pg::Result& rows);
  // Empty when the incarnation is still to be begun.
  absl::StatusOr<std::string> LifeBehind(pg::Session& session);
  absl::Status AttachTasks(absl::Span<StoredTask> tasks, GiveUp give_up);
  // A part at a time, so that a page of large specifications is not held as a whole.
  absl::StatusOr<TaskPage> Complete(TaskPage page, const ReadOptions& options, GiveUp give_up);

  pg::Pool& pool_;
  const Clock& clock_;
  IdSource& ids_;
  LowWater low_water_;
  Mutex mutex_;
  // Incarnations by the sessions that they were read on: a session never outlives its server's.
  StringMap<std::string> lives_ ABSL_GUARDED_BY(mutex_);
  absl::Time due_swept_to_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time full_due_sweep_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace switchyard::task_queue
