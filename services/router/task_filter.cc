#include "services/router/task_filter.h"

#include <algorithm>

#include "services/router/estimate.h"

namespace switchyard::router {
namespace {

// Less than that is no answer.
constexpr std::int64_t kLeastOutput = 16;
// Where nobody asks for a length, an answer takes at most this share of the window.
constexpr std::int64_t kWindowShare = 4;

}  // namespace

TaskFilter::TaskFilter(const TaskFacts& facts, const Tiering& tiering, const DecideContext& context)
    : facts_(facts), tiering_(tiering), context_(context), prompt_(facts.prompt) {
  if (tiering.role != nullptr) prompt_ += context.snapshot.PersonaTokens(*tiering.role);
}

bool TaskFilter::Fixed(const Slot& slot) const {
  return (tiering_.only_model == ModelIndex::kUnknown || slot.model == tiering_.only_model) &&
         (tiering_.only_endpoint == nullptr || slot.endpoint == tiering_.only_endpoint);
}

bool TaskFilter::TriedOut(const Slot& slot) const {
  return std::find(tiering_.tried_out.begin(), tiering_.tried_out.end(), slot.model) != tiering_.tried_out.end();
}

bool TaskFilter::LastResort(const Slot& slot) const {
  return std::find(tiering_.last_resort.begin(), tiering_.last_resort.end(), slot.model) != tiering_.last_resort.end();
}

std::int64_t TaskFilter::OutputFor(const Slot& slot, const text::TokenEstimate& prompt) const {
  std::int64_t output = context_.snapshot.rules().output_tokens;
  if (tiering_.role != nullptr && tiering_.role->max_output > 0) {
    output = tiering_.role->max_output;
  } else if (slot.window > 0) {
    output = std::min(output, std::max(slot.window / kWindowShare, kLeastOutput));
  }
  if (slot.max_output > 0) output = std::min(output, slot.max_output);
  if (facts_.max_tokens > 0) output = std::min(output, facts_.max_tokens - prompt.expected);
  return std::max<std::int64_t>(output, 0);
}

Estimate TaskFilter::EstimateFor(const Slot& slot) const {
  const text::TokenEstimate prompt = Adjust(prompt_, slot.ratio);
  return EstimateOf(slot.price, prompt, OutputFor(slot, prompt));
}

BudgetVerdict TaskFilter::BudgetFor(const Slot& slot, const Estimate& estimate) const {
  if (slot.price.free || context_.budgets.empty()) return {};
  const Spender spender{.project = facts_.project,
                        .provider = slot.provider(),
                        .model = slot.row == nullptr ? std::string_view(slot.placed->model) : slot.canonical_model()};
  return context_.budgets.Check(spender, estimate.cost_upper, context_.now);
}

Rejection TaskFilter::ByClass(const Slot& slot) const {
  if (slot.barred != Rejection::kNone) return slot.barred;
  const bool fixed = Fixed(slot);
  const bool any_fixed = tiering_.only_model != ModelIndex::kUnknown || tiering_.only_endpoint != nullptr;
  if (!fixed && !tiering_.may_leave) {
    return tiering_.cause == Cause::kKept ? Rejection::kNotKept : Rejection::kNotPinned;
  }
  // What a person fixed, or the task began with, is not weighed anew.
  if (!any_fixed || !fixed) {
    if (tiering_.role_list && context_.snapshot.PositionIn(*tiering_.role, slot.model) < 0) {
      return Rejection::kNotInRole;
    }
    if (slot.tier < tiering_.least) return Rejection::kTierTooLow;
  }
  if (stays_local() && !slot.local()) return Rejection::kNotLocal;
  return Rejection::kNone;
}

bool TaskFilter::FamilyExcluded(const Slot& slot) const {
  const std::vector<std::string>& excluded = facts_.excluded_families;
  return !excluded.empty() &&
         (slot.family.empty() || std::find(excluded.begin(), excluded.end(), slot.family) != excluded.end());
}

Rejection TaskFilter::ByTask(const Slot& slot, const Estimate& estimate) const {
  if (FamilyExcluded(slot)) return Rejection::kFamilyExcluded;
  for (const Exclusion& one : context_.excluded) {
    if (one.endpoint == slot.endpoint->name && (one.model.empty() || one.model == slot.placed->model)) {
      return Rejection::kUsedBefore;
    }
  }
  if (TriedOut(slot)) return Rejection::kTriedTwice;
  if (slot.window > 0 && estimate.input_upper + estimate.output_upper > slot.window) {
    return Rejection::kContextTooSmall;
  }
  if (facts_.max_tokens > 0 && estimate.output_upper < kLeastOutput) return Rejection::kTokensOverLimit;
  if (facts_.max_cost_micros > 0 && !slot.price.free) {
    if (!estimate.cost_upper.has_value()) return Rejection::kPriceUnknown;
    if (*estimate.cost_upper > facts_.max_cost_micros) return Rejection::kCostOverLimit;
  }
  if (!context_.reach.Has(slot)) return Rejection::kNoAgentReaches;
  return Rejection::kNone;
}

Rejection TaskFilter::ByState(const Slot& slot) const {
  if (slot.closed != Rejection::kNone) return slot.closed;
  return slot.has_room[facts_.urgent ? 1 : 0] ? Rejection::kNone : Rejection::kNoCapacity;
}

Rejection TaskFilter::Check(const Slot& slot, const Estimate& estimate) const {
  if (const Rejection by_class = ByClass(slot); by_class != Rejection::kNone) return by_class;
  const Rejection by_task = ByTask(slot, estimate);
  if (by_task != Rejection::kNone && by_task < Rejection::kPriceUnknown) return by_task;
  if (BudgetFor(slot, estimate).kind == BudgetVerdict::Kind::kPriceUnknown) return Rejection::kPriceUnknown;
  if (by_task != Rejection::kNone) return by_task;
  return ByState(slot);
}

RankClass TaskFilter::rank_class() const {
  return {.least = tiering_.least,
          .local_only = stays_local(),
          .urgent = facts_.urgent,
          .order = tiering_.order,
          .role = tiering_.role_list ? tiering_.role : nullptr};
}

}  // namespace switchyard::router
