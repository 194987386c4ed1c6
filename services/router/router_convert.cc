#include "services/router/router_convert.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/router/model_match.h"
#include "services/router/proto_time.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;

mr::ModelTier ToProto(ModelTier tier) { return static_cast<mr::ModelTier>(tier); }

std::string Text(std::string_view text) { return std::string(text); }

void ToProto(const Rates& rates, mr::Rates& out) {
  if (rates.input.has_value()) out.set_input(*rates.input);
  if (rates.output.has_value()) out.set_output(*rates.output);
  if (rates.cache_read.has_value()) out.set_cache_read(*rates.cache_read);
  if (rates.cache_write_5m.has_value()) out.set_cache_write_5m(*rates.cache_write_5m);
  if (rates.cache_write_1h.has_value()) out.set_cache_write_1h(*rates.cache_write_1h);
}

template <class Signals, class Out>
void AddSignals(const Signals& signals, Out& out) {
  for (const Signal& signal : signals) {
    v1::Signal& made = *out.add_signals();
    made.set_name(Text(signal.name));
    made.set_detail(signal.detail);
    made.set_tier(ToProto(signal.tier));
  }
}

// Settled, and on nothing: no model was asked.
bool IsUnused(const DecisionRecord& record) {
  task_queue::v1::Usage usage;
  return record.state == DecisionState::kSettled && usage.ParseFromString(record.usage) && !usage.cost_unknown() &&
         usage.input_tokens() == 0 && usage.output_tokens() == 0 && usage.cost_micros() == 0;
}

// How long the first token may take, loading included where the model is not loaded.
absl::Duration PatienceWith(const Slot& slot) {
  const Timeouts& timeouts = slot.placed->timeouts;
  return timeouts.connect + timeouts.first_token +
         (slot.placed->warmth == Warmth::kWarm ? absl::ZeroDuration() : timeouts.load);
}

}  // namespace

void ToProto(const Slot& slot, Detail detail, v1::RoutedEndpoint& out) {
  const Endpoint& endpoint = *slot.endpoint;
  out.set_endpoint_id(endpoint.id.ToString());
  out.set_endpoint(endpoint.name);
  out.set_kind(static_cast<mr::EndpointKind>(endpoint.kind));
  out.set_local(slot.local());
  out.set_model(slot.placed->model);
  out.set_canonical_model(Text(slot.canonical_model()));
  out.set_provider(Text(slot.provider()));
  out.set_tier(ToProto(slot.tier));
  out.set_free(slot.price.free);
  out.set_warm(slot.placed->warmth == Warmth::kWarm);
  if (detail == Detail::kBrief) return;
  out.set_url(endpoint.url);
  out.set_credential(endpoint.credential);
  out.set_agent(endpoint.agent);
  for (const auto& [name, value] : slot.placed->options) (*out.mutable_options())[name] = value;
  const Timeouts& timeouts = slot.placed->timeouts;
  Set(timeouts.connect, out.mutable_timeouts()->mutable_connect());
  Set(timeouts.load, out.mutable_timeouts()->mutable_load());
  Set(timeouts.first_token, out.mutable_timeouts()->mutable_first_token());
  Set(timeouts.between_tokens, out.mutable_timeouts()->mutable_between_tokens());
  out.set_context_window(slot.window);
  out.set_max_output_tokens(slot.max_output);
  ToProto(slot.price.rates, *out.mutable_rates());
  for (const PriceStep& step : slot.price.steps) {
    mr::PriceStep& made = *out.add_steps();
    made.set_above_input_tokens(step.above_input_tokens);
    ToProto(step.rates, *made.mutable_rates());
  }
  if (slot.row != nullptr) {
    if (slot.row->model != slot.placed->model) out.add_aliases(slot.row->model);
    for (const std::string& alias : slot.row->aliases) out.add_aliases(alias);
  }
  for (const std::string& need : slot.needs) out.add_needs(need);
}

void ToProto(const Choice& choice, v1::RoutedEndpoint& out) {
  ToProto(*choice.slot, Detail::kWhole, out);
  out.set_max_output_tokens(choice.estimate.output_upper);
}

