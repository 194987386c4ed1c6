#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Keeps everything in memory, with the semantics of the real store: for tests, simulations and demonstrations. Batches
// run one after another; reads meanwhile see what was committed. Thread-safe. `work` of RunBatch may read the store,
// but not run another batch.
class InMemoryTaskStore final : public TaskStore {
 public:
  explicit InMemoryTaskStore(std::string_view incarnation = "in-memory") : incarnation_(incarnation) {}
  ~InMemoryTaskStore() override;

  // What goes wrong with a batch: the caller hears DATABASE_UNAVAILABLE either way.
  enum class Fault { kNone, kFailBeforeCommit, kCommitThenLoseAnswer };
  // Queues the fates of the batches to come; once all are used, batches succeed again.
  void InjectFaults(std::vector<Fault> faults);
  // While away, every call fails with DATABASE_UNAVAILABLE and changes nothing.
  void SetAway(bool away);
  // As retention does with finished tasks and with events; the latter up to and with `last`.
  void DropTask(const TaskId& id);
  void DropEvents(const EventPosition& last);
  // As after a restore into another cluster: what is stored stays, the log is empty and its positions begin anew.
  void BeginLife(std::string_view incarnation);
  // Every stored record, by id; for checks of invariants.
  std::vector<TaskRecord> AllRecords() const;
  int committed_batches() const;

  absl::Status RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) override;

  absl::StatusOr<StoredTask> Get(const TaskId& id, const ReadOptions& options = {}) override;
  absl::StatusOr<TaskPage> List(const TaskFilter& filter, bool newest_first, std::optional<TaskId> cursor, int limit,
                                const ReadOptions& options = {}) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> CountDeadByModel(
      const ReadOptions& options = {}) override;
  absl::StatusOr<std::vector<StageCounts>> CountByLane(const ReadOptions& options = {}) override;
  absl::StatusOr<ReadyScan> ScanReady(absl::Span<const int> shards, int window,
                                      absl::Span<const ReadyAfter> after = {}) override;
  void Offered(const TaskId&, int) override {}
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
  class Batch;

  struct Row {
    StoredTask task;
    absl::Time due = absl::InfiniteFuture();
  };
  struct Agent {
    Session session;
    bool open = false;
    std::int64_t connection = 0;
  };
  struct Shard {
    std::string owner;
    std::int64_t epoch = 0;
    absl::Time expire_time = absl::InfinitePast();
  };
  // By principal and request id.
  using RequestKey = std::pair<std::string, std::string>;
  struct Request {
    TaskId task;
    std::string content_hash;
  };

  absl::Status CheckPresent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(Row row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unindex(const Row& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Commit(Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Held for a whole batch; taken before mutex_.
  Mutex batch_mutex_;
  mutable Mutex mutex_;
  std::string incarnation_ ABSL_GUARDED_BY(mutex_);
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  int committed_batches_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<TaskId, Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::map<RequestKey, Request> requests_ ABSL_GUARDED_BY(mutex_);
  // Indexes of rows_: (rank, id) of what is ready, (due, id) of what has a limit, ids of what agents own and of what is
  // judged, who waits for whom.
  std::set<std::pair<int, TaskId>> ready_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, TaskId>> due_ ABSL_GUARDED_BY(mutex_);
  std::set<TaskId> owned_ ABSL_GUARDED_BY(mutex_);
  std::set<TaskId> judging_ ABSL_GUARDED_BY(mutex_);
  std::set<Wait> waits_ ABSL_GUARDED_BY(mutex_);
  std::array<std::int64_t, kLaneCount> done_ ABSL_GUARDED_BY(mutex_) = {};
  std::map<std::string, Agent, std::less<>> agents_ ABSL_GUARDED_BY(mutex_);
  std::array<Shard, kShardCount> shards_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<PauseEntry::Kind, std::string>, PauseEntry> pauses_ ABSL_GUARDED_BY(mutex_);
  std::map<EventPosition, std::vector<PublishedEvent>> events_ ABSL_GUARDED_BY(mutex_);
  EventPosition events_begin_ ABSL_GUARDED_BY(mutex_);
  EventPosition events_end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::task_queue
