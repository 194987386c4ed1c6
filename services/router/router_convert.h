// Between the contract and the domain, nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "services/router/decide.h"
#include "services/router/facts_convert.h"
#include "services/router/kept_decisions.h"
#include "services/router/route_store.h"
#include "switchyard/router/v1/router_service.pb.h"
#include "switchyard/router/v1/routing.pb.h"

namespace switchyard::router {

enum class Detail {
  // All that a call needs.
  kWhole,
  // What names it, for records.
  kBrief,
};

void ToProto(const Slot& slot, Detail detail, v1::RoutedEndpoint& out);
void ToProto(const Choice& choice, v1::RoutedEndpoint& out);
void ToProto(const Estimate& estimate, const Slot& slot, v1::Estimate& out);
void ToProto(const Hold& hold, v1::RouteHold& out);
void ToProto(const KeptDecision& kept, v1::RouteDecision& out);
void ToProto(const Explanation& explanation, const Snapshot& snapshot, Detail detail, v1::Explanation& out);
// Faults are added for what has no counterpart in the domain; the rest is the rules' to check.
BudgetSpec FromProto(const v1::Budget& budget, std::string_view prefix, std::vector<FieldViolation>& faults);
void ToProto(const BudgetState& state, bool warned, v1::BudgetState& out);
void ToProto(const DecisionRecord& record, v1::Decision& out);

// How an explanation is stored: at most this many bytes, the candidates nearest to being chosen first.
inline constexpr std::size_t kMostExplanationBytes = 32 * 1024;
std::string Serialize(const Explanation& explanation, const Snapshot& snapshot);

// What assignments of a task were routed to, as stored.
RoutedByGeneration RoutedOf(const std::vector<DecisionRecord>& records);

// What every assignment is told besides its endpoint.
struct RoutingTerms {
  int fallbacks = 3;
  bool mismatch_fails = true;
  double least_tokens_per_second = 0;
};

// What the assignment runs on: the candidate at `index`, and those after it that `reach` has to follow. Without
// candidates no model is involved.
v1::Routing MakeRouting(const KeptDecision& kept, std::size_t index, const Reach& reach, const RoutingTerms& terms);

// "ENDPOINT_CLOSED": of a refusal by the model registry.
std::string ReasonOf(model_registry::v1::RefusalReason reason);

// The position in ListDecisions.
std::string ToPageToken(const DecisionRecord& last);
absl::Status FromPageToken(const std::string& token, DecisionQuery& query);

}  // namespace switchyard::router
