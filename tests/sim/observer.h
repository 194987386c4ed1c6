// Sees every change of a task as it is committed, before anybody acts on it, and tells the invariants.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "services/task_queue/in_memory_task_store.h"
#include "tests/sim/forwarding_store.h"

namespace switchyard::sim {

struct Change {
  // Null: the task is new.
  const task_queue::TaskRecord* before = nullptr;
  const task_queue::TaskRecord* after = nullptr;
};

class ObservedStore final : public ForwardingStore {
 public:
  using Told = std::function<void(const Change&)>;

  // Borrows it.
  explicit ObservedStore(task_queue::InMemoryTaskStore& store) : ForwardingStore(store), stored_(store) {}

  void OnChange(Told told) { told_.push_back(std::move(told)); }
  absl::Status RunBatch(absl::FunctionRef<absl::Status(task_queue::TaskBatch&)> work) override;

  // As last committed.
  const std::map<task_queue::TaskId, task_queue::TaskRecord>& records() const { return records_; }
  bool IsStored(const task_queue::TaskId& id) { return stored_.Get(id).ok(); }
  void SetAway(bool away) { stored_.SetAway(away); }
  void Lose(const task_queue::TaskId& id) { stored_.DropTask(id); }

 private:
  void Look(const task_queue::TaskId& id);

  task_queue::InMemoryTaskStore& stored_;
  std::vector<Told> told_;
  std::map<task_queue::TaskId, task_queue::TaskRecord> records_;
};

}  // namespace switchyard::sim
