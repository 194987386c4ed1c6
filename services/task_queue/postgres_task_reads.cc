// Reads of single tasks and of lists.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/task_queue/postgres_task_store.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

// How far one call looks for matches of a narrow filter; the page token carries on from there.
constexpr int kRowsPerLook = 2'000;
constexpr int kLooksPerPage = 10;
// At a mebibyte each, what one page may hold for a moment.
constexpr std::size_t kSpecsPerLook = 64;

template <class T>
bool Allows(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

// What the specification's row alone can tell.
bool MayMatch(const TaskFilter& filter, const pg::Row& row) {
  if (!Allows(filter.lanes, static_cast<Lane>(row.Int64(1)))) return false;
  if (!filter.projects.empty() && !Allows(filter.projects, std::string(row.Text(2)))) return false;
  if (!filter.task_types.empty() && !Allows(filter.task_types, std::string(row.Text(3)))) return false;
  if (!filter.principal.empty() && filter.principal != row.Text(4)) return false;
  return filter.title_contains.empty() ||
         absl::StrContains(absl::AsciiStrToLower(ToAbsl(row.Text(5))), absl::AsciiStrToLower(filter.title_contains));
}

bool Matches(const TaskFilter& filter, const TaskRecord& record) {
  // Only what waits is held, or not held, for a reason.
  const bool hold = filter.holds.empty() || (record.state == TaskState::kQueued && Allows(filter.holds, record.hold));
  return Allows(filter.states, record.state) && hold && (filter.agent.empty() || filter.agent == record.agent);
}

// Which stages hold what the filter wants; done means also the millions that are finished.
std::array<bool, kStageCount> StagesOf(const TaskFilter& filter) {
  std::array<bool, kStageCount> stages = {};
  if (filter.states.empty() && filter.holds.empty() && filter.agent.empty()) {
    stages.fill(true);
    return stages;
  }
  for (int state = 1; state <= static_cast<int>(TaskState::kDiscarded); ++state) {
    if (!Allows(filter.states, static_cast<TaskState>(state))) continue;
    for (const HoldReason hold : {HoldReason::kNone, HoldReason::kDelayed}) {
      const Stage stage = StageOf(static_cast<TaskState>(state), hold);
      stages[static_cast<std::size_t>(stage)] = true;
    }
  }
  for (int stage = 0; stage < kStageCount; ++stage) {
    const Stage which = static_cast<Stage>(stage);
    const bool waits = which == Stage::kReady || which == Stage::kHeld;
    const bool owned = which == Stage::kRunning || which == Stage::kJudging;
    if (!filter.holds.empty() && !waits) stages[stage] = false;
    if (!filter.agent.empty() && !owned) stages[stage] = false;
  }
  return stages;
}

Uuid Bound(absl::Time time, const Uuid& infinite) {
  return time == absl::InfiniteFuture() || time == absl::InfinitePast() ? infinite : Uuid::LowestAt(time);
}

Uuid HighestUuid() {
  std::array<std::uint8_t, 16> bytes;
  bytes.fill(0xff);
  return Uuid(bytes);
}

}  // namespace

absl::StatusOr<StoredTask> PostgresTaskStore::Get(const TaskId& id, const ReadOptions& options) {
  const GiveUp give_up = GiveUp::After(options.within);
  pg::UuidArray wanted;
  wanted.Append(id);
  pg::Params params;
  params.Add(wanted);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kLoadRecords, params, give_up));
  if (rows.empty()) return TaskNotFound(id);
  std::vector<StoredTask> tasks(1);
  SY_ASSIGN_OR_RETURN(tasks[0].record, DecodeRecord(rows[0].Bytes(1)));
  if (options.specs) SY_RETURN_IF_ERROR(AttachTasks(absl::MakeSpan(tasks), give_up));
  return std::move(tasks[0]);
}

absl::Status PostgresTaskStore::AttachTasks(absl::Span<StoredTask> tasks, GiveUp give_up) {
  if (tasks.empty()) return absl::OkStatus();
  pg::UuidArray wanted;
  absl::flat_hash_map<TaskId, StoredTask*> by_id;
  for (StoredTask& task : tasks) {
    wanted.Append(task.record.id);
    by_id[task.record.id] = &task;
  }
  pg::Params params;
  params.Add(wanted);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kLoadTasks, params, give_up));
  for (const pg::Row row : rows) {
    StoredTask& task = *by_id.at(row.GetId<TaskId>(0));
    task.title = std::string(row.Text(1));
    task.task_type = std::string(row.Text(2));
    task.traceparent = std::string(row.Text(3));
    task.spec = std::string(row.Bytes(4));
  }
  return absl::OkStatus();
}

