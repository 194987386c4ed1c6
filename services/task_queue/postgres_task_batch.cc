#include "services/task_queue/postgres_task_batch.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/pg/params.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"
#include "services/task_queue/stage_writes.h"

namespace switchyard::task_queue {
namespace {

// Who asked and under which id. The id stands last and whole, so that time-ordered ids land at the edge of the index.
std::string RequestKey(const NewTask& task) {
  std::string key = task.record.principal;
  key.push_back('\0');
  key += task.request_id;
  return key;
}

}  // namespace

absl::StatusOr<std::vector<InsertOutcome>> PostgresTaskBatch::Insert(absl::Span<const NewTask> tasks, absl::Time now) {
  std::vector<InsertOutcome> outcomes(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) outcomes[i].id = tasks[i].record.id;
  SY_RETURN_IF_ERROR(ClaimRequests(tasks, outcomes));
  // A task that waits is only due by limits of its own.
  static const Rules kNoRules;
  StageWrites writes;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (outcomes[i].kind != InsertOutcome::Kind::kInserted) continue;
    const TaskRecord& record = tasks[i].record;
    writes.AddTask(tasks[i]);
    writes.AddRow(record, std::max(DueTime(kNoRules, record), now));
    writes.AddWaits(record);
    writes.AddEvents(record, record.timeline.size());
    writes.Count(record.lane, record.stage(), 1);
  }
  SY_RETURN_IF_ERROR(writes.Flush(session_, now));
  return outcomes;
}

absl::Status PostgresTaskBatch::ClaimRequests(absl::Span<const NewTask> tasks, std::vector<InsertOutcome>& outcomes) {
  StringMap<std::size_t> first;
  pg::BytesArray keys;
  pg::BytesArray contents;
  pg::UuidArray ids;
  std::vector<std::pair<std::size_t, std::size_t>> repeats;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].request_id.empty()) continue;
    std::string key = RequestKey(tasks[i]);
    const auto [known, first_of_it] = first.try_emplace(key, i);
    if (!first_of_it) {
      repeats.emplace_back(i, known->second);
      continue;
    }
    keys.Append(key);
    contents.Append(tasks[i].content_hash);
    ids.Append(tasks[i].record.id);
  }
  if (first.empty()) return absl::OkStatus();
  pg::Params params;
  params.Add(keys).Add(contents).Add(ids);
  const bool fresh = claims_ == Claims::kFresh && first.size() > 1;
  SY_ASSIGN_OR_RETURN(const pg::Result claimed, session_.Execute(fresh ? kClaimFreshRequests : kClaimRequests, params));
  if (claimed.affected() < static_cast<std::int64_t>(first.size())) {
    // Seen by a statement of its own: what a concurrent batch committed meanwhile is not in the first one's snapshot.
    pg::Params find;
    find.Add(keys);
    SY_ASSIGN_OR_RETURN(const pg::Result known, session_.Execute(kFindRequests, find));
    for (const pg::Row row : known) {
      const std::size_t index = first.find(row.Bytes(0))->second;
      if (row.GetId<TaskId>(2) == tasks[index].record.id) continue;
      const bool same = row.Bytes(1) == tasks[index].content_hash;
      outcomes[index] = {same ? InsertOutcome::Kind::kReplayed : InsertOutcome::Kind::kRequestIdReused,
                         row.GetId<TaskId>(2)};
    }
  }
  for (const auto& [later, earlier] : repeats) {
    const bool same = tasks[later].content_hash == tasks[earlier].content_hash &&
                      outcomes[earlier].kind != InsertOutcome::Kind::kRequestIdReused;
    outcomes[later] = {same ? InsertOutcome::Kind::kReplayed : InsertOutcome::Kind::kRequestIdReused,
                       outcomes[earlier].id};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::optional<TaskRecord>>> PostgresTaskBatch::Load(absl::Span<const TaskId> ids) {
  std::vector<std::optional<TaskRecord>> records(ids.size());
  if (ids.empty()) return records;
  pg::UuidArray wanted;
  for (const TaskId& id : ids) wanted.Append(id);
  pg::Params params;
  params.Add(wanted);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session_.Execute(kLoadRecords, params));
  for (const pg::Row row : rows) {
    SY_ASSIGN_OR_RETURN(records[row.Int64(0) - 1], DecodeRecord(row.Bytes(1)));
  }
  return records;
}

