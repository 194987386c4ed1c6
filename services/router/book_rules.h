// What both stores count money by. Pure.
#pragma once

#include <optional>
#include <string>

#include "services/router/budget.h"

namespace switchyard::router {

// Whether the two count the same calls in the same periods.
bool CountsTheSame(const BudgetSpec& a, const BudgetSpec& b);

// Of several that refuse, the strictest: refuse, hold, local_only; then the one whose period ends last.
void KeepStrictest(const BudgetState& refusing, std::optional<BudgetLedger::Refused>& kept);

// Adds to what a period counts, never below nothing, and notes in `change` what that passed. `warned`: whether the
// period has warned, once for all.
void Count(BudgetState& state, std::int64_t spent, std::int64_t held, bool& warned, BudgetChange& change);

}  // namespace switchyard::router
