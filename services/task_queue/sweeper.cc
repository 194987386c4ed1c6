#include "services/task_queue/sweeper.h"

#include <array>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"

namespace switchyard::task_queue {
namespace {

constexpr int kTasksPerTick = 2000;
constexpr int kSessionsPerTick = 500;

void LogFailure(const TaskId& id, const absl::StatusOr<Executed>& answer) {
  // What another replica or the agent did meanwhile is no news.
  if (answer.ok() || answer.status().code() == absl::StatusCode::kNotFound) return;
  LogWarning("a sweep could not act on a task", {{"task_id", id.ToString()}, {"status", answer.status()}});
}

}  // namespace

absl::StatusOr<int> DueSweeper::Tick() {
  SY_ASSIGN_OR_RETURN(const std::vector<DueTask> due, store_.ScanDue(clock_.Now(), kTasksPerTick));
  for (const DueTask& task : due) {
    lanes_.Execute({task.id, Due{}},
                   [id = task.id](const absl::StatusOr<Executed>& answer) { LogFailure(id, answer); });
  }
  return static_cast<int>(due.size());
}

SessionReaper::SessionReaper(const Rules& rules, TaskStore& store, TaskLanes& lanes, const Clock& clock)
    : rules_(rules), store_(store), lanes_(lanes), clock_(clock) {}

absl::StatusOr<int> SessionReaper::Tick() {
  const absl::Time now = clock_.Now();
  if (now - last_success_ > rules_.session_lease / 2) no_expiry_before_ = now + rules_.session_lease;
  SY_ASSIGN_OR_RETURN(const std::vector<Session> expired, store_.ExpiredSessions(now, kSessionsPerTick));
  last_success_ = now;
  if (now < no_expiry_before_) return 0;
  // Those of agents that came back, or that another replica closed.
  StringSet agents;
  for (const Session& session : expired) agents.insert(session.agent);
  absl::erase_if(fences_, [&agents](const auto& fence) { return !agents.contains(fence.first); });
  for (const Session& session : expired) SY_RETURN_IF_ERROR(Reap(session));
  return static_cast<int>(expired.size());
}

absl::Status SessionReaper::Reap(const Session& session) {
  std::int64_t epoch = session.epoch;
  const auto known = fences_.find(session.agent);
  if (known == fences_.end() || known->second.epoch != epoch) {
    SY_ASSIGN_OR_RETURN(const bool fenced, store_.FenceSession(session.agent, epoch));
    // It came back.
    if (!fenced) return absl::OkStatus();
    ++epoch;
    SY_ASSIGN_OR_RETURN(const EventPosition limit, store_.EventsLimit());
    fences_[session.agent] = {epoch, limit};
    LogInfo("the lease of an agent's session ended", {{"agent_id", session.agent}, {"epoch", session.epoch}});
  }
  // Asked before what is owned: an assignment that saw the session unfenced is then either listed or still to come.
  SY_ASSIGN_OR_RETURN(const EventPosition end, store_.EventsEnd());
  const std::array<std::string, 1> agent = {session.agent};
  SY_ASSIGN_OR_RETURN(const std::vector<StoredTask> owned, store_.OwnedBy(agent));
  if (owned.empty()) {
    if (end < fences_[session.agent].limit) return absl::OkStatus();
    SY_RETURN_IF_ERROR(store_.CloseSession(session.agent, epoch));
    fences_.erase(session.agent);
    return absl::OkStatus();
  }
  for (const StoredTask& task : owned) {
    lanes_.Execute({task.record.id,
                    AgentLost{.agent = session.agent, .generation = task.record.generation, .cause = "AGENT_LOST"}},
                   [id = task.record.id](const absl::StatusOr<Executed>& answer) { LogFailure(id, answer); });
  }
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue
