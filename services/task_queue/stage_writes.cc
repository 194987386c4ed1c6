#include "services/task_queue/stage_writes.h"

#include <algorithm>
#include <deque>
#include <string>

#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {

void AppendDue(pg::TimeArray& array, absl::Time due) {
  if (due == absl::InfiniteFuture()) {
    array.AppendNull();
  } else {
    array.Append(due);
  }
}

void AppendEpoch(pg::Int64Array& array, const std::optional<std::int64_t>& epoch) {
  if (epoch.has_value()) {
    array.Append(*epoch);
  } else {
    array.AppendNull();
  }
}

bool NeedsDirective(const TaskRecord& record) { return record.cancel_requested || !record.answer.empty(); }

void StageWrites::AddTask(const NewTask& task) {
  tasks_.ids.Append(task.record.id);
  tasks_.lanes.Append(static_cast<std::int16_t>(task.record.lane));
  tasks_.projects.Append(task.record.project);
  tasks_.types.Append(task.task_type);
  tasks_.principals.Append(task.record.principal);
  tasks_.titles.Append(task.title);
  tasks_.traces.Append(task.traceparent);
  tasks_.specs.Append(task.spec);
}

void StageWrites::AddRow(const TaskRecord& record, absl::Time due) {
  const Stage stage = record.stage();
  RowColumns& rows = rows_[static_cast<int>(stage)];
  rows.ids.Append(record.id);
  rows.carries.Append(EncodeRecord(record));
  if (stage == Stage::kDone) {
    rows.states.Append(static_cast<std::int16_t>(record.state));
    rows.times.Append(record.finish_time);
    return;
  }
  rows.generations.Append(ToInt(record.generation));
  rows.revisions.Append(record.revision);
  if (stage == Stage::kDead) {
    rows.names.Append(record.model);
    return;
  }
  AppendDue(rows.times, due);
  if (stage == Stage::kReady) {
    rows.shards.Append(static_cast<std::int16_t>(record.shard()));
    rows.ranks.Append(static_cast<std::int16_t>(record.rank()));
  } else if (stage == Stage::kRunning) {
    rows.names.Append(record.agent);
    rows.directives.Append(NeedsDirective(record));
  }
}

void StageWrites::AddEvents(const TaskRecord& record, std::size_t last) {
  const std::size_t size = record.timeline.size();
  for (std::size_t i = size - std::min(last, size); i < size; ++i) {
    events_.push_back({.task = record.id, .project = record.project, .lane = record.lane, .event = record.timeline[i]});
  }
}

void StageWrites::AddWaits(const TaskRecord& record) {
  for (const Awaited& awaited : record.awaits) {
    if (awaited.failed) continue;
    new_waits_.tasks.Append(record.id);
    new_waits_.awaited.Append(awaited.task);
  }
}

void StageWrites::RemoveWaits(const TaskId& task, absl::Span<const TaskId> settled) {
  for (const TaskId& awaited : settled) {
    old_waits_.tasks.Append(task);
    old_waits_.awaited.Append(awaited);
  }
}

absl::Status StageWrites::Flush(pg::Session& session, absl::Time now) {
  // Addresses of both must not change while calls refer to them.
  std::deque<pg::Params> params;
  std::vector<pg::Session::Call> calls;
  const auto call = [&](const pg::Statement& statement) -> pg::Params& {
    calls.push_back({&statement, &params.emplace_back()});
    return params.back();
  };
  if (tasks_.ids.size() > 0) {
    call(kAddTasks)
        .Add(tasks_.ids)
        .Add(tasks_.lanes)
        .Add(tasks_.projects)
        .Add(tasks_.types)
        .Add(tasks_.principals)
        .Add(tasks_.titles)
        .Add(tasks_.traces)
        .Add(tasks_.specs);
  }
  const auto rows_of = [&](Stage stage) -> RowColumns& { return rows_[static_cast<int>(stage)]; };
  if (RowColumns& rows = rows_of(Stage::kReady); rows.ids.size() > 0) {
    call(kAddReady)
        .Add(rows.shards)
        .Add(rows.ranks)
        .Add(rows.ids)
        .Add(rows.generations)
        .Add(rows.revisions)
        .Add(rows.times)
        .Add(rows.carries);
  }
  for (const Stage stage : {Stage::kHeld, Stage::kJudging}) {
    RowColumns& rows = rows_of(stage);
    if (rows.ids.size() == 0) continue;
    call(stage == Stage::kHeld ? kAddHeld : kAddJudging)
        .Add(rows.ids)
        .Add(rows.generations)
        .Add(rows.revisions)
        .Add(rows.times)
        .Add(rows.carries);
  }
  if (RowColumns& rows = rows_of(Stage::kRunning); rows.ids.size() > 0) {
    call(kAddRunning)
        .Add(rows.ids)
        .Add(rows.generations)
        .Add(rows.revisions)
        .Add(rows.times)
        .Add(rows.names)
        .Add(rows.directives)
        .Add(rows.carries);
  }
  if (RowColumns& rows = rows_of(Stage::kDead); rows.ids.size() > 0) {
    call(kAddDead).Add(rows.ids).Add(rows.generations).Add(rows.revisions).Add(rows.names).Add(rows.carries);
  }
  if (RowColumns& rows = rows_of(Stage::kDone); rows.ids.size() > 0) {
    call(kAddOutcome).Add(rows.ids).Add(rows.states).Add(rows.times).Add(rows.carries);
  }
  if (new_waits_.tasks.size() > 0) call(kAddWaits).Add(new_waits_.tasks).Add(new_waits_.awaited);
  if (old_waits_.tasks.size() > 0) call(kRemoveWaits).Add(old_waits_.tasks).Add(old_waits_.awaited);
  std::string payload;
  if (!events_.empty()) {
    payload = EncodeEventBatch(events_);
    call(kAddEvents).Add(now).Add(pg::Bytes{payload});
  }
  pg::Int16Array lanes, stages;
  pg::Int64Array counts;
  for (int lane = 1; lane <= kLaneCount; ++lane) {
    for (int stage = 0; stage < kStageCount; ++stage) {
      if (deltas_[lane][stage] == 0) continue;
      lanes.Append(static_cast<std::int16_t>(lane));
      stages.Append(static_cast<std::int16_t>(stage));
      counts.Append(deltas_[lane][stage]);
    }
  }
  if (counts.size() > 0) call(kAddStageDeltas).Add(lanes).Add(stages).Add(counts);
  if (calls.empty()) return absl::OkStatus();
  return session.ExecuteAll(calls).status();
}

}  // namespace switchyard::task_queue
