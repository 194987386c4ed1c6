#include "services/task_queue/in_memory_task_store.h"

#include <algorithm>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr TaskId kHighest{Uuid({255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})};

absl::Status Unavailable(std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", message);
}

absl::Status CheckTime(const ReadOptions& options) {
  if (options.within > absl::ZeroDuration()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline passed during a read");
}

template <class T>
bool Allows(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool Matches(const TaskFilter& filter, const StoredTask& task, std::string_view title_part) {
  const TaskRecord& record = task.record;
  const bool hold_fits =
      filter.holds.empty() || (record.state == TaskState::kQueued && Allows(filter.holds, record.hold));
  return hold_fits && Allows(filter.states, record.state) && Allows(filter.lanes, record.lane) &&
         Allows(filter.projects, record.project) && Allows(filter.task_types, task.task_type) &&
         record.create_time >= filter.create_from && record.create_time < filter.create_to &&
         (filter.agent.empty() || filter.agent == record.agent) &&
         (filter.principal.empty() || filter.principal == record.principal) &&
         absl::AsciiStrToLower(task.title).find(title_part) != std::string::npos;
}

void PublishTail(const TaskRecord& record, int count, std::vector<PublishedEvent>& out) {
  const int size = static_cast<int>(record.timeline.size());
  for (int i = std::max(0, size - count); i < size; ++i) {
    out.push_back({record.id, record.project, record.lane, record.timeline[i]});
  }
}

}  // namespace

// Collects changes over the committed state; nobody else writes tasks while it lives.
class InMemoryTaskStore::Batch final : public TaskBatch {
 public:
  explicit Batch(InMemoryTaskStore& store) : store_(store) {}

  absl::StatusOr<std::vector<InsertOutcome>> Insert(absl::Span<const NewTask> tasks, absl::Time) override {
    MutexLock lock(store_.mutex_);
    SY_RETURN_IF_ERROR(store_.CheckPresent());
    std::vector<InsertOutcome> outcomes;
    std::vector<PublishedEvent> events;
    for (const NewTask& task : tasks) {
      if (const Request* known = FindRequest(task); known != nullptr) {
        const bool same = known->content_hash == task.content_hash;
        outcomes.push_back(
            {same ? InsertOutcome::Kind::kReplayed : InsertOutcome::Kind::kRequestIdReused, known->task});
        continue;
      }
      if (FindRow(task.record.id) != nullptr) {
        return absl::AlreadyExistsError(absl::StrCat("task ", task.record.id.ToString(), " is stored already"));
      }
      if (!task.request_id.empty()) {
        requests_[{task.record.principal, task.request_id}] = {task.record.id, task.content_hash};
      }
      // Limits of a queued task are its own, whatever the installation's rules.
      rows_[task.record.id] = {.task = {task.record, task.spec, task.title, task.task_type, task.traceparent},
                               .due = DueTime(Rules(), task.record)};
      PublishTail(task.record, static_cast<int>(task.record.timeline.size()), events);
      outcomes.push_back({InsertOutcome::Kind::kInserted, task.record.id});
    }
    Publish(std::move(events));
    return outcomes;
  }

  absl::StatusOr<std::vector<std::optional<TaskRecord>>> Load(absl::Span<const TaskId> ids) override {
    MutexLock lock(store_.mutex_);
    SY_RETURN_IF_ERROR(store_.CheckPresent());
    std::vector<std::optional<TaskRecord>> records;
    for (const TaskId& id : ids) {
      const Row* row = FindRow(id);
      records.push_back(row == nullptr ? std::nullopt : std::optional(row->task.record));
    }
    return records;
  }

  absl::StatusOr<std::vector<MoveOutcome>> Apply(absl::Span<const Move> moves, absl::Time) override {
    MutexLock lock(store_.mutex_);
    SY_RETURN_IF_ERROR(store_.CheckPresent());
    std::vector<MoveOutcome> outcomes;
    std::vector<PublishedEvent> events;
    for (const Move& move : moves) outcomes.push_back(ApplyOne(move, events));
    Publish(std::move(events));
    return outcomes;
  }

  absl::StatusOr<std::vector<GivenSpec>> LoadSpecs(absl::Span<const TaskId> ids) override {
    MutexLock lock(store_.mutex_);
    SY_RETURN_IF_ERROR(store_.CheckPresent());
    std::vector<GivenSpec> specs;
    for (const TaskId& id : ids) {
      const Row* row = FindRow(id);
      specs.push_back(row == nullptr ? GivenSpec() : GivenSpec{row->task.spec, row->task.traceparent});
    }
    return specs;
  }

  absl::StatusOr<std::vector<Standing>> Standings(absl::Span<const TaskId> ids) override {
    MutexLock lock(store_.mutex_);
    SY_RETURN_IF_ERROR(store_.CheckPresent());
    std::vector<Standing> standings;
    for (const TaskId& id : ids) {
      const Row* row = FindRow(id);
      standings.push_back(row == nullptr ? Standing::kUnknown : StandingOf(row->task.record.state));
    }
    return standings;
  }

 private:
  friend class InMemoryTaskStore;

  const Row* FindRow(const TaskId& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mutex_) {
    if (const auto changed = rows_.find(id); changed != rows_.end()) return &changed->second;
    const auto stored = store_.rows_.find(id);
    return stored == store_.rows_.end() ? nullptr : &stored->second;
  }

  const Request* FindRequest(const NewTask& task) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mutex_) {
    if (task.request_id.empty()) return nullptr;
    const RequestKey key(task.record.principal, task.request_id);
    if (const auto fresh = requests_.find(key); fresh != requests_.end()) return &fresh->second;
    const auto stored = store_.requests_.find(key);
    return stored == store_.requests_.end() ? nullptr : &stored->second;
  }

  MoveOutcome ApplyOne(const Move& move, std::vector<PublishedEvent>& events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mutex_) {
    const Row* row = FindRow(move.next->id);
    if (row == nullptr || row->task.record.stage() != move.from || row->task.record.generation != move.generation ||
        row->task.record.revision != move.revision) {
      return MoveOutcome::kChanged;
    }
    if (move.shard_epoch.has_value() && store_.shards_[move.next->shard()].epoch != *move.shard_epoch) {
      return MoveOutcome::kStaleShardEpoch;
    }
    if (move.session_epoch.has_value()) {
      const auto agent = store_.agents_.find(move.agent);
      if (agent == store_.agents_.end() || !agent->second.open || agent->second.session.epoch != *move.session_epoch) {
        return MoveOutcome::kStaleSession;
      }
    }
    Row next = *row;
    next.task.record = *move.next;
    next.due = move.due;
    rows_[move.next->id] = std::move(next);
    PublishTail(*move.next, move.new_events, events);
    return MoveOutcome::kApplied;
  }

  void Publish(std::vector<PublishedEvent> events) {
    if (!events.empty()) events_.push_back(std::move(events));
  }

  InMemoryTaskStore& store_;
  std::map<TaskId, Row> rows_;
  std::map<RequestKey, Request> requests_;
  std::vector<std::vector<PublishedEvent>> events_;
};

