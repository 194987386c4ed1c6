#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

struct HeldTask {
  TaskId task;
  Generation generation{};

  friend bool operator==(const HeldTask&, const HeldTask&) = default;
};

struct OpenedSession {
  Session session;
  // What the executor says that it runs, and owns.
  std::vector<HeldTask> keep;
  // What it says that it runs, and does not own any more.
  std::vector<HeldTask> drop;
  // What it owns and did not name: an assignment that may never have arrived.
  std::vector<StoredTask> redeliver;
  // What it owned and, being new, does not have: on its way back to the queue.
  std::vector<TaskId> returned;
};

// Begins sessions of agents: believes them about what runs, never about who owns. Thread-safe; blocks.
class SessionDesk final {
 public:
  // How long Open waits, of real time, for batches that were under way when the epoch grew. What commits even later is
  // not redelivered; its time limit returns it.
  static constexpr absl::Duration kPatience = absl::Milliseconds(250);

  SessionDesk(const Rules& rules, TaskStore& store, TaskLanes& lanes, const Clock& clock,
              absl::Duration patience = kPatience)
      : rules_(rules), store_(store), lanes_(lanes), clock_(clock), patience_(patience) {}

  // `connection` as in TaskStore::OpenSession.
  absl::StatusOr<OpenedSession> Open(std::string_view agent, std::string_view hub, absl::Span<const HeldTask> held,
                                     bool restarted, std::int64_t connection = 0);

 private:
  absl::Status AwaitEarlierBatches();

  const Rules& rules_;
  TaskStore& store_;
  TaskLanes& lanes_;
  const Clock& clock_;
  const absl::Duration patience_;
};

}  // namespace switchyard::task_queue
