#include "services/router/decide.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"
#include "services/router/task_filter.h"
#include "services/router/tiers.h"

namespace switchyard::router {
namespace {

// Holds that only a person ends are looked at again less often.
constexpr int kPermanentHolds = 12;
constexpr std::size_t kMostWarmHosts = 16;

std::string Dollars(std::int64_t micros) { return absl::StrFormat("%.4f USD", static_cast<double>(micros) / 1e6); }

// Chooses for one task.
class Chooser {
 public:
  Chooser(const TaskFacts& facts, const Tiering& tiering, const DecideContext& context)
      : tiering_(tiering), context_(context), filter_(facts, tiering, context) {}

  TaskFilter& filter() { return filter_; }
  bool budget_local() const { return budget_local_; }

  // Fills `decision`; a hold when there is no candidate.
  std::optional<Hold> Run(Decision& decision) {
    decision_ = &decision;
    if (tiering_.plain()) {
      Walk(context_.snapshot.RankOf(filter_.rank_class()));
    } else {
      const std::vector<Ranked> ranked = Phases();
      Walk(ranked);
    }
    if (hold_.has_value()) return std::move(hold_);
    if (decision.candidates.empty()) return WhyNone();
    if (tiering_.plain()) {
      const Slot* const passed_by = context_.snapshot.MisconfiguredFirst(filter_.rank_class());
      if (passed_by != nullptr && filter_.ByTask(*passed_by, filter_.EstimateFor(*passed_by)) == Rejection::kNone) {
        for (Choice& choice : decision.candidates) {
          if (choice.fallback_reason.empty()) choice.fallback_reason = "MISCONFIGURED";
        }
        decision.signals.push_back({"MISCONFIGURED", passed_by->endpoint->name, ModelTier::kNone});
      }
    }
    const Slot& best = *decision.best()->slot;
    decision.strategy = best.local() ? Strategy::kLocalLlm : Strategy::kCloudLlm;
    if (best.row != nullptr && !best.row->deprecated.empty()) {
      decision.signals.push_back({"MODEL_DEPRECATED", absl::StrCat("use ", best.row->deprecated), ModelTier::kNone});
    }
    return std::nullopt;
  }

  // Where a slot stands among others that are not rejected: what is fixed, then the rest; what failed before, last.
  int PhaseOf(const Slot& slot) const {
    return (tiering_.may_leave && !filter_.Fixed(slot) ? 2 : 0) + (filter_.LastResort(slot) ? 1 : 0);
  }

 private:
  // Everything that the class and the state let pass, in order.
  std::vector<Ranked> Phases() const {
    const RankClass rank_class = filter_.rank_class();
    std::vector<Ranked> ranked;
    for (const Slot& slot : context_.snapshot.slots()) {
      if (filter_.ByClass(slot) != Rejection::kNone || filter_.ByState(slot) != Rejection::kNone) continue;
      ranked.push_back({.slot = &slot, .score = context_.snapshot.ScoreIn(rank_class, slot)});
    }
    std::sort(ranked.begin(), ranked.end(), [&](const Ranked& a, const Ranked& b) {
      const int phase_a = PhaseOf(*a.slot);
      const int phase_b = PhaseOf(*b.slot);
      return phase_a != phase_b ? phase_a < phase_b : context_.snapshot.Before(rank_class, a, b);
    });
    return ranked;
  }

  void Walk(std::span<const Ranked> ranked) {
    for (const Ranked& one : ranked) {
      if (decision_->candidates.size() >= kMostCandidates || hold_.has_value()) return;
      Consider(one);
    }
  }

  void Consider(const Ranked& one) {
    const Slot& slot = *one.slot;
    if (budget_local_ && !slot.local()) return;
    const Choice* const best = decision_->best();
    if (best != nullptr && !context_.one_agent && !NeedsNothingBeyond(slot, *best->slot)) return;
    const Estimate estimate = filter_.EstimateFor(slot);
    if (filter_.ByTask(slot, estimate) != Rejection::kNone) return;
    const BudgetVerdict verdict = filter_.BudgetFor(slot, estimate);
    if (verdict.kind == BudgetVerdict::Kind::kFits) {
      const bool other = tiering_.left || (tiering_.may_leave && !filter_.Fixed(slot));
      decision_->candidates.push_back({.slot = &slot,
                                       .score = one.score,
                                       .estimate = estimate,
                                       .fallback_reason = other ? tiering_.leave_reason : std::string_view()});
    } else if (verdict.kind == BudgetVerdict::Kind::kSpent && best == nullptr) {
      MeetBudget(*verdict.budget, estimate);
    }
  }

