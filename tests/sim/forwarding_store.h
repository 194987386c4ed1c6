// A store that does what another one does: decorators change a part of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/task_queue/task_store.h"

namespace switchyard::sim {

class ForwardingBatch : public task_queue::TaskBatch {
 public:
  explicit ForwardingBatch(TaskBatch& batch) : batch_(batch) {}
  absl::StatusOr<std::vector<task_queue::InsertOutcome>> Insert(absl::Span<const task_queue::NewTask> tasks,
                                                                absl::Time now) override {
    return batch_.Insert(tasks, now);
  }
  absl::StatusOr<std::vector<std::optional<task_queue::TaskRecord>>> Load(
      absl::Span<const task_queue::TaskId> ids) override {
    return batch_.Load(ids);
  }
  absl::StatusOr<std::vector<task_queue::MoveOutcome>> Apply(absl::Span<const task_queue::Move> moves,
                                                             absl::Time now) override {
    return batch_.Apply(moves, now);
  }
  absl::StatusOr<std::vector<task_queue::GivenSpec>> LoadSpecs(absl::Span<const task_queue::TaskId> ids) override {
    return batch_.LoadSpecs(ids);
  }
  absl::StatusOr<std::vector<task_queue::Standing>> Standings(absl::Span<const task_queue::TaskId> ids) override {
    return batch_.Standings(ids);
  }

 protected:
  TaskBatch& batch_;
};

// Every call but RunBatch passes through Pass, which a decorator may refuse or whose answer it may lose.
class ForwardingStore : public task_queue::TaskStore {
 public:
  // Borrows it.
  explicit ForwardingStore(TaskStore& store) : store_(store) {}

  absl::Status RunBatch(absl::FunctionRef<absl::Status(task_queue::TaskBatch&)> work) override {
    return store_.RunBatch(work);
  }
  absl::StatusOr<task_queue::StoredTask> Get(const task_queue::TaskId& id,
                                             const task_queue::ReadOptions& options = {}) override {
    return Through([&] { return store_.Get(id, options); });
  }
  absl::StatusOr<task_queue::TaskPage> List(const task_queue::TaskFilter& filter, bool newest_first,
                                            std::optional<task_queue::TaskId> cursor, int limit,
                                            const task_queue::ReadOptions& options = {}) override {
    return Through([&] { return store_.List(filter, newest_first, cursor, limit, options); });
  }
  absl::StatusOr<std::vector<std::pair<std::string, std::int64_t>>> CountDeadByModel(
      const task_queue::ReadOptions& options = {}) override {
    return Through([&] { return store_.CountDeadByModel(options); });
  }
  absl::StatusOr<std::vector<task_queue::StageCounts>> CountByLane(
      const task_queue::ReadOptions& options = {}) override {
    return Through([&] { return store_.CountByLane(options); });
  }
  absl::StatusOr<task_queue::ReadyScan> ScanReady(absl::Span<const int> shards, int window,
                                                  absl::Span<const task_queue::ReadyAfter> after) override {
    return Through([&] { return store_.ScanReady(shards, window, after); });
  }
  void Offered(const task_queue::TaskId& id, int rank) override { store_.Offered(id, rank); }
  absl::StatusOr<std::vector<task_queue::DueTask>> ScanDue(absl::Time now, int limit) override {
    return Through([&] { return store_.ScanDue(now, limit); });
  }
  absl::StatusOr<task_queue::Session> OpenSession(std::string_view agent, std::string_view hub, absl::Time expire,
                                                  std::int64_t connection) override {
    return Through([&] { return store_.OpenSession(agent, hub, expire, connection); });
  }
  absl::StatusOr<std::vector<std::string>> RenewSessions(
      absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) override {
    return Through([&] { return store_.RenewSessions(sessions, expire); });
  }
  absl::StatusOr<std::vector<task_queue::Session>> ExpiredSessions(absl::Time now, int limit) override {
    return Through([&] { return store_.ExpiredSessions(now, limit); });
  }
  absl::StatusOr<bool> FenceSession(std::string_view agent, std::int64_t epoch) override {
    return Through([&] { return store_.FenceSession(agent, epoch); });
  }
  absl::Status CloseSession(std::string_view agent, std::int64_t epoch) override {
    return Through([&] { return store_.CloseSession(agent, epoch); });
  }
  absl::StatusOr<std::vector<task_queue::StoredTask>> OwnedBy(absl::Span<const std::string> agents) override {
    return Through([&] { return store_.OwnedBy(agents); });
  }
  absl::StatusOr<std::vector<task_queue::TaskRecord>> WithDirectives(const task_queue::TaskId& after,
                                                                     int limit) override {
    return Through([&] { return store_.WithDirectives(after, limit); });
  }
  absl::StatusOr<std::vector<task_queue::JudgingTask>> ScanJudging(const task_queue::TaskId& after,
                                                                   int limit) override {
    return Through([&] { return store_.ScanJudging(after, limit); });
  }
  absl::StatusOr<std::vector<task_queue::Wait>> ScanWaits(const task_queue::Wait& after, int limit) override {
    return Through([&] { return store_.ScanWaits(after, limit); });
  }
  absl::StatusOr<std::vector<task_queue::Wait>> WaitsFor(absl::Span<const task_queue::TaskId> awaited,
                                                         const task_queue::Wait& after, int limit) override {
    return Through([&] { return store_.WaitsFor(awaited, after, limit); });
  }
  absl::StatusOr<std::vector<task_queue::ShardLease>> AcquireShards(std::string_view owner, int want, absl::Time now,
                                                                    absl::Time expire) override {
    return Through([&] { return store_.AcquireShards(owner, want, now, expire); });
  }
  absl::Status ReleaseShards(std::string_view owner) override {
    return Through([&] { return store_.ReleaseShards(owner); });
  }
  absl::Status Pause(const task_queue::PauseEntry& entry) override {
    return Through([&] { return store_.Pause(entry); });
  }
  absl::StatusOr<bool> Resume(task_queue::PauseEntry::Kind kind, std::string_view key) override {
    return Through([&] { return store_.Resume(kind, key); });
  }
  absl::StatusOr<std::vector<task_queue::PauseEntry>> Pauses() override {
    return Through([&] { return store_.Pauses(); });
  }
  absl::StatusOr<std::string> Incarnation() override {
    return Through([&] { return store_.Incarnation(); });
  }
  absl::StatusOr<task_queue::EventPosition> EventsEnd() override {
    return Through([&] { return store_.EventsEnd(); });
  }
  absl::StatusOr<task_queue::EventPosition> EventsBegin() override {
    return Through([&] { return store_.EventsBegin(); });
  }
  absl::StatusOr<task_queue::EventPosition> EventsLimit() override {
    return Through([&] { return store_.EventsLimit(); });
  }
  absl::StatusOr<task_queue::EventPage> ReadEvents(const task_queue::EventPosition& after, int limit) override {
    return Through([&] { return store_.ReadEvents(after, limit); });
  }

 protected:
  // Not OK: the call does not happen.
  virtual absl::Status Before() { return absl::OkStatus(); }
  // Not OK: it happened, and the caller hears this.
  virtual absl::Status After() { return absl::OkStatus(); }

  TaskStore& store_;

 private:
  template <class Call>
  auto Through(Call call) -> decltype(call()) {
    if (absl::Status before = Before(); !before.ok()) return before;
    auto answer = call();
    if (absl::Status after = After(); !after.ok()) return after;
    return answer;
  }
};

}  // namespace switchyard::sim
