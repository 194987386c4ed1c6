#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/task_queue/task.h"
#include "services/task_queue/task_batch.h"

namespace switchyard::task_queue {

// Which tasks a list or a bulk change is about. Empty lists and absent values do not restrict.
struct TaskFilter {
  std::vector<TaskState> states;
  std::vector<Lane> lanes;
  std::vector<std::string> projects;
  std::vector<std::string> task_types;
  absl::Time create_from = absl::InfinitePast();
  absl::Time create_to = absl::InfiniteFuture();
  std::string title_contains;
  std::vector<HoldReason> holds;
  std::string agent;
  std::string principal;
};

struct StoredTask {
  TaskRecord record;
  std::string spec;
  std::string title;
  std::string task_type;
  std::string traceparent;
};

struct TaskPage {
  std::vector<StoredTask> tasks;
  // Where the next page begins; absent at the end. Ids order tasks by time, so an id is a cursor.
  std::optional<TaskId> next;
};

// How a read may be cut short.
struct ReadOptions {
  // What is left of the caller's time: by then the store gives up, DEADLINE_EXCEEDED.
  absl::Duration within = absl::InfiniteDuration();
  // False leaves all but the record out.
  bool specs = true;
  // Of lists: a page ends early, with `next`, where its specifications reach this; it has one task at least.
  std::size_t max_spec_bytes = std::numeric_limits<std::size_t>::max();
};

struct ReadyScan {
  std::vector<TaskRecord> tasks;
  // Lanes of which more is stored than was returned.
  std::vector<Lane> truncated;
};

// Where a scan of one lane goes on: behind this task. Nil: at its front.
struct ReadyAfter {
  // Twice the lane's number for fresh work, one more for what was tried before, two more past the end.
  int rank = 0;
  TaskId id;
};

struct DueTask {
  TaskId id;
  absl::Time due;
};

struct JudgingTask {
  TaskId id;
  Generation generation{};
};

struct Session {
  std::string agent;
  std::int64_t epoch = 0;
  std::string hub;
  absl::Time expire_time;
};

struct ShardLease {
  int shard = 0;
  std::int64_t epoch = 0;
};

struct PauseEntry {
  enum class Kind : std::int8_t { kLane = 1, kProject = 2 } kind = Kind::kLane;
  // The lane's number or the project's name.
  std::string key;
  std::string reason;
  std::string principal;
  absl::Time create_time;
};

struct StageCounts {
  // By stage; kDone counts since the installation began.
  std::int64_t by_stage[kStageCount] = {};
  absl::Time oldest_ready = absl::InfiniteFuture();
};

// Where a reader of the event log stands: after all events of this batch of this transaction.
struct EventPosition {
  std::uint64_t transaction = 0;
  std::int64_t sequence = 0;

  friend bool operator==(const EventPosition&, const EventPosition&) = default;
  friend auto operator<=>(const EventPosition&, const EventPosition&) = default;
};

struct PublishedEvent {
  TaskId task;
  std::string project;
  Lane lane = Lane::kNormal;
  TaskEvent event;
};

// The events of one batch.
struct EventBatch {
  EventPosition position;
  std::vector<PublishedEvent> events;
};

struct EventPage {
  // Of the database that was read: another one than before means that positions from before mean nothing in it.
  std::string incarnation;
  std::vector<EventBatch> batches;
  // How far behind the newest committed events the reader is, because it reads slowly or because a long transaction
  // somewhere holds readers back.
  absl::Duration lag;
};

// All state of the task queue. Thread-safe; every call may block. Calls fail with DATABASE_UNAVAILABLE when the
// store is away; what was not confirmed may or may not have happened.
class TaskStore {
 public:
  virtual ~TaskStore() = default;

  // Runs `work` as one atomic batch; commits when it returns OK.
  virtual absl::Status RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) = 0;

  // NOT_FOUND once a finished task outlives its retention: do not read that as "never existed".
  virtual absl::StatusOr<StoredTask> Get(const TaskId& id, const ReadOptions& options = {}) = 0;
  // By id, newest or oldest first, beginning after `cursor`. `limit` bounds the page.
  virtual absl::StatusOr<TaskPage> List(const TaskFilter& filter, bool newest_first, std::optional<TaskId> cursor,
                                        int limit, const ReadOptions& options = {}) = 0;
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> CountDeadByModel(
      const ReadOptions& options = {}) = 0;
  // One entry for each lane, urgent first.
  virtual absl::StatusOr<std::vector<StageCounts>> CountByLane(const ReadOptions& options = {}) = 0;