void ToProto(const Estimate& estimate, const Slot& slot, v1::Estimate& out) {
  out.set_input_tokens(estimate.input);
  out.set_input_tokens_upper(estimate.input_upper);
  out.set_output_tokens_upper(estimate.output_upper);
  if (estimate.cost.has_value()) out.set_cost_micros(*estimate.cost);
  if (estimate.cost_upper.has_value()) out.set_cost_micros_upper(*estimate.cost_upper);
  const double learnt = slot.ratio.expected > 0 ? slot.ratio.expected : 1;
  out.set_scanned_input_tokens(std::llround(static_cast<double>(estimate.input) / learnt));
}

void ToProto(const Hold& hold, v1::RouteHold& out) {
  out.set_code(static_cast<v1::HoldCode>(hold.code));
  out.set_message(hold.message);
  if (hold.retry_time < absl::InfiniteFuture()) Set(hold.retry_time, out.mutable_retry_time());
  out.set_permanent(hold.permanent);
}

void ToProto(const KeptDecision& kept, v1::RouteDecision& out) {
  const Decision& decision = kept.decision;
  out.set_decision_id(kept.id.ToString());
  out.set_strategy(static_cast<v1::Strategy>(decision.strategy));
  out.set_tier(ToProto(decision.tier));
  out.set_cause(static_cast<v1::Cause>(decision.cause));
  out.set_reason(ReasonOf(decision));
  for (const Choice& choice : decision.candidates) ToProto(choice, *out.add_candidates());
  if (const Choice* const best = decision.best()) {
    for (const std::string& need : best->slot->needs) out.add_needs(need);
    for (std::string& host : WarmHosts(*kept.snapshot, decision)) out.add_warm_hosts(std::move(host));
  }
  Set(kept.valid_until, out.mutable_valid_until());
}

void ToProto(const Explanation& explanation, const Snapshot& snapshot, Detail detail, v1::Explanation& out) {
  const Decision& decision = explanation.decision;
  out.set_strategy(static_cast<v1::Strategy>(decision.strategy));
  out.set_tier(ToProto(decision.tier));
  out.set_cause(static_cast<v1::Cause>(decision.cause));
  out.set_reason(ReasonOf(decision));
  AddSignals(decision.signals, out);
  if (const Choice* const best = decision.best()) ToProto(best->estimate, *best->slot, *out.mutable_estimate());
  for (const ExplainedCandidate& candidate : explanation.candidates) {
    v1::Candidate& made = *out.add_candidates();
    ToProto(*candidate.slot, detail, *made.mutable_endpoint());
    made.set_rejection(Text(NameOf(candidate.rejection)));
    made.set_detail(candidate.detail);
    made.set_score(candidate.score);
    auto& parts = *made.mutable_parts();
    parts["health"] = candidate.parts.health;
    parts["warmth"] = candidate.parts.warmth;
    parts["load"] = candidate.parts.load;
    parts["latency"] = candidate.parts.latency;
    parts["price"] = candidate.parts.price;
    parts["preference"] = candidate.parts.preference;
  }
  out.set_omitted_candidates(explanation.omitted_candidates);
  if (explanation.hold.has_value()) ToProto(*explanation.hold, *out.mutable_hold());
  out.set_table_fingerprint(snapshot.table_fingerprint());
  out.set_profiles_fingerprint(snapshot.profiles_fingerprint());
  if (decision.role != nullptr) out.set_profile_version(decision.role->version);
  for (const BudgetState* const budget : explanation.budgets) ToProto(*budget, budget->warned(), *out.add_budgets());
}

