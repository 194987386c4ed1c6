#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/telemetry/metrics.h"
#include "services/router/route_store.h"
#include "switchyard/router/v1/router_service.pb.h"
#include "switchyard/router/v1/routing.pb.h"

namespace switchyard::router {

// What the router counts, and what it logs because people should know. Thread-safe.
class RouterMeter {
 public:
  explicit RouterMeter(telemetry::Metrics& metrics);

  void Decided(const v1::RouteDecision& decision);
  // `step`: "route" or "reserve".
  void Held(std::string_view step, v1::HoldCode code);
  void Routed(absl::Duration took, int items);
  void Reserving(absl::Duration took);
  // A reservation stands; `granted` when an executor asked for another endpoint.
  void Reserved(const RouteKey& key, const v1::Routing& routing, bool granted);
  // "settled", "released", "expired", "forgotten".
  void Ended(std::string_view how, std::int64_t micros);
  void Mismatch(const RouteKey& key, const v1::Routing& routing, std::string_view reported);
  void Changed(const BudgetChange& change);
  void Budgets(const std::vector<StoredBudget>& budgets);
  void Holding(std::int64_t reservations);
  void Registry(bool known);

 private:
  telemetry::Family<telemetry::Counter>& decisions_;
  telemetry::Family<telemetry::Counter>& holds_;
  telemetry::Family<telemetry::Counter>& reserved_;
  telemetry::Family<telemetry::Counter>& ended_;
  telemetry::Family<telemetry::Counter>& fallbacks_;
  telemetry::Family<telemetry::Counter>& mismatches_;
  telemetry::Family<telemetry::Counter>& warnings_;
  telemetry::Family<telemetry::Gauge>& budgets_;
  telemetry::Counter& spent_;
  telemetry::Gauge& holding_;
  telemetry::Gauge& registry_;
  telemetry::Histogram& route_time_;
  telemetry::Histogram& route_items_;
  telemetry::Histogram& reserve_time_;
  Mutex mutex_;
  StringSet shown_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router
