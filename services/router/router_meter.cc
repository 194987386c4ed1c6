#include "services/router/router_meter.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"

namespace switchyard::router {
namespace {

// "CAUSE_PINNED" as "pinned".
std::string Label(std::string name, std::size_t prefix) {
  name.erase(0, prefix);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}

std::string ModelOf(const v1::RoutedEndpoint& endpoint) {
  return endpoint.canonical_model().empty() ? endpoint.model() : endpoint.canonical_model();
}

}  // namespace

RouterMeter::RouterMeter(telemetry::Metrics& metrics)
    : decisions_(metrics.Counters("switchyard_router_decisions_total", "Routes found, by cause, strategy and model.",
                                  {"cause", "strategy", "model"})),
      holds_(metrics.Counters("switchyard_router_holds_total",
                              "Tasks that got no route or no reservation, by step and reason.", {"step", "code"})),
      reserved_(metrics.Counters("switchyard_router_reservations_total", "Reservations made, by endpoint and model.",
                                 {"endpoint", "model"})),
      ended_(
          metrics.Counters("switchyard_router_reservations_ended_total", "Reservations that ended, by how.", {"how"})),
      fallbacks_(metrics.Counters("switchyard_router_fallbacks_total",
                                  "Reservations of another endpoint than the first choice, by reason.", {"reason"})),
      mismatches_(metrics.Counters("switchyard_router_model_mismatches_total",
                                   "Answers by another model than the one assigned, by endpoint.", {"endpoint"})),
      warnings_(metrics.Counters("switchyard_router_budget_warnings_total",
                                 "How often a budget came near its limit (warned) or above it (exceeded).",
                                 {"budget", "what"})),
      budgets_(metrics.Gauges("switchyard_router_budget_micros",
                              "Of each budget in its present period, in millionths of a US dollar: spent, held, limit.",
                              {"budget", "what"})),
      spent_(metrics.AddCounter("switchyard_router_settled_micros_total",
                                "Settled in all, in millionths of a US dollar.")),
      holding_(metrics.AddGauge("switchyard_router_reservations_held", "Reservations that are held, in all replicas.")),
      registry_(metrics.AddGauge("switchyard_router_registry_known",
                                 "1 while what the model registry said last is new enough to go by.")),
      route_time_(metrics.AddHistogram("switchyard_router_route_seconds", "How long a batch of routes took.",
                                       telemetry::LatencyBuckets())),
      route_items_(metrics.AddHistogram("switchyard_router_route_items", "Tasks of a batch of routes.",
                                        telemetry::CountBuckets())),
      reserve_time_(metrics.AddHistogram("switchyard_router_reserve_seconds", "How long a batch of reservations took.",
                                         telemetry::LatencyBuckets())) {}

void RouterMeter::Decided(const v1::RouteDecision& decision) {
  decisions_
      .With({Label(v1::Cause_Name(decision.cause()), 6), Label(v1::Strategy_Name(decision.strategy()), 9),
             decision.candidates_size() > 0 ? ModelOf(decision.candidates(0)) : ""})
      .Add();
}

void RouterMeter::Held(std::string_view step, v1::HoldCode code) {
  holds_.With({std::string(step), Label(v1::HoldCode_Name(code), 10)}).Add();
}

void RouterMeter::Routed(absl::Duration took, int items) {
  route_time_.Observe(took);
  route_items_.Observe(static_cast<double>(items));
}

void RouterMeter::Reserving(absl::Duration took) { reserve_time_.Observe(took); }

void RouterMeter::Reserved(const RouteKey& key, const v1::Routing& routing, bool granted) {
  if (!granted) reserved_.With({routing.endpoint().endpoint(), ModelOf(routing.endpoint())}).Add();
  if (!routing.fallback()) return;
  fallbacks_.With({Label(routing.fallback_reason(), 0)}).Add();
  LogInfo("a fallback", {{"task_id", key.task.ToString()},
                         {"generation", key.generation},
                         {"endpoint", routing.endpoint().endpoint()},
                         {"model", routing.endpoint().model()},
                         {"reason", routing.fallback_reason()},
                         {"granted", granted}});
}

void RouterMeter::Ended(std::string_view how, std::int64_t micros) {
  ended_.With({std::string(how)}).Add();
  if (micros > 0) spent_.Add(static_cast<std::uint64_t>(micros));
}

void RouterMeter::Mismatch(const RouteKey& key, const v1::Routing& routing, std::string_view reported) {
  mismatches_.With({routing.endpoint().endpoint()}).Add();
  LogWarning("another model answered than the one assigned", {{"task_id", key.task.ToString()},
                                                              {"generation", key.generation},
                                                              {"endpoint", routing.endpoint().endpoint()},
                                                              {"assigned", routing.endpoint().model()},
                                                              {"reported", reported}});
}

void RouterMeter::Changed(const BudgetChange& change) {
  for (const std::string& budget : change.warned) {
    warnings_.With({budget, "warned"}).Add();
    LogWarning("a budget is nearly spent in this period", {{"budget", budget}});
  }
  for (const std::string& budget : change.exceeded) {
    warnings_.With({budget, "exceeded"}).Add();
    LogWarning("a budget is exceeded: requests took more than was estimated", {{"budget", budget}});
  }
}

void RouterMeter::Budgets(const std::vector<StoredBudget>& budgets) {
  StringSet shown;
  for (const StoredBudget& budget : budgets) {
    const std::string& name = budget.state.spec.name;
    budgets_.With({name, "spent"}).Set(static_cast<double>(budget.state.spent_micros));
    budgets_.With({name, "held"}).Set(static_cast<double>(budget.state.held_micros));
    budgets_.With({name, "limit"}).Set(static_cast<double>(budget.state.spec.limit_micros));
    shown.insert(name);
  }
  MutexLock lock(mutex_);
  // Those that were removed are left at nothing.
  for (const std::string& name : shown_) {
    if (shown.contains(name)) continue;
    for (const char* const what : {"spent", "held", "limit"}) budgets_.With({name, what}).Set(0);
  }
  shown_ = std::move(shown);
}

void RouterMeter::Holding(std::int64_t reservations) { holding_.Set(static_cast<double>(reservations)); }
void RouterMeter::Registry(bool known) { registry_.Set(known ? 1 : 0); }

}  // namespace switchyard::router