BudgetSpec FromProto(const v1::Budget& budget, std::string_view prefix, std::vector<FieldViolation>& faults) {
  BudgetSpec out{.name = budget.name(),
                 .project = budget.project(),
                 .provider = budget.provider(),
                 .model = budget.model(),
                 .limit_micros = budget.limit_micros(),
                 .warn_percent = budget.warn_percent()};
  const std::string at = prefix.empty() ? "" : absl::StrCat(ToAbsl(prefix), ".");
  if (budget.period() < v1::BUDGET_PERIOD_HOUR || budget.period() > v1::BUDGET_PERIOD_MONTH) {
    faults.push_back({at + "period", "must be one of HOUR, DAY, WEEK and MONTH"});
  } else {
    out.period = static_cast<BudgetPeriod>(budget.period());
  }
  if (!v1::BudgetPolicy_IsValid(budget.policy())) {
    faults.push_back({at + "policy", "must be one of HOLD, LOCAL_ONLY and REFUSE"});
  } else if (budget.policy() != v1::BUDGET_POLICY_UNSPECIFIED) {
    out.policy = static_cast<BudgetPolicy>(budget.policy());
  }
  return out;
}

void ToProto(const BudgetState& state, bool warned, v1::BudgetState& out) {
  v1::Budget& budget = *out.mutable_budget();
  budget.set_name(state.spec.name);
  budget.set_project(state.spec.project);
  budget.set_provider(state.spec.provider);
  budget.set_model(state.spec.model);
  budget.set_period(static_cast<v1::BudgetPeriod>(state.spec.period));
  budget.set_limit_micros(state.spec.limit_micros);
  budget.set_policy(static_cast<v1::BudgetPolicy>(state.spec.policy));
  budget.set_warn_percent(state.spec.warn_percent == 0 ? 80 : state.spec.warn_percent);
  Set(state.bounds.start, out.mutable_period_start());
  Set(state.bounds.end, out.mutable_period_end());
  out.set_spent_micros(state.spent_micros);
  out.set_held_micros(state.held_micros);
  out.set_warned(warned);
}

void ToProto(const DecisionRecord& record, v1::Decision& out) {
  out.set_decision_id(record.decision.ToString());
  out.set_task_id(record.key.task.ToString());
  out.set_generation(record.key.generation);
  out.set_project(record.project);
  Set(record.create_time, out.mutable_create_time());
  // What cannot be read was written by a newer program, and is left out.
  if (!out.mutable_explanation()->ParseFromString(record.explanation)) out.clear_explanation();
  if (!out.mutable_routing()->ParseFromString(record.routing)) out.clear_routing();
  out.set_state(static_cast<v1::DecisionState>(record.state));
  out.set_outcome(static_cast<task_queue::v1::AttemptOutcome>(record.outcome));
  if (!record.usage.empty() && !out.mutable_usage()->ParseFromString(record.usage)) out.clear_usage();
  out.set_reserved_micros(record.reserved_micros);
  out.set_settled_micros(record.settled_micros);
  out.set_mismatch(record.mismatch);
  if (record.settle_time.has_value()) Set(*record.settle_time, out.mutable_settle_time());
}

std::string Serialize(const Explanation& explanation, const Snapshot& snapshot) {
  v1::Explanation out;
  ToProto(explanation, snapshot, Detail::kBrief, out);
  while (out.candidates_size() > 0 && out.ByteSizeLong() > kMostExplanationBytes) {
    out.mutable_candidates()->RemoveLast();
    out.set_omitted_candidates(out.omitted_candidates() + 1);
  }
  return out.SerializeAsString();
}

RoutedByGeneration RoutedOf(const std::vector<DecisionRecord>& records) {
  RoutedByGeneration routed;
  for (const DecisionRecord& record : records) {
    v1::Routing routing;
    if (record.state == DecisionState::kReleased || !routing.ParseFromString(record.routing)) continue;
    if (!routing.has_endpoint()) continue;
    // Newest first: what was reserved again counts.
    routed.emplace(record.key.generation, RoutedBefore{.model = routing.endpoint().model(),
                                                       .endpoint = routing.endpoint().endpoint(),
                                                       .tier = routing.endpoint().tier(),
                                                       .unused = IsUnused(record)});
  }
  return routed;
}