InMemoryTaskStore::~InMemoryTaskStore() = default;

void InMemoryTaskStore::InjectFaults(std::vector<Fault> faults) {
  MutexLock lock(mutex_);
  faults_.insert(faults_.end(), faults.begin(), faults.end());
}

void InMemoryTaskStore::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

void InMemoryTaskStore::DropTask(const TaskId& id) {
  MutexLock batch_lock(batch_mutex_);
  MutexLock lock(mutex_);
  const auto row = rows_.find(id);
  if (row == rows_.end()) return;
  Unindex(row->second);
  rows_.erase(row);
}

void InMemoryTaskStore::DropEvents(const EventPosition& last) {
  MutexLock lock(mutex_);
  const auto end = events_.upper_bound(last);
  if (end == events_.begin()) return;
  events_begin_ = std::prev(end)->first;
  events_.erase(events_.begin(), end);
}

std::vector<TaskRecord> InMemoryTaskStore::AllRecords() const {
  MutexLock lock(mutex_);
  std::vector<TaskRecord> records;
  for (const auto& [id, row] : rows_) records.push_back(row.task.record);
  return records;
}

int InMemoryTaskStore::committed_batches() const {
  MutexLock lock(mutex_);
  return committed_batches_;
}

absl::Status InMemoryTaskStore::CheckPresent() const {
  return away_ ? Unavailable("the store is away") : absl::OkStatus();
}

void InMemoryTaskStore::Unindex(const Row& row) {
  const TaskRecord& record = row.task.record;
  ready_.erase({record.rank(), record.id});
  due_.erase({row.due, record.id});
  owned_.erase(record.id);
  judging_.erase(record.id);
  waits_.erase(waits_.lower_bound({record.id, TaskId()}), waits_.upper_bound({record.id, kHighest}));
}

void InMemoryTaskStore::Put(Row row) {
  const TaskRecord& record = row.task.record;
  const Stage stage = record.stage();
  const auto stored = rows_.find(record.id);
  const bool was_done = stored != rows_.end() && stored->second.task.record.stage() == Stage::kDone;
  if (stored != rows_.end()) Unindex(stored->second);
  if (stage == Stage::kReady) ready_.insert({record.rank(), record.id});
  if (stage == Stage::kRunning) owned_.insert(record.id);
  if (stage == Stage::kJudging) judging_.insert(record.id);
  for (const Awaited& awaited : record.awaits) {
    if (!awaited.failed) waits_.insert({record.id, awaited.task});
  }
  if (row.due != absl::InfiniteFuture()) due_.insert({row.due, record.id});
  if (stage == Stage::kDone && !was_done) ++done_[static_cast<int>(record.lane) - 1];
  const TaskId id = record.id;
  rows_.insert_or_assign(id, std::move(row));
}

void InMemoryTaskStore::Commit(Batch& batch) {
  ++committed_batches_;
  for (auto& [id, row] : batch.rows_) Put(std::move(row));
  requests_.merge(batch.requests_);
  if (batch.events_.empty()) return;
  ++events_end_.transaction;
  for (std::vector<PublishedEvent>& events : batch.events_) {
    ++events_end_.sequence;
    events_.emplace(events_end_, std::move(events));
  }
}

