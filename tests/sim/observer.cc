#include "tests/sim/observer.h"

#include <set>
#include <utility>

namespace switchyard::sim {
namespace {

class RememberingBatch final : public ForwardingBatch {
 public:
  RememberingBatch(TaskBatch& batch, std::set<task_queue::TaskId>& touched)
      : ForwardingBatch(batch), touched_(touched) {}

  absl::StatusOr<std::vector<task_queue::InsertOutcome>> Insert(absl::Span<const task_queue::NewTask> tasks,
                                                                absl::Time now) override {
    for (const task_queue::NewTask& task : tasks) touched_.insert(task.record.id);
    return ForwardingBatch::Insert(tasks, now);
  }
  absl::StatusOr<std::vector<task_queue::MoveOutcome>> Apply(absl::Span<const task_queue::Move> moves,
                                                             absl::Time now) override {
    for (const task_queue::Move& move : moves) touched_.insert(move.next->id);
    return ForwardingBatch::Apply(moves, now);
  }

 private:
  std::set<task_queue::TaskId>& touched_;
};

}  // namespace

absl::Status ObservedStore::RunBatch(absl::FunctionRef<absl::Status(task_queue::TaskBatch&)> work) {
  std::set<task_queue::TaskId> touched;
  const absl::Status status = store_.RunBatch([&](task_queue::TaskBatch& batch) {
    RememberingBatch remembering(batch, touched);
    return work(remembering);
  });
  for (const task_queue::TaskId& id : touched) Look(id);
  return status;
}

void ObservedStore::Look(const task_queue::TaskId& id) {
  absl::StatusOr<task_queue::StoredTask> stored = stored_.Get(id);
  if (!stored.ok()) return;
  const auto known = records_.find(id);
  if (known == records_.end()) {
    const auto added = records_.emplace(id, std::move(stored->record)).first;
    for (const Told& told : told_) told({.before = nullptr, .after = &added->second});
    return;
  }
  if (known->second.revision == stored->record.revision && known->second == stored->record) return;
  const task_queue::TaskRecord before = std::exchange(known->second, std::move(stored->record));
  for (const Told& told : told_) told({.before = &before, .after = &known->second});
}

}  // namespace switchyard::sim