v1::Routing MakeRouting(const KeptDecision& kept, std::size_t index, const Reach& reach, const RoutingTerms& terms) {
  const Decision& decision = kept.decision;
  v1::Routing out;
  out.set_schema_version(1);
  out.set_decision_id(kept.id.ToString());
  out.set_strategy(static_cast<v1::Strategy>(decision.strategy));
  out.set_tier(ToProto(decision.tier));
  out.set_cause(static_cast<v1::Cause>(decision.cause));
  out.set_reason(ReasonOf(decision));
  AddSignals(decision.signals, out);
  out.set_mismatch_fails(terms.mismatch_fails);
  out.set_least_tokens_per_second(terms.least_tokens_per_second);
  out.set_table_fingerprint(kept.snapshot->table_fingerprint());
  out.set_profiles_fingerprint(kept.snapshot->profiles_fingerprint());
  Set(kept.decide_time, out.mutable_decide_time());
  out.set_local_only(decision.local_only);
  if (decision.role != nullptr) {
    out.set_profile_version(decision.role->version);
    out.set_persona(decision.role->persona);
  }
  if (index >= decision.candidates.size()) return out;
  const Choice& choice = decision.candidates[index];
  if (!choice.fallback_reason.empty()) {
    out.set_fallback(true);
    out.set_fallback_reason(Text(choice.fallback_reason));
  }
  // A later one may be of another kind than the first.
  if (choice.slot->local() && decision.strategy == Strategy::kCloudLlm) out.set_strategy(v1::STRATEGY_LOCAL_LLM);
  if (!choice.slot->local() && decision.strategy == Strategy::kLocalLlm) out.set_strategy(v1::STRATEGY_CLOUD_LLM);
  ToProto(choice, *out.mutable_endpoint());
  ToProto(choice.estimate, *choice.slot, *out.mutable_estimate());
  for (std::size_t next = index + 1; next < decision.candidates.size(); ++next) {
    const Slot& slot = *decision.candidates[next].slot;
    if (!reach.Has(slot) || (decision.local_only && !slot.local())) continue;
    if (out.fallbacks_size() == terms.fallbacks) break;
    v1::Alternative& fallback = *out.add_fallbacks();
    fallback.set_endpoint(slot.endpoint->name);
    fallback.set_model(slot.placed->model);
  }
  if (out.fallbacks_size() > 0) Set(PatienceWith(*choice.slot), out.mutable_fallback_after());
  return out;
}

std::string ReasonOf(mr::RefusalReason reason) {
  switch (reason) {
    case mr::REFUSAL_REASON_ENDPOINT_NOT_FOUND:
      return "ENDPOINT_GONE";
    case mr::REFUSAL_REASON_ENDPOINT_CLOSED:
      return "ENDPOINT_CLOSED";
    case mr::REFUSAL_REASON_RATE_LIMITED:
      return "RATE_LIMITED";
    case mr::REFUSAL_REASON_NO_CAPACITY:
      return "NO_CAPACITY";
    case mr::REFUSAL_REASON_MODEL_ABSENT:
      return "MODEL_ABSENT";
    case mr::REFUSAL_REASON_MODEL_DISABLED:
      return "MODEL_DISABLED";
    default:
      return "REFUSED";
  }
}

std::string ToPageToken(const DecisionRecord& last) {
  return absl::StrCat(absl::ToUnixMicros(last.create_time), ".", last.decision.ToString());
}

absl::Status FromPageToken(const std::string& token, DecisionQuery& query) {
  if (token.empty()) return absl::OkStatus();
  const std::size_t dot = token.find('.');
  std::int64_t micros = 0;
  if (dot != std::string::npos && absl::SimpleAtoi(token.substr(0, dot), &micros)) {
    if (const absl::StatusOr<DecisionId> id = DecisionId::Parse(token.substr(dot + 1)); id.ok()) {
      query.before_time = absl::FromUnixMicros(micros);
      query.before = *id;
      return absl::OkStatus();
    }
  }
  return InvalidFields({{.field = "page_token", .description = "is not one of ours"}});
}

}  // namespace switchyard::router
