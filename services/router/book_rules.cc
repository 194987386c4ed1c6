#include "services/router/book_rules.h"

#include <algorithm>

namespace switchyard::router {
namespace {

int StrictnessOf(BudgetPolicy policy) {
  switch (policy) {
    case BudgetPolicy::kRefuse:
      return 2;
    case BudgetPolicy::kHold:
      return 1;
    case BudgetPolicy::kLocalOnly:
      return 0;
  }
  return 0;
}

std::int64_t Sum(std::int64_t a, std::int64_t b) { return b >= 0 ? AddMicros(a, b) : std::max<std::int64_t>(a + b, 0); }

}  // namespace

bool CountsTheSame(const BudgetSpec& a, const BudgetSpec& b) {
  return a.project == b.project && a.provider == b.provider && a.model == b.model && a.period == b.period;
}

void KeepStrictest(const BudgetState& refusing, std::optional<BudgetLedger::Refused>& kept) {
  if (kept.has_value()) {
    const int was = StrictnessOf(kept->policy), is = StrictnessOf(refusing.spec.policy);
    if (is < was || (is == was && refusing.bounds.end <= kept->period_end)) return;
  }
  kept = {.budget = refusing.spec.name, .policy = refusing.spec.policy, .period_end = refusing.bounds.end};
}

void Count(BudgetState& state, std::int64_t spent, std::int64_t held, bool& warned, BudgetChange& change) {
  const bool exceeded = state.exceeded();
  state.spent_micros = Sum(state.spent_micros, spent);
  state.held_micros = Sum(state.held_micros, held);
  if (!warned && state.warned()) {
    warned = true;
    change.warned.push_back(state.spec.name);
  }
  if (!exceeded && state.exceeded()) change.exceeded.push_back(state.spec.name);
}

}  // namespace switchyard::router