  void MeetBudget(const BudgetState& budget, const Estimate& estimate) {
    if (spent_ == nullptr) {
      spent_ = &budget;
      spent_by_ = estimate.cost_upper.value_or(0);
    }
    if (budget.spec.policy == BudgetPolicy::kLocalOnly) {
      budget_local_ = true;
      filter_.StayLocal();
      decision_->local_only = true;
      decision_->signals.push_back({"BUDGET_LOCAL_ONLY", budget.spec.name, ModelTier::kNone});
      return;
    }
    spent_ = &budget;
    hold_ = BudgetHold();
  }

  static bool NeedsNothingBeyond(const Slot& slot, const Slot& best) {
    return std::all_of(slot.need_ids.begin(), slot.need_ids.end(), [&](std::uint32_t need) {
      return std::find(best.need_ids.begin(), best.need_ids.end(), need) != best.need_ids.end();
    });
  }

  Hold BudgetHold() const {
    const absl::Duration hold = context_.snapshot.rules().hold;
    const BudgetSpec& spec = spent_->spec;
    Hold out{.code = HoldCode::kBudgetSpent};
    out.message = absl::StrCat(
        "the budget \"", spec.name, "\" has ",
        Dollars(std::max<std::int64_t>(spec.limit_micros - AddMicros(spent_->spent_micros, spent_->held_micros), 0)),
        " left of ", Dollars(spec.limit_micros), ", this may take ", Dollars(spent_by_));
    out.permanent = spec.policy == BudgetPolicy::kRefuse;
    // A person may raise it before the period ends.
    out.retry_time = context_.now + kPermanentHolds * hold;
    if (!out.permanent && spent_->bounds.end > context_.now) {
      out.retry_time = std::min(out.retry_time, spent_->bounds.end);
      absl::StrAppend(&out.message, "; the next period begins at ",
                      absl::FormatTime(absl::RFC3339_sec, spent_->bounds.end, absl::UTCTimeZone()));
    }
    return out;
  }

  Hold WhyNone() const;
  static HoldCode CodeOf(Rejection furthest, const Tiering& tiering);