absl::StatusOr<std::vector<GivenSpec>> PostgresTaskBatch::LoadSpecs(absl::Span<const TaskId> ids) {
  std::vector<GivenSpec> specs(ids.size());
  pg::UuidArray wanted;
  for (const TaskId& id : ids) wanted.Append(id);
  pg::Params params;
  params.Add(wanted);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session_.Execute(kLoadSpecs, params));
  for (const pg::Row row : rows) specs[row.Int64(0) - 1] = {std::string(row.Bytes(1)), std::string(row.Text(2))};
  return specs;
}

absl::StatusOr<std::vector<Standing>> PostgresTaskBatch::Standings(absl::Span<const TaskId> ids) {
  std::vector<Standing> standings(ids.size(), Standing::kUnknown);
  pg::UuidArray wanted;
  for (const TaskId& id : ids) wanted.Append(id);
  pg::Params params;
  params.Add(wanted);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session_.Execute(kStandings, params));
  for (const pg::Row row : rows) {
    if (!row.IsNull(1)) standings[row.Int64(0) - 1] = StandingOf(static_cast<TaskState>(row.Int64(1)));
  }
  return standings;
}

absl::StatusOr<std::vector<MoveOutcome>> PostgresTaskBatch::Apply(absl::Span<const Move> moves, absl::Time now) {
  std::vector<MoveOutcome> outcomes(moves.size(), MoveOutcome::kChanged);
  for (int stage = 0; stage < kStageCount; ++stage) {
    SY_RETURN_IF_ERROR(Remove(moves, static_cast<Stage>(stage), outcomes));
  }
  SY_RETURN_IF_ERROR(UpdateRunning(moves, outcomes));
  StageWrites writes;
  bool refused = false;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves[i];
    if (outcomes[i] != MoveOutcome::kApplied) {
      refused = refused || move.shard_epoch.has_value() || move.session_epoch.has_value();
      continue;
    }
    const TaskRecord& record = *move.next;
    if (move.from != Stage::kRunning || record.stage() != Stage::kRunning) writes.AddRow(record, move.due);
    writes.RemoveWaits(record.id, move.settled);
    writes.AddEvents(record, move.new_events);
    writes.Count(record.lane, move.from, -1);
    writes.Count(record.lane, record.stage(), 1);
  }
  SY_RETURN_IF_ERROR(writes.Flush(session_, now));
  if (refused) SY_RETURN_IF_ERROR(ExplainRefusals(moves, outcomes));
  return outcomes;
}

absl::Status PostgresTaskBatch::Remove(absl::Span<const Move> moves, Stage from, std::vector<MoveOutcome>& outcomes) {
  pg::Int16Array shards, ranks;
  pg::UuidArray ids;
  pg::Int64Array generations, revisions, shard_epochs, session_epochs;
  pg::TextArray agents;
  absl::flat_hash_map<TaskId, std::size_t> index;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves[i];
    if (move.from != from || (from == Stage::kRunning && move.next->stage() == Stage::kRunning)) continue;
    index[move.next->id] = i;
    ids.Append(move.next->id);
    generations.Append(ToInt(move.generation));
    revisions.Append(move.revision);
    if (from == Stage::kReady) {
      shards.Append(static_cast<std::int16_t>(move.next->shard()));
      // The rank that it had: what was never assigned is fresh.
      const bool retried = move.generation != Generation{};
      ranks.Append(static_cast<std::int16_t>(static_cast<int>(move.next->lane) * 2 + (retried ? 1 : 0)));
      AppendEpoch(shard_epochs, move.shard_epoch);
    }
    agents.Append(move.agent);
    AppendEpoch(session_epochs, move.session_epoch);
  }
  if (index.empty()) return absl::OkStatus();
  pg::Params params;
  const pg::Statement* statement = nullptr;
  switch (from) {
    case Stage::kReady:
      statement = &kRemoveReady;
      params.Add(shards)
          .Add(ranks)
          .Add(ids)
          .Add(generations)
          .Add(revisions)
          .Add(shard_epochs)
          .Add(agents)
          .Add(session_epochs);
      break;
    case Stage::kRunning:
      statement = &kRemoveRunning;
      params.Add(ids).Add(generations).Add(revisions).Add(agents).Add(session_epochs);
      break;
    case Stage::kHeld:
      statement = &kRemoveHeld;
      break;
    case Stage::kJudging:
      statement = &kRemoveJudging;
      break;
    case Stage::kDead:
      statement = &kRemoveDead;
      break;
    // What is final never moves: the rules refuse it before it comes here.
    case Stage::kDone:
      return absl::InternalError("a finished task cannot move");
  }
  if (params.size() == 0) params.Add(ids).Add(generations).Add(revisions);
  SY_ASSIGN_OR_RETURN(const pg::Result removed, session_.Execute(*statement, params));
  for (const pg::Row row : removed) outcomes[index.at(row.GetId<TaskId>(0))] = MoveOutcome::kApplied;
  return absl::OkStatus();
}

