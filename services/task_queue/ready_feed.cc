#include "services/task_queue/ready_feed.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/task_convert.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr int kDefaultWindow = 1000;
constexpr int kTasksPerMessage = 500;

template <class Message>
void AddReady(const TaskRecord& record, Message& message) {
  if (const absl::Status status = ToProto(record, message.add_tasks()); !status.ok()) {
    LogError("a ready task cannot be offered", {{"task_id", record.id.ToString()}, {"status", status}});
    message.mutable_tasks()->RemoveLast();
  }
}

}  // namespace

ReadyFeed::ReadyFeed(TaskStore& store, RecordCache& cache, Executor& executor)
    : store_(store), cache_(cache), executor_(executor) {}

absl::Status ReadyFeed::Open(const v1::WatchReadyRequest& request, std::shared_ptr<Stream> stream) {
  auto reader = std::make_shared<Reader>();
  reader->stream = stream;
  reader->shards.resize(kShardCount);
  for (const int shard : request.shards()) reader->shards[shard] = true;
  reader->window = request.window() == 0 ? kDefaultWindow : request.window();
  stream->OnClosed([this, reader] {
    MutexLock lock(mutex_);
    std::erase(readers_, reader);
  });
  {
    MutexLock lock(mutex_);
    readers_.push_back(reader);
    *reader->pending.mutable_pauses() = PauseSetLocked();
    Send(*reader, std::exchange(reader->pending, {}));
  }
  if (request.news_only()) return absl::OkStatus();
  return executor_.Run([this, reader] { Scan(reader); });
}

void ReadyFeed::Scan(const std::shared_ptr<Reader>& reader) {
  std::vector<int> shards;
  for (int shard = 0; shard < kShardCount; ++shard) {
    if (reader->shards[shard]) shards.push_back(shard);
  }
  absl::StatusOr<ReadyScan> scan = store_.ScanReady(shards, reader->window);
  if (!scan.ok()) {
    reader->stream->CloseWith(scan.status());
    return;
  }
  std::vector<v1::WatchReadyResponse> messages;
  for (TaskRecord& record : scan->tasks) {
    if (messages.empty() || messages.back().tasks_size() == kTasksPerMessage) messages.emplace_back();
    AddReady(record, messages.back());
    cache_.Put(std::make_shared<const TaskRecord>(std::move(record)));
  }
  if (messages.empty()) messages.emplace_back();
  messages.back().set_scan_complete(true);
  MutexLock lock(mutex_);
  for (const Lane lane : scan->truncated) {
    reader->truncated[static_cast<int>(lane)] = true;
    messages.back().add_truncated_lanes(static_cast<v1::Lane>(lane));
  }
  for (v1::WatchReadyResponse& message : messages) Send(*reader, std::move(message));
}

absl::Status ReadyFeed::Read(const v1::ReadReadyRequest& request, v1::ReadReadyResponse& response) {
  std::array<ReadyAfter, kLaneCount> after;
  // Lanes that are not asked for begin at their end.
  for (int lane = 1; lane <= kLaneCount; ++lane) after[lane - 1].rank = lane * 2 + 2;
  for (const v1::LaneCursor& cursor : request.cursors()) {
    ReadyAfter& from = after[cursor.lane() - 1];
    from.rank = cursor.lane() * 2 + (cursor.retried() ? 1 : 0);
    if (!cursor.after_task_id().empty()) {
      SY_ASSIGN_OR_RETURN(from.id, TaskId::Parse(cursor.after_task_id()));
    }
  }
  const std::vector<int> shards(request.shards().begin(), request.shards().end());
  SY_ASSIGN_OR_RETURN(ReadyScan scan, store_.ScanReady(shards, request.limit(), after));
  for (TaskRecord& record : scan.tasks) {
    AddReady(record, response);
    cache_.Put(std::make_shared<const TaskRecord>(std::move(record)));
  }
  for (const Lane lane : scan.truncated) response.add_truncated_lanes(static_cast<v1::Lane>(lane));
  return absl::OkStatus();
}

void ReadyFeed::Push(const TaskRecord& record) {
  const int shard = record.shard();
  MutexLock lock(mutex_);
  for (const auto& reader : readers_) {
    if (!reader->shards[shard] || reader->truncated[static_cast<int>(record.lane)]) continue;
    AddReady(record, reader->pending);
  }
}

void ReadyFeed::Flush() {
  MutexLock lock(mutex_);
  for (const auto& reader : readers_) {
    if (reader->pending.tasks_size() > 0) Send(*reader, std::exchange(reader->pending, {}));
  }
}

void ReadyFeed::Send(Reader& reader, v1::WatchReadyResponse message) {
  if (!reader.stream->Offer(std::move(message))) reader.stream->CloseWith(ReadyFeedOverrun());
}

absl::Status ReadyFeed::RefreshPauses() {
  SY_ASSIGN_OR_RETURN(std::vector<PauseEntry> pauses, store_.Pauses());
  MutexLock lock(mutex_);
  const auto same = [](const PauseEntry& a, const PauseEntry& b) { return a.kind == b.kind && a.key == b.key; };
  const bool changed = !std::equal(pauses.begin(), pauses.end(), pauses_.begin(), pauses_.end(), same);
  pauses_ = std::move(pauses);
  if (!changed) return absl::OkStatus();
  for (const auto& reader : readers_) {
    v1::WatchReadyResponse message;
    *message.mutable_pauses() = PauseSetLocked();
    Send(*reader, std::move(message));
  }
  return absl::OkStatus();
}

v1::PauseSet ReadyFeed::PauseSetLocked() const {
  v1::PauseSet set;
  ToProto(pauses_, &set);
  return set;
}

std::vector<PauseEntry> ReadyFeed::pauses() const {
  MutexLock lock(mutex_);
  return pauses_;
}

std::size_t ReadyFeed::readers() const {
  MutexLock lock(mutex_);
  return readers_.size();
}

}  // namespace switchyard::task_queue
