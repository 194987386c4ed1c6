// What stands between one task and the models at endpoints: shared by deciding and explaining, so that they agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "services/router/budget.h"
#include "services/router/candidates.h"
#include "services/router/decide.h"
#include "services/router/tiers.h"

namespace switchyard::router {

// Borrows everything; not thread-safe.
class TaskFilter {
 public:
  TaskFilter(const TaskFacts& facts, const Tiering& tiering, const DecideContext& context);

  // A budget said that work stays local from here on.
  void StayLocal() { budget_local_ = true; }
  bool stays_local() const { return tiering_.local_only || budget_local_; }

  // Whether it is what is pinned, or what the task was begun with. True where nothing is.
  bool Fixed(const Slot& slot) const;
  bool TriedOut(const Slot& slot) const;
  bool LastResort(const Slot& slot) const;

  Estimate EstimateFor(const Slot& slot) const;
  BudgetVerdict BudgetFor(const Slot& slot, const Estimate& estimate) const;

  // What the class of the task says of it.
  Rejection ByClass(const Slot& slot) const;
  // What only this task says of it.
  Rejection ByTask(const Slot& slot, const Estimate& estimate) const;
  // What is in the way at this moment.
  Rejection ByState(const Slot& slot) const;
  // All of them, the first that applies; budgets only where they reject for an unknown price.
  Rejection Check(const Slot& slot, const Estimate& estimate) const;

  RankClass rank_class() const;

 private:
  bool FamilyExcluded(const Slot& slot) const;
  std::int64_t OutputFor(const Slot& slot, const text::TokenEstimate& prompt) const;

  const TaskFacts& facts_;
  const Tiering& tiering_;
  const DecideContext& context_;
  text::TokenEstimate prompt_;
  bool budget_local_ = false;
};

}  // namespace switchyard::router
