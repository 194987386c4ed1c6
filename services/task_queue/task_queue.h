#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

struct Submission {
  NewTask task;
  // Not offered before this moment.
  absl::Time start_time = absl::InfinitePast();
  // As Command's.
  absl::Time wanted_until = absl::InfiniteFuture();
};

struct Submitted {
  TaskId id;
  absl::Time create_time;
  bool replayed = false;
  // The stored row; null when replayed.
  std::shared_ptr<const TaskRecord> record;
  std::shared_ptr<const GivenSpec> spec;
};

struct Executed {
  TaskState state = TaskState::kQueued;
  // The row after the command; null when nothing was written.
  std::shared_ptr<const TaskRecord> record;
  // Only for assignments.
  std::shared_ptr<const GivenSpec> spec;
};

// What can be done to tasks, in batches: reads what it must, lets the rules decide, writes by compare-and-set, and
// tries again what changed under it. Holds no state but the cache, so any number of batches and replicas may run at
// once. Thread-safe.
class TaskQueue {
 public:
  // Borrows all for its lifetime.
  TaskQueue(const Rules& rules, const Clock& clock, IdSource& ids, RecordCache& cache)
      : rules_(rules), clock_(clock), ids_(ids), cache_(cache) {}

  // Stores new tasks; answers in order. The returned status speaks of the whole batch: nothing was done. A task that it
  // saw live and that ended meanwhile may never be told to the one that waits for it: see DependencyDesk.
  absl::Status Submit(TaskBatch& batch, absl::Span<Submission> submissions,
                      absl::Span<absl::StatusOr<Submitted>> answers);

  // Applies commands, at most one per task; answers in order.
  absl::Status Execute(TaskBatch& batch, absl::Span<const Command> commands,
                       absl::Span<absl::StatusOr<Executed>> answers);

  // To be called once the batch is committed: what was learnt becomes the base of later commands.
  void Learn(const Submitted& submitted);
  void Learn(const Executed& executed);

  const Rules& rules() const { return rules_; }

 private:
  struct Attempted;
  using StandingMap = absl::flat_hash_map<TaskId, Standing>;
  // Of all that the submissions wait for.
  static absl::StatusOr<StandingMap> StandingsOf(TaskBatch& batch, absl::Span<const Submission> submissions);
  absl::Status AttachSpecs(TaskBatch& batch, absl::Span<const Command> commands,
                           absl::Span<absl::StatusOr<Executed>> answers);

  const Rules& rules_;
  const Clock& clock_;
  IdSource& ids_;
  RecordCache& cache_;
};

}  // namespace switchyard::task_queue
