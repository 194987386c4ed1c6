// Between the contracts of routing and what the back end knows; nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/models/call_outcome.h"
#include "services/executor/models/model_call.h"
#include "services/executor/models/route.h"

namespace switchyard::executor::models {

// From a serialised Routing. FAILED_PRECONDITION: reason UNROUTED when there is none, ROUTING_UNKNOWN when it is of
// another version or strategy than this executor knows, or names no model.
absl::StatusOr<Route> ToRoute(std::string_view routing);

// How one call fared.
struct CallRecord {
  std::string endpoint;
  std::string model;
  CallOutcome outcome = CallOutcome::kSuccess;
  absl::Time sent;
  CallTimes times;
  std::optional<absl::Duration> load;
  std::optional<absl::Duration> queue_wait;
  std::int64_t output_tokens = 0;
  std::optional<absl::Duration> retry_after;
  std::string message;
};
CallRecord ToRecord(const Route& route, const CallResult& result);

// What an attempt used, all its calls together.
struct Spent {
  std::string model;
  std::int64_t input = 0;
  std::int64_t cached_input = 0;
  std::int64_t cache_write = 0;
  std::int64_t output = 0;
  std::int64_t cost_micros = 0;
  // Some call's counts or rates are not known.
  bool cost_unknown = false;
  bool mismatch = false;
  // Of the last call.
  absl::Duration load;
  absl::Duration first_token;
  absl::Duration generation;
};
void AddTo(Spent& spent, const Route& route, const CallResult& result);

// Serialised: an Observation of at most 4 KiB, a Usage, a RouteReport of at most 16 KiB.
std::string ToObservation(const CallRecord& record);
std::string ToUsage(const Spent& spent, const Route& route);
std::string ToRouteReport(const std::vector<CallRecord>& records, const Spent& spent, const Route& route);

}  // namespace switchyard::executor::models
