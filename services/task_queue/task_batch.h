#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/task_queue/task.h"

namespace switchyard::task_queue {

struct NewTask {
  TaskRecord record;
  // The serialised specification, opaque here.
  std::string spec;
  std::string title;
  std::string task_type;
  std::string traceparent;
  // Empty: not idempotent.
  std::string request_id;
  // SHA-256 of what was asked, to tell a repeated request from another one under the same id.
  std::string content_hash;
};

// What whoever runs a task is given; never changes.
struct GivenSpec {
  // Serialised; empty where there is none.
  std::string spec;
  std::string traceparent;

  friend bool operator==(const GivenSpec&, const GivenSpec&) = default;
};

struct InsertOutcome {
  enum class Kind { kInserted, kReplayed, kRequestIdReused } kind = Kind::kInserted;
  // The stored task: the new one, or the one that the request id named before.
  TaskId id;
};

// A change of one row, from what was read to what is to be.
struct Move {
  // The row as it was read: its stage, generation and revision are compared.
  Stage from = Stage::kReady;
  Generation generation{};
  std::int64_t revision = 0;
  // The row as it shall be, its last `new_events` events not yet published.
  const TaskRecord* next = nullptr;
  int new_events = 0;
  absl::Time due = absl::InfiniteFuture();
  // Compared in the same statement when set.
  std::optional<std::int64_t> shard_epoch;
  std::optional<std::int64_t> session_epoch;
  // Whose session epoch is compared.
  std::string agent;
  // The row waited for these, and does no more.
  std::vector<TaskId> settled;
};

enum class MoveOutcome : std::int8_t { kApplied, kChanged, kStaleShardEpoch, kStaleSession };

// One atomic batch of changes: all of it is committed or nothing. Not thread-safe; lives as long as its transaction.
class TaskBatch {
 public:
  virtual ~TaskBatch() = default;

  // In the order given. A request id that is known, or comes twice in the batch, stores nothing.
  virtual absl::StatusOr<std::vector<InsertOutcome>> Insert(absl::Span<const NewTask> tasks, absl::Time now) = 0;
  // In the order given; absent when the task never existed or outlived its retention. Sees what the batch did before.
  virtual absl::StatusOr<std::vector<std::optional<TaskRecord>>> Load(absl::Span<const TaskId> ids) = 0;
  // In the order given, each id at most once. A row that is not as it was read stays as it is: that is an outcome,
  // never an error. Events of applied moves are published with the commit.
  virtual absl::StatusOr<std::vector<MoveOutcome>> Apply(absl::Span<const Move> moves, absl::Time now) = 0;
  // In the order given.
  virtual absl::StatusOr<std::vector<GivenSpec>> LoadSpecs(absl::Span<const TaskId> ids) = 0;
  // In the order given. Costs much less than reading the rows.
  virtual absl::StatusOr<std::vector<Standing>> Standings(absl::Span<const TaskId> ids) = 0;
};

// What a row waits for at first and not after a change of it.
std::vector<TaskId> SettledBy(const TaskRecord& before, const TaskRecord& after);

// Absent, or what says why the row cannot be read.
using LoadedTask = absl::StatusOr<std::optional<TaskRecord>>;
// As Load, but a row that cannot be read fails only its own entry.
absl::StatusOr<std::vector<LoadedTask>> LoadEach(TaskBatch& batch, absl::Span<const TaskId> ids);

}  // namespace switchyard::task_queue