  const Tiering& tiering_;
  const DecideContext& context_;
  TaskFilter filter_;
  Decision* decision_ = nullptr;
  std::optional<Hold> hold_;
  bool budget_local_ = false;
  const BudgetState* spent_ = nullptr;
  std::int64_t spent_by_ = 0;
};

HoldCode Chooser::CodeOf(Rejection furthest, const Tiering& tiering) {
  const bool pinned = tiering.cause == Cause::kPinned && !tiering.may_leave;
  switch (furthest) {
    case Rejection::kNotLocal:
      return HoldCode::kLocalOnly;
    case Rejection::kTriedTwice:
      return HoldCode::kModelsTried;
    case Rejection::kContextTooSmall:
    case Rejection::kTokensOverLimit:
      return HoldCode::kTooLarge;
    case Rejection::kCostOverLimit:
    case Rejection::kBudgetSpent:
      return HoldCode::kBudgetSpent;
    case Rejection::kPriceUnknown:
      return HoldCode::kPriceUnknown;
    case Rejection::kNoAgentReaches:
      return HoldCode::kNoAgentReaches;
    case Rejection::kNoCapacity:
      return HoldCode::kNoCapacity;
    case Rejection::kUsedBefore:
    case Rejection::kEndpointMisconfigured:
    case Rejection::kEndpointOpen:
    case Rejection::kEndpointUnknown:
    case Rejection::kRateLimited:
      return pinned ? HoldCode::kPinUnavailable : HoldCode::kEndpointsClosed;
    default:
      return pinned ? HoldCode::kPinUnavailable : HoldCode::kNoModel;
  }
}

Hold Chooser::WhyNone() const {
  const absl::Duration pause = context_.snapshot.rules().hold;
  Rejection furthest = Rejection::kNone;
  const Slot* slot = nullptr;
  bool all_misconfigured = true;
  absl::Time retry = absl::InfiniteFuture();
  const bool bound = !tiering_.may_leave && (tiering_.only_model != ModelIndex::kUnknown || tiering_.only_endpoint);
  for (const Slot& one : context_.snapshot.slots()) {
    // Of others it is known why.
    if (bound && !filter_.Fixed(one)) continue;
    const Estimate estimate = filter_.EstimateFor(one);
    Rejection rejection = filter_.Check(one, estimate);
    if (rejection == Rejection::kNone) rejection = Rejection::kBudgetSpent;
    if (rejection > furthest) {
      furthest = rejection;
      slot = &one;
    }
    if (rejection == Rejection::kEndpointOpen || rejection == Rejection::kEndpointUnknown ||
        rejection == Rejection::kRateLimited) {
      all_misconfigured = false;
      if (one.endpoint->retry_time.has_value()) retry = std::min(retry, *one.endpoint->retry_time);
    }
  }
  // Work that a budget sent to local endpoints finds none: the budget is the reason.
  if (spent_ != nullptr && (furthest == Rejection::kNotLocal || furthest == Rejection::kBudgetSpent)) {
    return BudgetHold();
  }
  Hold hold{.code = CodeOf(furthest, tiering_), .retry_time = context_.now + pause};
  switch (hold.code) {
    case HoldCode::kLocalOnly:
    case HoldCode::kNoModel:
    case HoldCode::kPinUnavailable:
      // Endpoints that were not checked yet may have it.
      hold.permanent = slot != nullptr && furthest < Rejection::kUsedBefore &&
                       std::none_of(context_.snapshot.endpoints().begin(), context_.snapshot.endpoints().end(),
                                    [](const Endpoint& one) { return one.state == EndpointState::kUnknown; });
      break;
    case HoldCode::kEndpointsClosed:
      hold.permanent = furthest == Rejection::kEndpointMisconfigured && all_misconfigured;
      if (retry > hold.retry_time && retry < absl::InfiniteFuture()) {
        hold.retry_time = std::min(retry, context_.now + kPermanentHolds * pause);
      }
      break;
    case HoldCode::kTooLarge:
    case HoldCode::kModelsTried:
    case HoldCode::kPriceUnknown:
    case HoldCode::kBudgetSpent:
      hold.permanent = true;
      break;
    default:
      break;
  }
  if (hold.permanent) hold.retry_time = context_.now + kPermanentHolds * pause;
  if (slot == nullptr) {
    hold.message = bound ? "the pinned endpoint does not have the model" : "no endpoint has any model";
    return hold;
  }
  hold.message = absl::StrCat("nothing serves it: ", ToAbsl(NameOf(tiering_.least)), " or stronger",
                              filter_.stays_local() ? ", local only" : "", "; nearest was ", slot->placed->model,
                              " at ", slot->endpoint->name, ": ", ToAbsl(TextOf(furthest)));
  if (!slot->endpoint->cause.empty() && slot->closed != Rejection::kNone && furthest == slot->closed) {
    absl::StrAppend(&hold.message, " (", slot->endpoint->cause, ")");
  }
  return hold;
}

Decision Begin(Tiering& tiering) {
  Decision decision;
  decision.strategy = tiering.strategy;
  decision.tier = tiering.least;
  decision.cause = tiering.cause;
  decision.local_only = tiering.local_only;
  decision.role = tiering.role;
  decision.signals = tiering.signals;
  return decision;
}

}  // namespace

DecideResult Decide(const TaskFacts& facts, const DecideContext& context) {
  std::variant<Tiering, Hold> found = FindTier(facts, context.snapshot, context.now);
  if (Hold* const hold = std::get_if<Hold>(&found)) return std::move(*hold);
  Tiering& tiering = std::get<Tiering>(found);
  DecideResult result = Begin(tiering);
  if (tiering.cause == Cause::kNoModel) return result;
  std::optional<Hold> hold = Chooser(facts, tiering, context).Run(std::get<Decision>(result));
  if (hold.has_value()) return *std::move(hold);
  return result;
}

Explanation Explain(const TaskFacts& facts, const DecideContext& context, std::size_t most) {
  Explanation out;
  std::variant<Tiering, Hold> found = FindTier(facts, context.snapshot, context.now);
  if (Hold* const hold = std::get_if<Hold>(&found)) {
    out.hold = std::move(*hold);
    return out;
  }
  Tiering& tiering = std::get<Tiering>(found);
  out.decision = Begin(tiering);
  if (tiering.cause == Cause::kNoModel) return out;
  Chooser chooser(facts, tiering, context);
  out.hold = chooser.Run(out.decision);

  const TaskFilter& filter = chooser.filter();
  const RankClass rank_class = filter.rank_class();
  const auto chosen = [&](const Slot& slot) {
    return std::any_of(out.decision.candidates.begin(), out.decision.candidates.end(),
                       [&](const Choice& one) { return one.slot == &slot; });
  };
  for (const Slot& slot : context.snapshot.slots()) {
    ExplainedCandidate one{.slot = &slot};
    one.estimate = filter.EstimateFor(slot);
    one.rejection = filter.Check(slot, one.estimate);
    const BudgetVerdict verdict = filter.BudgetFor(slot, one.estimate);
    if (one.rejection == Rejection::kNone && verdict.kind == BudgetVerdict::Kind::kSpent) {
      one.rejection = Rejection::kBudgetSpent;
    }
    const Choice* const best = out.decision.best();
    if (one.rejection == Rejection::kNone && best != nullptr && !context.one_agent && !chosen(slot) &&
        std::any_of(slot.need_ids.begin(), slot.need_ids.end(), [&](std::uint32_t need) {
          const auto& has = best->slot->need_ids;
          return std::find(has.begin(), has.end(), need) == has.end();
        })) {
      one.rejection = Rejection::kNeedsMore;
    }
    one.parts = context.snapshot.PartsIn(rank_class, slot);
    one.detail = TextOf(one.rejection);
    if (one.rejection == slot.closed && slot.closed != Rejection::kNone && !slot.endpoint->cause.empty()) {
      absl::StrAppend(&one.detail, ": ", slot.endpoint->cause);
    } else if (one.rejection == Rejection::kBudgetSpent) {
      absl::StrAppend(&one.detail, ": ", verdict.budget->spec.name);
    }
    one.score = context.snapshot.ScoreIn(rank_class, slot);
    out.candidates.push_back(std::move(one));
  }
  std::sort(out.candidates.begin(), out.candidates.end(),
            [&](const ExplainedCandidate& a, const ExplainedCandidate& b) {
              if ((a.rejection == Rejection::kNone) != (b.rejection == Rejection::kNone)) {
                return a.rejection == Rejection::kNone;
              }
              if (a.rejection != b.rejection) return a.rejection > b.rejection;
              if (a.rejection != Rejection::kNone) return a.slot < b.slot;
              const int phase_a = chooser.PhaseOf(*a.slot);
              const int phase_b = chooser.PhaseOf(*b.slot);
              if (phase_a != phase_b) return phase_a < phase_b;
              return context.snapshot.Before(rank_class, {a.slot, a.score}, {b.slot, b.score});
            });
  for (ExplainedCandidate& one : out.candidates) {
    if (one.rejection != Rejection::kNone) one.score = 0;
  }
  if (out.candidates.size() > most) {
    out.omitted_candidates = static_cast<int>(out.candidates.size() - most);
    out.candidates.resize(most);
  }
  if (const Choice* const best = out.decision.best()) {
    const Slot& slot = *best->slot;
    out.budgets = context.budgets.ApplyingTo(
        {.project = facts.project,
         .provider = slot.provider(),
         .model = slot.row == nullptr ? std::string_view(slot.placed->model) : slot.canonical_model()});
  }
  return out;
}

std::vector<std::string> WarmHosts(const Snapshot& snapshot, const Decision& decision) {
  std::set<std::string> hosts;
  if (const Choice* const best = decision.best()) {
    for (const std::uint32_t index : snapshot.SlotsOf(best->slot->model)) {
      const Slot& slot = snapshot.slots()[index];
      if (slot.barred == Rejection::kNone && slot.placed->warmth == Warmth::kWarm && slot.local() &&
          !slot.endpoint->host.empty()) {
        hosts.insert(slot.endpoint->host);
      }
    }
  }
  std::vector<std::string> out(hosts.begin(), hosts.end());
  if (out.size() > kMostWarmHosts) out.resize(kMostWarmHosts);
  return out;
}

std::vector<const Slot*> FreeLocalSlots(const Snapshot& snapshot) {
  std::vector<const Slot*> slots;
  for (const Slot& slot : snapshot.slots()) {
    if (slot.barred != Rejection::kNone || slot.closed != Rejection::kNone) continue;
    if (slot.local() && slot.price.free) slots.push_back(&slot);
  }
  return slots;
}

}  // namespace switchyard::router
