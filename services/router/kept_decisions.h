#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/router/decision.h"
#include "services/router/route_store.h"
#include "services/router/snapshot.h"
#include "services/router/task_reader.h"

namespace switchyard::router {

// A decision, with all that it was made by.
struct KeptDecision {
  DecisionId id;
  TaskId task;
  // Shared with others that were made by it; the decision points into it.
  std::shared_ptr<const Snapshot> snapshot;
  TaskReader::KnownPtr known;
  Decision decision;
  absl::Time decide_time;
  absl::Time valid_until;
};
// Shared with the reservation under way, which may outlive its place here.
using KeptDecisionPtr = std::shared_ptr<const KeptDecision>;

// Decisions that may be reserved for a while; nothing of them is stored before. Thread-safe.
class KeptDecisions {
 public:
  // Keeps the newest `most`.
  explicit KeptDecisions(std::size_t most) : most_(most) {}

  void Keep(KeptDecisionPtr decision, absl::Time now);
  // Null when it is not valid any more, or not known here.
  KeptDecisionPtr Find(const DecisionId& id, absl::Time now) const;
  std::size_t size() const;

 private:
  const std::size_t most_;
  mutable Mutex mutex_;
  std::deque<DecisionId> order_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<DecisionId, KeptDecisionPtr> decisions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router
