#include "services/task_queue/postgres_task_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/task_queue/postgres_task_batch.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

// However wrong the low-water mark is, a sweep over everything mends it.
constexpr absl::Duration kFullDueSweep = absl::Minutes(1);
// Rows become due before now, by a little, when their clock was behind.
constexpr absl::Duration kDueSlack = absl::Seconds(15);

// Beyond it the sessions' own time-out is what bounds a read.
constexpr absl::Duration kLongestRead = absl::Seconds(10);

absl::Status ReadTooLate() {
  return MakeError(absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline passed during a read");
}

constexpr std::size_t kKnownSessions = 64;

// From the middle of the list, not its front.
bool GoesOn(const ReadyAfter& after, int rank) { return rank == after.rank && !after.id.is_nil(); }

}  // namespace

PostgresTaskStore::PostgresTaskStore(pg::Pool& pool, const Clock& clock, IdSource& ids)
    : pool_(pool), clock_(clock), ids_(ids), low_water_(clock) {}

GiveUp GiveUp::After(absl::Duration within) {
  if (within >= kLongestRead) return {};
  return {DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(within)};
}

absl::StatusOr<pg::Result> PostgresTaskStore::Query(const pg::Statement& statement, const pg::Params& params,
                                                    GiveUp give_up) {
  const auto left = [&] { return absl::Nanoseconds(give_up.at - DisciplinedClock::SteadyNanos()); };
  const absl::Duration patience = left();
  if (patience <= absl::ZeroDuration()) return ReadTooLate();
  SY_ASSIGN_OR_RETURN(pg::Pool::Lease lease, pool_.Acquire(std::min(patience, pool_.options().acquire_timeout)));
  if (give_up.at == GiveUp().at) return lease->Execute(statement, params);
  const absl::Duration rest = left();
  if (rest <= absl::ZeroDuration()) return ReadTooLate();
  return lease->Execute(statement, params, {.timeout = rest});
}

absl::Status PostgresTaskStore::RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) {
  return pool_.Transact([&](pg::Session& session) {
    PostgresTaskBatch batch(session);
    return work(batch);
  });
}

void PostgresTaskStore::Offered(const TaskId& id, int rank) {
  if (rank >= kFirstRank && rank <= kLastRank) low_water_.Lower(ShardOf(id), rank, id.uuid());
}

absl::StatusOr<ReadyScan> PostgresTaskStore::ScanReady(absl::Span<const int> shards, int window,
                                                       absl::Span<const ReadyAfter> after) {
  ReadyScan scan;
  if (shards.empty()) return scan;
  // Ids spread evenly over shards, so each list needs little more than its share of the window.
  const std::int64_t share = window / static_cast<std::int64_t>(shards.size()) * 2 + 16;
  ReadyAfter starts[kLaneCount];
  std::copy_n(after.begin(), std::min<std::size_t>(after.size(), kLaneCount), starts);
  pg::Int16Array shard_column, rank_column;
  pg::UuidArray low_column;
  for (const int shard : shards) {
    for (int rank = kFirstRank; rank <= kLastRank; ++rank) {
      const ReadyAfter& from = starts[rank / 2 - 1];
      if (rank < from.rank) continue;
      shard_column.Append(static_cast<std::int16_t>(shard));
      rank_column.Append(static_cast<std::int16_t>(rank));
      low_column.Append(GoesOn(from, rank) ? from.id.uuid() : low_water_.Get(shard, rank));
    }
  }
  pg::Params params;
  params.Add(shard_column).Add(rank_column).Add(low_column).Add(share);
  const std::uint64_t moment = low_water_.Moment();
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kScanReady, params));
  struct Found {
    TaskId id;
    std::string_view carry;
  };
  std::vector<Found> by_rank[kLastRank + 1];
  // Beyond the end of the shortest list that was cut, the order of a rank is not known.
  std::optional<TaskId> known_to[kLastRank + 1];
  std::map<std::pair<int, int>, std::vector<TaskId>> lists;
  for (const pg::Row row : rows) {
    const int rank = static_cast<int>(row.Int64(1));
    const ReadyAfter& from = starts[rank / 2 - 1];
    if (GoesOn(from, rank) && row.GetId<TaskId>(2) == from.id) continue;
    by_rank[rank].push_back({row.GetId<TaskId>(2), row.Bytes(3)});
    lists[{static_cast<int>(row.Int64(0)), rank}].push_back(row.GetId<TaskId>(2));
  }
  for (const auto& [list, ids] : lists) {
    const auto [shard, rank] = list;
    if (!GoesOn(starts[rank / 2 - 1], rank)) {
      low_water_.Raise(shard, rank, std::min_element(ids.begin(), ids.end())->uuid(), moment);
    }
    if (static_cast<std::int64_t>(ids.size()) + 1 < share) continue;
    const TaskId last = *std::max_element(ids.begin(), ids.end());
    if (!known_to[rank].has_value() || last < *known_to[rank]) known_to[rank] = last;
  }
  for (int lane = 1; lane <= kLaneCount; ++lane) {
    int room = window;
    bool truncated = false;
    // Fresh work first, then what was tried before.
    for (int rank = lane * 2; rank <= lane * 2 + 1 && !truncated; ++rank) {
      std::vector<Found>& found = by_rank[rank];
      std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.id < b.id; });
      for (const Found& task : found) {
        if (room == 0 || (known_to[rank].has_value() && task.id > *known_to[rank])) {
          truncated = true;
          break;
        }
        std::optional<TaskRecord> record = Readable(task.id, task.carry);
        if (!record.has_value()) continue;
        scan.tasks.push_back(*std::move(record));
        --room;
      }
      truncated = truncated || known_to[rank].has_value();
    }
    if (truncated) scan.truncated.push_back(static_cast<Lane>(lane));
  }
  return scan;
}

