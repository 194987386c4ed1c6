#include "services/agent_hub/postgres_log_store.h"

#include <map>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/agent_hub/log_tally.h"
#include "services/agent_hub/sql/statements.h"

namespace switchyard::agent_hub {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
using Key = std::pair<TaskId, std::int64_t>;

std::string DayOf(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

// Nothing of the task arrived before; an hour for clocks that disagree.
absl::Time Eldest(const TaskId& task) { return task.uuid().time() - absl::Hours(1); }

absl::Status LockTallies(pg::Session& session, absl::Time now, std::map<Key, LogTally>& tallies) {
  pg::UuidArray tasks;
  pg::Int64Array generations;
  for (const auto& [key, tally] : tallies) {
    tasks.Append(key.first);
    generations.Append(key.second);
  }
  pg::Params params;
  params.Add(tasks).Add(generations).Add(now);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kLockLogTallies, params));
  for (const pg::Row row : rows) {
    tallies[{row.GetId<TaskId>(0), row.Int64(1)}] = {.last_sequence = row.Int64(2),
                                                     .head_sequence = row.Int64(3),
                                                     .head_bytes = row.Int64(4),
                                                     .tail_sequence = row.Int64(5),
                                                     .tail_bytes = row.Int64(6)};
  }
  return absl::OkStatus();
}

absl::Status StoreTallies(pg::Session& session, const std::map<Key, LogTally>& tallies, const LogLimits& limits) {
  pg::UuidArray tasks;
  pg::Int64Array generations, lasts, heads, head_bytes, tails, tail_bytes;
  for (const auto& [key, tally] : tallies) {
    tasks.Append(key.first);
    generations.Append(key.second);
    lasts.Append(tally.last_sequence);
    heads.Append(tally.head_sequence);
    head_bytes.Append(tally.head_bytes);
    tails.Append(tally.tail_sequence);
    tail_bytes.Append(tally.tail_bytes);
  }
  pg::Params params;
  params.Add(tasks).Add(generations).Add(lasts).Add(heads).Add(head_bytes).Add(tails).Add(tail_bytes);
  SY_RETURN_IF_ERROR(session.Execute(sql::kUpdateLogTallies, params).status());
  for (const auto& [key, tally] : tallies) {
    if (!tally.WantsTrim(limits)) continue;
    pg::Params trim;
    trim.Add(key.first).Add(key.second).Add(tally.head_sequence + 1).Add(limits.tail_bytes);
    SY_RETURN_IF_ERROR(session.Execute(sql::kTrimLog, trim).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PostgresLogStore::Append(absl::Span<const LogChunk> chunks, absl::Time now) {
  if (chunks.empty()) return absl::OkStatus();
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    std::map<Key, LogTally> tallies;
    for (const LogChunk& chunk : chunks) tallies[{chunk.task, chunk.generation}] = {};
    SY_RETURN_IF_ERROR(LockTallies(session, now, tallies));
    pg::UuidArray tasks;
    pg::Int64Array generations, sequences, omitted;
    pg::TimeArray times;
    pg::Int16Array streams;
    pg::BoolArray lasts;
    pg::BytesArray data;
    for (const LogChunk& chunk : chunks) {
      if (!tallies[{chunk.task, chunk.generation}].Take(chunk, limits_)) continue;
      tasks.Append(chunk.task);
      generations.Append(chunk.generation);
      sequences.Append(chunk.sequence);
      times.Append(chunk.time);
      streams.Append(static_cast<std::int16_t>(chunk.stream));
      lasts.Append(chunk.last);
      omitted.Append(chunk.omitted_bytes);
      data.Append(chunk.data);
    }
    if (tasks.size() == 0) return absl::OkStatus();
    pg::Params add;
    add.Add(tasks).Add(generations).Add(sequences).Add(times).Add(streams).Add(lasts).Add(omitted).Add(data).Add(now);
    SY_RETURN_IF_ERROR(session.Execute(sql::kAddLogChunks, add).status());
    return StoreTallies(session, tallies, limits_);
  });
}

absl::StatusOr<std::vector<LogChunk>> PostgresLogStore::Read(const LogQuery& query) {
  pg::Params params;
  params.Add(query.task)
      .Add(query.after.generation)
      .Add(query.after.sequence)
      .Add(query.generation)
      .Add(query.max_bytes)
      .Add(Eldest(query.task));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kReadLog, params));
  std::vector<LogChunk> page;
  for (const pg::Row row : rows) {
    page.push_back({.task = query.task,
                    .generation = row.Int64(0),
                    .sequence = row.Int64(1),
                    .stream = static_cast<LogStream>(row.Int64(3)),
                    .data = std::string(row.Bytes(5)),
                    .time = row.Time(2),
                    .last = row.Bool(4),
                    .omitted_bytes = row.Int64(6)});
  }
  return page;
}

absl::StatusOr<LogPosition> PostgresLogStore::FindTail(const TaskId& task, std::int64_t generation,
                                                       std::int64_t bytes) {
  pg::Params params;
  params.Add(task).Add(generation).Add(bytes).Add(Eldest(task));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kFindLogTail, params));
  if (rows.empty()) return LogPosition{generation, 0};
  return LogPosition{rows[0].Int64(0), rows[0].Int64(1)};
}

absl::Status PostgresLogStore::Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) {
  for (absl::Time day = now - kDay; day <= now + ahead; day += kDay) {
    pg::Params params;
    params.Add(DayOf(day));
    SY_RETURN_IF_ERROR(pool_.Execute(sql::kMakeLogPartition, params).status());
  }
  pg::Params eldest;
  eldest.Add(DayOf(retain_from));
  SY_ASSIGN_OR_RETURN(const pg::Result partitions, pool_.Execute(sql::kListLogPartitions, eldest));
  for (const pg::Row row : partitions) SY_RETURN_IF_ERROR(DropPartition(std::string(row.Text(0)), row.Bool(1)));
  pg::Params before;
  before.Add(retain_from - kDay);
  return pool_.Execute(sql::kForgetLogTallies, before).status();
}

absl::Status PostgresLogStore::DropPartition(const std::string& child, bool attached) {
  SY_ASSIGN_OR_RETURN(pg::Pool::Lease session, pool_.Acquire());
  pg::Params name;
  name.Add(child);
  if (attached) {
    SY_ASSIGN_OR_RETURN(const pg::Result detach, session->Execute(sql::kDetachLogPartitionText, name));
    if (absl::Status status = session->RunScript(detach[0].Text(0)); !status.ok()) {
      // A run that was interrupted left it half detached.
      SY_ASSIGN_OR_RETURN(const pg::Result finalize, session->Execute(sql::kFinalizeLogPartitionText, name));
      if (!session->RunScript(finalize[0].Text(0)).ok()) return status;
    }
  }
  SY_ASSIGN_OR_RETURN(const pg::Result drop, session->Execute(sql::kDropLogPartitionText, name));
  SY_RETURN_IF_ERROR(session->RunScript(drop[0].Text(0)));
  LogInfo("task logs were dropped after their retention", {{"partition", child}});
  return absl::OkStatus();
}

}  // namespace switchyard::agent_hub
