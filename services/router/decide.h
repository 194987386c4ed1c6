#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "services/router/budget.h"
#include "services/router/candidates.h"
#include "services/router/decision.h"
#include "services/router/snapshot.h"
#include "services/router/task_facts.h"

namespace switchyard::router {

// What an attempt is not to go to again.
struct Exclusion {
  // By name.
  std::string endpoint;
  // As the endpoint calls it; empty: none of its models.
  std::string model;
};

// By what is decided. Borrows everything.
struct DecideContext {
  const Snapshot& snapshot;
  const BudgetBook& budgets;
  // Made by that snapshot.
  const Reach& reach;
  absl::Time now;
  // `reach` is what one agent offers: further candidates may need anything of it. Otherwise they need nothing beyond
  // the best one, since no agent is known yet.
  bool one_agent = false;
  std::span<const Exclusion> excluded = {};
};

using DecideResult = std::variant<Decision, Hold>;

// The best candidate and those that may follow it, or why there is none. A pure function of its arguments; takes
// microseconds and never waits.
//
// A budget that stands against the best candidate decides what happens to the task: hold and refuse end the search,
// local_only goes on among local endpoints. Further candidates that a budget stands against are left out.
DecideResult Decide(const TaskFacts& facts, const DecideContext& context);

// Everything that a fast decision passes by.
struct ExplainedCandidate {
  const Slot* slot = nullptr;
  Rejection rejection = Rejection::kNone;
  std::string detail;
  // 0 when rejected, as in the contract.
  double score = 0;
  Parts parts;
  Estimate estimate;
};

struct Explanation {
  // As Decide says; a hold has `decision` too, as far as it came.
  Decision decision;
  std::optional<Hold> hold;
  // Best first, then the rejected ones, those nearer to being chosen first.
  std::vector<ExplainedCandidate> candidates;
  int omitted_candidates = 0;
  // Of those that apply to the best candidate.
  std::vector<const BudgetState*> budgets;
};

// Agrees with Decide on the same arguments. At most `most` candidates.
Explanation Explain(const TaskFacts& facts, const DecideContext& context, std::size_t most = 100);

// Hosts where the best candidate's model is loaded, by name; at most 16.
std::vector<std::string> WarmHosts(const Snapshot& snapshot, const Decision& decision);

// Endpoints that cost nothing, explicitly, and are local: what schedulers fall back on while the router is away. Slots
// that are neither barred nor closed, by endpoint's name.
std::vector<const Slot*> FreeLocalSlots(const Snapshot& snapshot);

}  // namespace switchyard::router
