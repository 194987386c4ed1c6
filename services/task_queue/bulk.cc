#include "services/task_queue/bulk.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/request_validation.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kPart = 500;

}  // namespace

absl::StatusOr<std::vector<TaskId>> BulkChanges::Select(const v1::TaskSelection& selection,
                                                        std::vector<TaskState> states, bool check_count,
                                                        Patience patience) {
  std::vector<TaskId> tasks;
  if (!selection.has_filter()) {
    absl::flat_hash_set<TaskId> seen;
    for (const std::string& text : selection.task_ids()) {
      SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(text));
      if (seen.insert(id).second) tasks.push_back(id);
    }
  } else {
    TaskFilter filter = ToFilter(selection.filter());
    if (filter.states.empty()) filter.states = std::move(states);
    std::optional<TaskId> cursor;
    do {
      SY_ASSIGN_OR_RETURN(const absl::Duration left, patience());
      SY_ASSIGN_OR_RETURN(const TaskPage page, store_.List(filter, /*newest_first=*/false, cursor, kMaxPageSize,
                                                           {.within = left, .specs = false}));
      for (const StoredTask& task : page.tasks) tasks.push_back(task.record.id);
      if (tasks.size() > kMaxSelected) return SelectionTooLarge(kMaxSelected);
      cursor = page.next;
    } while (cursor.has_value());
  }
  const int count = static_cast<int>(tasks.size());
  if (check_count && selection.has_expected_count() && selection.expected_count() != count) {
    return CountChanged(selection.expected_count(), count);
  }
  return tasks;
}

struct BulkChanges::Run {
  std::vector<TaskId> tasks;
  Make make;
  absl::Time until;
  std::function<void(Answers)> done;
  Answers answers;
};

void BulkChanges::Apply(std::vector<TaskId> tasks, Make make, absl::Time until, std::function<void(Answers)> done) {
  ApplyPart(std::make_shared<Run>(  // Shared by the answers of its parts.
      Run{.tasks = std::move(tasks), .make = std::move(make), .until = until, .done = std::move(done), .answers = {}}));
}

void BulkChanges::ApplyPart(const std::shared_ptr<Run>& run) {
  const std::size_t begin = run->answers.size();
  const std::size_t count = std::min(kPart, run->tasks.size() - begin);
  if (count == 0) return run->done(std::move(run->answers));
  auto gather = std::make_shared<Gather<Executed>>(count, [this, run](Answers answers) {
    for (absl::StatusOr<Executed>& answer : answers) run->answers.push_back(std::move(answer));
    ApplyPart(run);
  });
  for (std::size_t i = 0; i < count; ++i) {
    Command command = run->make(run->tasks[begin + i]);
    command.wanted_until = run->until;
    lanes_.Execute(std::move(command),
                   [gather, i](absl::StatusOr<Executed> answer) { gather->Set(i, std::move(answer)); });
  }
}

}  // namespace switchyard::task_queue