  // Ready tasks of the shards, per lane at most `window`, in the order of ranks and ids. `after` is empty or has an
  // entry for each lane, urgent first.
  virtual absl::StatusOr<ReadyScan> ScanReady(absl::Span<const int> shards, int window,
                                              absl::Span<const ReadyAfter> after = {}) = 0;
  // A committed batch made this task ready again, perhaps before what scans begin with. Never blocks.
  virtual void Offered(const TaskId& id, int rank) = 0;
  // Tasks with a time limit at or before `now`, the oldest limits first.
  virtual absl::StatusOr<std::vector<DueTask>> ScanDue(absl::Time now, int limit) = 0;

  // Raises the agent's epoch. STALE_CONNECTION, and nothing is changed, when a larger number of a connection had a
  // session before; 0 is not compared.
  virtual absl::StatusOr<Session> OpenSession(std::string_view agent, std::string_view hub, absl::Time expire,
                                              std::int64_t connection) = 0;
  absl::StatusOr<Session> OpenSession(std::string_view agent, std::string_view hub, absl::Time expire) {
    return OpenSession(agent, hub, expire, 0);
  }
  // The agents whose epoch was current and whose lease was prolonged.
  virtual absl::StatusOr<std::vector<std::string>> RenewSessions(
      absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) = 0;
  virtual absl::StatusOr<std::vector<Session>> ExpiredSessions(absl::Time now, int limit) = 0;
  // Raises the epoch of a session that is still the one named, so that assignments and reports of it are refused; false
  // when it is not. Its lease stays expired: it is found again until it is closed.
  virtual absl::StatusOr<bool> FenceSession(std::string_view agent, std::int64_t epoch) = 0;
  // Ends a session for good, if it is still the one named.
  virtual absl::Status CloseSession(std::string_view agent, std::int64_t epoch) = 0;
  // What the agents own, with specification.
  virtual absl::StatusOr<std::vector<StoredTask>> OwnedBy(absl::Span<const std::string> agents) = 0;
  // Owned tasks that an agent must be told something about, a cancellation or an answer: by id, behind `after`.
  virtual absl::StatusOr<std::vector<TaskRecord>> WithDirectives(const TaskId& after, int limit) = 0;

  // Tasks that await a verdict, by id, behind `after`.
  virtual absl::StatusOr<std::vector<JudgingTask>> ScanJudging(const TaskId& after, int limit) = 0;
  // Who waits for whom: all of it, behind `after`, or for some of those that are awaited, by them, behind `after`.
  virtual absl::StatusOr<std::vector<Wait>> ScanWaits(const Wait& after, int limit) = 0;
  virtual absl::StatusOr<std::vector<Wait>> WaitsFor(absl::Span<const TaskId> awaited, const Wait& after,
                                                     int limit) = 0;

  // Renews what `owner` has, takes free or expired shards up to `want`, and returns what it holds now.
  virtual absl::StatusOr<std::vector<ShardLease>> AcquireShards(std::string_view owner, int want, absl::Time now,
                                                                absl::Time expire) = 0;
  virtual absl::Status ReleaseShards(std::string_view owner) = 0;

  virtual absl::Status Pause(const PauseEntry& entry) = 0;
  // False when it was not paused.
  virtual absl::StatusOr<bool> Resume(PauseEntry::Kind kind, std::string_view key) = 0;
  virtual absl::StatusOr<std::vector<PauseEntry>> Pauses() = 0;

  // Names the database's life: positions of one incarnation mean nothing in another.
  virtual absl::StatusOr<std::string> Incarnation() = 0;
  // The end of what every reader may see now.
  virtual absl::StatusOr<EventPosition> EventsEnd() = 0;
  // The first position that is still stored.
  virtual absl::StatusOr<EventPosition> EventsBegin() = 0;
  // No position that any replica has given out lies behind this one; and once EventsEnd() has reached it, every batch
  // that was under way when it was asked for has ended.
  virtual absl::StatusOr<EventPosition> EventsLimit() = 0;
  // Batches after `after`, in order, without ever skipping one that commits later; at most `limit` batches.
  virtual absl::StatusOr<EventPage> ReadEvents(const EventPosition& after, int limit) = 0;
};

}  // namespace switchyard::task_queue