absl::StatusOr<TaskPage> PostgresTaskStore::Complete(TaskPage page, const ReadOptions& options, GiveUp give_up) {
  std::size_t bytes = 0;
  for (std::size_t begin = 0; options.specs && begin < page.tasks.size(); begin += kSpecsPerLook) {
    const absl::Span<StoredTask> part = absl::MakeSpan(page.tasks).subspan(begin, kSpecsPerLook);
    SY_RETURN_IF_ERROR(AttachTasks(part, give_up));
    for (std::size_t i = 0; i < part.size(); ++i) {
      bytes += part[i].spec.size();
      const std::size_t kept = begin + i + 1;
      if (bytes < options.max_spec_bytes || kept == page.tasks.size()) continue;
      page.next = part[i].record.id;
      page.tasks.resize(kept);
      return page;
    }
  }
  return page;
}

absl::StatusOr<TaskPage> PostgresTaskStore::List(const TaskFilter& filter, bool newest_first,
                                                 std::optional<TaskId> cursor, int limit, const ReadOptions& options) {
  const GiveUp give_up = GiveUp::After(options.within);
  const std::array<bool, kStageCount> stages = StagesOf(filter);
  const bool finished = stages[static_cast<std::size_t>(Stage::kDone)];
  Uuid position = cursor.has_value() ? cursor->uuid() : (newest_first ? HighestUuid() : Uuid());
  TaskPage page;
  for (int look = 0; look < kLooksPerPage; ++look) {
    const std::int64_t rows_wanted = std::min(kRowsPerLook, look == 0 ? std::max(limit * 2, 100) : kRowsPerLook);
    pg::Params params;
    params.Add(position).Add(Bound(filter.create_from, Uuid())).Add(Bound(filter.create_to, HighestUuid()));
    params.Add(rows_wanted);
    const pg::Statement* statement = newest_first ? &kListTasksNewestFirst : &kListTasksOldestFirst;
    if (!finished) {
      statement = newest_first ? &kListLiveNewestFirst : &kListLiveOldestFirst;
      for (const Stage stage : {Stage::kReady, Stage::kHeld, Stage::kRunning, Stage::kJudging, Stage::kDead}) {
        params.Add(stages[static_cast<std::size_t>(stage)]);
      }
    }
    SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(*statement, params, give_up));
    std::vector<TaskId> candidates;
    for (const pg::Row row : rows) {
      const TaskId id = row.GetId<TaskId>(0);
      // While a day is dropped, what is pinned of it stands in both tables.
      const bool again = !candidates.empty() && candidates.back() == id;
      if (!again && MayMatch(filter, row)) candidates.push_back(id);
    }
    std::vector<std::optional<TaskRecord>> records(candidates.size());
    if (!candidates.empty()) {
      pg::UuidArray wanted;
      for (const TaskId& id : candidates) wanted.Append(id);
      pg::Params load;
      load.Add(wanted);
      SY_ASSIGN_OR_RETURN(const pg::Result loaded, Query(kLoadRecords, load, give_up));
      for (const pg::Row row : loaded) {
        const std::size_t index = row.Int64(0) - 1;
        records[index] = Readable(candidates[index], row.Bytes(1));
      }
    }
    for (std::optional<TaskRecord>& record : records) {
      if (!record.has_value() || !Matches(filter, *record)) continue;
      if (static_cast<int>(page.tasks.size()) == limit) {
        page.next = page.tasks.back().record.id;
        return Complete(std::move(page), options, give_up);
      }
      page.tasks.push_back({.record = *std::move(record)});
    }
    if (rows.size() < rows_wanted) return Complete(std::move(page), options, give_up);
    position = rows[rows.size() - 1].GetUuid(0);
  }
  page.next = TaskId(position);
  return Complete(std::move(page), options, give_up);
}

}  // namespace switchyard::task_queue