absl::Status PostgresTaskBatch::UpdateRunning(absl::Span<const Move> moves, std::vector<MoveOutcome>& outcomes) {
  pg::UuidArray ids;
  pg::Int64Array generations, revisions, session_epochs, next_revisions;
  pg::TextArray agents;
  pg::TimeArray dues;
  pg::BoolArray directives;
  pg::BytesArray carries;
  absl::flat_hash_map<TaskId, std::size_t> index;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves[i];
    if (move.from != Stage::kRunning || move.next->stage() != Stage::kRunning) continue;
    index[move.next->id] = i;
    ids.Append(move.next->id);
    generations.Append(ToInt(move.generation));
    revisions.Append(move.revision);
    agents.Append(move.agent);
    AppendEpoch(session_epochs, move.session_epoch);
    next_revisions.Append(move.next->revision);
    AppendDue(dues, move.due);
    directives.Append(NeedsDirective(*move.next));
    carries.Append(EncodeRecord(*move.next));
  }
  if (index.empty()) return absl::OkStatus();
  pg::Params params;
  params.Add(ids).Add(generations).Add(revisions).Add(agents).Add(session_epochs).Add(next_revisions).Add(dues);
  params.Add(directives).Add(carries);
  SY_ASSIGN_OR_RETURN(const pg::Result updated, session_.Execute(kUpdateRunning, params));
  for (const pg::Row row : updated) outcomes[index.at(row.GetId<TaskId>(0))] = MoveOutcome::kApplied;
  return absl::OkStatus();
}

absl::Status PostgresTaskBatch::ExplainRefusals(absl::Span<const Move> moves, std::vector<MoveOutcome>& outcomes) {
  pg::Int16Array shards;
  pg::TextArray agents;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    if (outcomes[i] == MoveOutcome::kApplied) continue;
    if (moves[i].shard_epoch.has_value()) shards.Append(static_cast<std::int16_t>(moves[i].next->shard()));
    if (moves[i].session_epoch.has_value()) agents.Append(moves[i].agent);
  }
  absl::flat_hash_map<int, std::int64_t> shard_epochs;
  StringMap<std::int64_t> session_epochs;
  pg::Params shard_params;
  shard_params.Add(shards);
  SY_ASSIGN_OR_RETURN(const pg::Result shard_rows, session_.Execute(kCurrentShardEpochs, shard_params));
  for (const pg::Row row : shard_rows) shard_epochs[static_cast<int>(row.Int64(0))] = row.Int64(1);
  pg::Params agent_params;
  agent_params.Add(agents);
  SY_ASSIGN_OR_RETURN(const pg::Result agent_rows, session_.Execute(kCurrentSessionEpochs, agent_params));
  for (const pg::Row row : agent_rows) session_epochs[std::string(row.Text(0))] = row.Int64(1);
  for (std::size_t i = 0; i < moves.size(); ++i) {
    if (outcomes[i] == MoveOutcome::kApplied) continue;
    const Move& move = moves[i];
    if (move.shard_epoch.has_value() && shard_epochs[move.next->shard()] != *move.shard_epoch) {
      outcomes[i] = MoveOutcome::kStaleShardEpoch;
    } else if (move.session_epoch.has_value()) {
      const auto current = session_epochs.find(move.agent);
      if (current == session_epochs.end() || current->second != *move.session_epoch) {
        outcomes[i] = MoveOutcome::kStaleSession;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue
