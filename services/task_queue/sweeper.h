#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Finds time limits that have passed: of tasks, and of the leases of sessions. Any number of replicas may sweep at
// once: the rules look again, and compare-and-set lets one win. Background steps with a public Tick(); not thread-safe.
class DueSweeper final {
 public:
  DueSweeper(TaskStore& store, TaskLanes& lanes, const Clock& clock) : store_(store), lanes_(lanes), clock_(clock) {}

  // How many tasks were handed to the rules.
  absl::StatusOr<int> Tick();

 private:
  TaskStore& store_;
  TaskLanes& lanes_;
  const Clock& clock_;
};

// Returns the tasks of agents whose session lease has ended. Lease time does not run while the ledger cannot take
// renewals: after a start or an outage every session gets one full lease before any of them is taken as lost. A session
// is closed once nothing is owned under it and nothing can be any more: not by a crash half-way, and not by an
// assignment whose batch was under way when the session was fenced.
class SessionReaper final {
 public:
  SessionReaper(const Rules& rules, TaskStore& store, TaskLanes& lanes, const Clock& clock);

  // How many sessions ended. Call it at least every `rules.session_lease / 4`: a longer silence counts as an outage.
  absl::StatusOr<int> Tick();

 private:
  // Sessions of which nothing new can be owned once every batch up to there has ended.
  struct Fence {
    std::int64_t epoch = 0;
    EventPosition limit;
  };

  absl::Status Reap(const Session& session);

  const Rules& rules_;
  TaskStore& store_;
  TaskLanes& lanes_;
  const Clock& clock_;
  absl::Time last_success_ = absl::InfinitePast();
  absl::Time no_expiry_before_ = absl::InfinitePast();
  StringMap<Fence> fences_;
};

}  // namespace switchyard::task_queue