absl::StatusOr<std::vector<DueTask>> PostgresTaskStore::ScanDue(absl::Time now, int limit) {
  absl::Time from = absl::InfinitePast();
  {
    MutexLock lock(mutex_);
    if (now < full_due_sweep_at_) from = due_swept_to_ - kDueSlack;
  }
  pg::Params params;
  params.Add(from).Add(now).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kScanDue, params));
  std::vector<DueTask> due;
  for (const pg::Row row : rows) due.push_back({row.GetId<TaskId>(0), row.Time(1)});
  std::sort(due.begin(), due.end(), [](const DueTask& a, const DueTask& b) { return a.due < b.due; });
  if (static_cast<int>(due.size()) > limit) due.resize(limit);
  MutexLock lock(mutex_);
  if (from == absl::InfinitePast()) full_due_sweep_at_ = now + kFullDueSweep;
  // Everything before the first that is still there has gone.
  due_swept_to_ = due.empty() ? now : due.front().due;
  return due;
}

absl::StatusOr<std::vector<StageCounts>> PostgresTaskStore::CountByLane(const ReadOptions& options) {
  const GiveUp give_up = GiveUp::After(options.within);
  std::vector<StageCounts> counts(kLaneCount);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kCountByLane, pg::Params(), give_up));
  for (const pg::Row row : rows) counts[row.Int64(0) - 1].by_stage[row.Int64(1)] = row.Int64(2);
  pg::Int16Array shard_column, rank_column;
  pg::UuidArray low_column;
  for (int shard = 0; shard < kShardCount; ++shard) {
    for (int rank = kFirstRank; rank <= kLastRank; ++rank) {
      shard_column.Append(static_cast<std::int16_t>(shard));
      rank_column.Append(static_cast<std::int16_t>(rank));
      low_column.Append(low_water_.Get(shard, rank));
    }
  }
  pg::Params params;
  params.Add(shard_column).Add(rank_column).Add(low_column);
  SY_ASSIGN_OR_RETURN(const pg::Result oldest, Query(kOldestReady, params, give_up));
  for (const pg::Row row : oldest) {
    SY_ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse(row.Text(1)));
    counts[row.Int64(0) - 1].oldest_ready = id.time();
  }
  return counts;
}

absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> PostgresTaskStore::CountDeadByModel(
    const ReadOptions& options) {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kCountDeadByModel, pg::Params(), GiveUp::After(options.within)));
  std::vector<std::pair<std::string, std::int64_t>> counts;
  for (const pg::Row row : rows) counts.emplace_back(row.Text(0), row.Int64(1));
  return counts;
}

absl::Status PostgresTaskStore::Pause(const PauseEntry& entry) {
  pg::Params params;
  params.Add(static_cast<std::int32_t>(entry.kind)).Add(entry.key).Add(entry.reason).Add(entry.principal);
  params.Add(entry.create_time);
  return Query(kAddPause, params).status();
}

absl::StatusOr<bool> PostgresTaskStore::Resume(PauseEntry::Kind kind, std::string_view key) {
  pg::Params params;
  params.Add(static_cast<std::int32_t>(kind)).Add(key);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kRemovePause, params));
  return !rows.empty();
}

absl::StatusOr<std::vector<PauseEntry>> PostgresTaskStore::Pauses() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kListPauses));
  std::vector<PauseEntry> pauses;
  for (const pg::Row row : rows) {
    pauses.push_back({.kind = static_cast<PauseEntry::Kind>(row.Int64(0)),
                      .key = std::string(row.Text(1)),
                      .reason = std::string(row.Text(2)),
                      .principal = std::string(row.Text(3)),
                      .create_time = row.Time(4)});
  }
  return pauses;
}

