#include "services/task_queue/task_store.h"

#include <algorithm>
#include <utility>

namespace switchyard::task_queue {

absl::StatusOr<std::vector<LoadedTask>> LoadEach(TaskBatch& batch, absl::Span<const TaskId> ids) {
  std::vector<LoadedTask> loaded;
  loaded.reserve(ids.size());
  absl::StatusOr<std::vector<std::optional<TaskRecord>>> all = batch.Load(ids);
  if (all.ok()) {
    for (std::optional<TaskRecord>& record : *all) loaded.emplace_back(std::move(record));
    return loaded;
  }
  if (!absl::IsDataLoss(all.status())) return all.status();
  for (const TaskId& id : ids) {
    absl::StatusOr<std::vector<std::optional<TaskRecord>>> one = batch.Load({&id, 1});
    if (one.ok()) {
      loaded.emplace_back(std::move(one->front()));
    } else if (absl::IsDataLoss(one.status())) {
      loaded.emplace_back(one.status());
    } else {
      return one.status();
    }
  }
  return loaded;
}

std::vector<TaskId> SettledBy(const TaskRecord& before, const TaskRecord& after) {
  std::vector<TaskId> settled;
  for (const Awaited& awaited : before.awaits) {
    const auto still = std::find_if(after.awaits.begin(), after.awaits.end(), [&awaited](const Awaited& candidate) {
      return candidate.task == awaited.task && !candidate.failed;
    });
    if (!awaited.failed && still == after.awaits.end()) settled.push_back(awaited.task);
  }
  return settled;
}

}  // namespace switchyard::task_queue