absl::Status InMemoryTaskStore::RunBatch(absl::FunctionRef<absl::Status(TaskBatch&)> work) {
  MutexLock batch_lock(batch_mutex_);
  Fault fault = Fault::kNone;
  {
    MutexLock lock(mutex_);
    SY_RETURN_IF_ERROR(CheckPresent());
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.erase(faults_.begin());
    }
  }
  Batch batch(*this);
  SY_RETURN_IF_ERROR(work(batch));
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  if (fault == Fault::kFailBeforeCommit) return Unavailable("the batch was not committed");
  Commit(batch);
  if (fault == Fault::kCommitThenLoseAnswer) return Unavailable("the answer to the commit was lost");
  return absl::OkStatus();
}

absl::StatusOr<StoredTask> InMemoryTaskStore::Get(const TaskId& id, const ReadOptions& options) {
  SY_RETURN_IF_ERROR(CheckTime(options));
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  const auto row = rows_.find(id);
  if (row == rows_.end()) return TaskNotFound(id);
  if (!options.specs) return StoredTask{.record = row->second.task.record};
  return row->second.task;
}

absl::StatusOr<TaskPage> InMemoryTaskStore::List(const TaskFilter& filter, bool newest_first,
                                                 std::optional<TaskId> cursor, int limit, const ReadOptions& options) {
  SY_RETURN_IF_ERROR(CheckTime(options));
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  TaskPage page;
  std::size_t bytes = 0;
  const std::string title_part = absl::AsciiStrToLower(filter.title_contains);
  const auto take = [&](const Row& row) {
    if (!Matches(filter, row.task, title_part)) return true;
    if (static_cast<int>(page.tasks.size()) >= limit || bytes >= options.max_spec_bytes) {
      if (!page.tasks.empty()) page.next = page.tasks.back().record.id;
      return false;
    }
    if (options.specs) {
      page.tasks.push_back(row.task);
      bytes += row.task.spec.size();
    } else {
      page.tasks.push_back({.record = row.task.record});
    }
    return true;
  };
  if (newest_first) {
    auto row = cursor.has_value() ? rows_.lower_bound(*cursor) : rows_.end();
    while (row != rows_.begin() && take((--row)->second)) {
    }
  } else {
    auto row = cursor.has_value() ? rows_.upper_bound(*cursor) : rows_.begin();
    while (row != rows_.end() && take(row->second)) ++row;
  }
  return page;
}

absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> InMemoryTaskStore::CountDeadByModel(
    const ReadOptions& options) {
  SY_RETURN_IF_ERROR(CheckTime(options));
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::map<std::string, std::int64_t> counts;
  for (const auto& [id, row] : rows_) {
    if (row.task.record.stage() == Stage::kDead) ++counts[row.task.record.model];
  }
  return std::vector<std::pair<std::string, std::int64_t>>(counts.begin(), counts.end());
}

absl::StatusOr<std::vector<StageCounts>> InMemoryTaskStore::CountByLane(const ReadOptions& options) {
  SY_RETURN_IF_ERROR(CheckTime(options));
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<StageCounts> lanes(kLaneCount);
  for (const auto& [id, row] : rows_) {
    const TaskRecord& record = row.task.record;
    StageCounts& lane = lanes[static_cast<int>(record.lane) - 1];
    if (record.stage() == Stage::kReady) lane.oldest_ready = std::min(lane.oldest_ready, record.create_time);
    if (record.stage() != Stage::kDone) ++lane.by_stage[static_cast<int>(record.stage())];
  }
  for (int i = 0; i < kLaneCount; ++i) lanes[i].by_stage[static_cast<int>(Stage::kDone)] = done_[i];
  return lanes;
}

absl::StatusOr<ReadyScan> InMemoryTaskStore::ScanReady(absl::Span<const int> shards, int window,
                                                       absl::Span<const ReadyAfter> after) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  ReadyScan scan;
  std::array<int, kLaneCount> taken = {};
  for (const auto& [rank, id] : ready_) {
    if (std::find(shards.begin(), shards.end(), ShardOf(id)) == shards.end()) continue;
    if (!after.empty()) {
      const ReadyAfter& from = after[rank / 2 - 1];
      if (rank < from.rank || (rank == from.rank && id <= from.id)) continue;
    }
    const Lane lane = static_cast<Lane>(rank / 2);
    if (taken[rank / 2 - 1] >= window) {
      if (scan.truncated.empty() || scan.truncated.back() != lane) scan.truncated.push_back(lane);
      continue;
    }
    ++taken[rank / 2 - 1];
    scan.tasks.push_back(rows_.at(id).task.record);
  }
  return scan;
}

absl::StatusOr<std::vector<DueTask>> InMemoryTaskStore::ScanDue(absl::Time now, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(CheckPresent());
  std::vector<DueTask> tasks;
  for (const auto& [due, id] : due_) {
    if (due > now || static_cast<int>(tasks.size()) >= limit) break;
    tasks.push_back({id, due});
  }
  return tasks;
}

}  // namespace switchyard::task_queue
