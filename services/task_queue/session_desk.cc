#include "services/task_queue/session_desk.h"

#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"

namespace switchyard::task_queue {
namespace {

// About as long as a batch takes.
constexpr absl::Duration kLook = absl::Milliseconds(5);

}  // namespace

absl::Status SessionDesk::AwaitEarlierBatches() {
  SY_ASSIGN_OR_RETURN(const EventPosition limit, store_.EventsLimit());
  Mutex mutex;
  CondVar never;
  for (absl::Duration waited;; waited += kLook) {
    SY_ASSIGN_OR_RETURN(const EventPosition end, store_.EventsEnd());
    if (end >= limit || waited >= patience_) return absl::OkStatus();
    MutexLock lock(mutex);
    never.WaitFor(mutex, kLook);
  }
}

absl::StatusOr<OpenedSession> SessionDesk::Open(std::string_view agent, std::string_view hub,
                                                absl::Span<const HeldTask> held, bool restarted,
                                                std::int64_t connection) {
  OpenedSession opened;
  SY_ASSIGN_OR_RETURN(opened.session, store_.OpenSession(agent, hub, clock_.Now() + rules_.session_lease, connection));
  // Assignments of the former session are refused from here on, but for those whose batch looked before.
  SY_RETURN_IF_ERROR(AwaitEarlierBatches());
  const std::array<std::string, 1> agents = {std::string(agent)};
  SY_ASSIGN_OR_RETURN(std::vector<StoredTask> owned, store_.OwnedBy(agents));

  absl::flat_hash_map<TaskId, Generation> named;
  for (const HeldTask& task : held) named[task.task] = task.generation;
  absl::flat_hash_set<TaskId> kept;
  for (StoredTask& task : owned) {
    const auto found = named.find(task.record.id);
    if (found != named.end() && found->second == task.record.generation) {
      opened.keep.push_back({task.record.id, task.record.generation});
      kept.insert(task.record.id);
    } else if (restarted) {
      opened.returned.push_back(task.record.id);
      lanes_.Execute(
          {task.record.id,
           AgentLost{.agent = std::string(agent), .generation = task.record.generation, .cause = "EXECUTOR_RESTARTED"}},
          [id = task.record.id](const absl::StatusOr<Executed>& answer) {
            if (!answer.ok()) {
              LogWarning("a task of a restarted executor could not be returned yet",
                         {{"task_id", id.ToString()}, {"status", answer.status()}});
            }
          });
    } else {
      opened.redeliver.push_back(std::move(task));
    }
  }
  for (const HeldTask& task : held) {
    if (!kept.contains(task.task)) opened.drop.push_back(task);
  }
  return opened;
}

}  // namespace switchyard::task_queue