absl::StatusOr<std::string> PostgresTaskStore::Incarnation() {
  {
    MutexLock lock(mutex_);
    lives_.clear();
  }
  SY_ASSIGN_OR_RETURN(const pg::Result known, Query(kReadIncarnation));
  if (!known.empty() && known[0].Bool(1)) return std::string(known[0].Text(0));
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params params;
    params.Add(ids_.NewUuid());
    SY_ASSIGN_OR_RETURN(const pg::Result begun, session.Execute(kBeginIncarnation, params));
    // The first life of all, or not the first one to see this one: the events are its own already.
    if (known.empty() || begun.affected() == 0) return absl::OkStatus();
    SY_RETURN_IF_ERROR(session.Execute(kForgetForeignEvents).status());
    return session.Execute(kResetEventHorizon).status();
  }));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kReadIncarnation));
  if (rows.empty()) return absl::InternalError("the database has no incarnation");
  return std::string(rows[0].Text(0));
}

absl::StatusOr<EventPosition> PostgresTaskStore::EventsEnd() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kEventsEnd));
  EventPosition end;
  if (!absl::SimpleAtoi(ToAbsl(rows[0].Text(0)), &end.transaction)) return absl::InternalError("a snapshot has no end");
  // Everything below this transaction is visible; nothing of it or above is counted as seen.
  return EventPosition{.transaction = end.transaction, .sequence = 0};
}

absl::StatusOr<EventPosition> PostgresTaskStore::EventsBegin() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kEventsBegin));
  EventPosition begin;
  if (rows.empty() || !absl::SimpleAtoi(ToAbsl(rows[0].Text(0)), &begin.transaction)) return begin;
  begin.sequence = rows[0].Int64(1);
  return begin;
}

absl::StatusOr<EventPosition> PostgresTaskStore::EventsLimit() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kEventsLimit));
  EventPosition limit;
  if (!absl::SimpleAtoi(ToAbsl(rows[0].Text(0)), &limit.transaction)) {
    return absl::InternalError("a snapshot has no limit");
  }
  return limit;
}

absl::StatusOr<std::string> PostgresTaskStore::LifeBehind(pg::Session& session) {
  const std::string name = absl::StrCat(session.incarnation(), "/", session.backend_pid());
  {
    MutexLock lock(mutex_);
    if (const auto known = lives_.find(name); known != lives_.end()) return known->second;
  }
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(kReadIncarnation));
  if (rows.empty() || !rows[0].Bool(1)) return std::string();
  MutexLock lock(mutex_);
  if (lives_.size() >= kKnownSessions) lives_.clear();
  return lives_[name] = std::string(rows[0].Text(0));
}

absl::StatusOr<EventPage> PostgresTaskStore::ReadEvents(const EventPosition& after, int limit) {
  pg::Params params;
  params.Add(absl::StrCat(after.transaction)).Add(after.sequence).Add(static_cast<std::int64_t>(limit));
  EventPage page;
  std::optional<pg::Result> read;
  for (int attempt = 0; attempt < 2 && !read.has_value(); ++attempt) {
    // Begins it, where nobody has.
    if (attempt > 0) SY_RETURN_IF_ERROR(Incarnation().status());
    SY_ASSIGN_OR_RETURN(const pg::Pool::Lease session, pool_.Acquire());
    SY_ASSIGN_OR_RETURN(page.incarnation, LifeBehind(*session));
    if (page.incarnation.empty()) continue;
    SY_ASSIGN_OR_RETURN(read, session->Execute(kReadEvents, params));
  }
  if (!read.has_value()) return absl::UnavailableError("the database begins another life");
  const pg::Result& rows = *read;
  for (const pg::Row row : rows) {
    EventBatch& batch = page.batches.emplace_back();
    if (!absl::SimpleAtoi(ToAbsl(row.Text(0)), &batch.position.transaction)) {
      return absl::InternalError("a batch of events has no transaction");
    }
    batch.position.sequence = row.Int64(1);
    if (absl::StatusOr<std::vector<PublishedEvent>> events = DecodeEventBatch(row.Bytes(2)); events.ok()) {
      batch.events = *std::move(events);
    } else {
      // All who read the log would stand still before it.
      LogError("a batch of events cannot be read and is left out",
               {{"transaction", row.Text(0)}, {"status", events.status()}});
    }
    if (!batch.events.empty()) {
      page.lag = std::max(absl::ZeroDuration(), clock_.Now() - batch.events.back().event.time);
    }
  }
  if (!page.batches.empty()) return page;
  // At the end as far as readers may see: is something committed behind it?
  SY_ASSIGN_OR_RETURN(const pg::Result oldest, Query(kEventsLag));
  if (!oldest.empty() && !oldest[0].IsNull(0)) {
    page.lag = std::max(absl::ZeroDuration(), clock_.Now() - oldest[0].Time(0));
  }
  return page;
}

}  // namespace switchyard::task_queue
