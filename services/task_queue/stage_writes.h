#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/pg/connection.h"
#include "libs/pg/params.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Infinite limits are no limits: NULL keeps them out of the indexes.
void AppendDue(pg::TimeArray& array, absl::Time due);
void AppendEpoch(pg::Int64Array& array, const std::optional<std::int64_t>& epoch);
// The agent that owns the row must be told something.
bool NeedsDirective(const TaskRecord& record);

// Collects the inserts of a batch, one statement a table, and sends them in one round trip. Not thread-safe.
class StageWrites final {
 public:
  void AddTask(const NewTask& task);
  // Into the table of its stage.
  void AddRow(const TaskRecord& record, absl::Time due);
  void AddEvents(const TaskRecord& record, std::size_t last);
  // For whom a new row waits, and no more.
  void AddWaits(const TaskRecord& record);
  void RemoveWaits(const TaskId& task, absl::Span<const TaskId> settled);
  // A row of that lane came to, or left, a stage.
  void Count(Lane lane, Stage stage, int delta) { deltas_[static_cast<int>(lane)][static_cast<int>(stage)] += delta; }

  absl::Status Flush(pg::Session& session, absl::Time now);

 private:
  struct TaskColumns {
    pg::UuidArray ids;
    pg::Int16Array lanes;
    pg::TextArray projects, types, principals, titles, traces;
    pg::BytesArray specs;
  };
  struct RowColumns {
    pg::Int16Array shards, ranks, states;
    pg::UuidArray ids;
    pg::Int64Array generations, revisions;
    pg::TimeArray times;
    pg::TextArray names;
    pg::BoolArray directives;
    pg::BytesArray carries;
  };

  TaskColumns tasks_;
  RowColumns rows_[kStageCount];
  struct WaitColumns {
    pg::UuidArray tasks, awaited;
  };

  std::vector<PublishedEvent> events_;
  WaitColumns new_waits_, old_waits_;
  std::int64_t deltas_[kLaneCount + 1][kStageCount] = {};
};

}  // namespace switchyard::task_queue
