// Routes, decisions and budgets as tables and cards.
#pragma once

#include <string>
#include <vector>

#include "switchyard/router/v1/router_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

// Where it goes and why, then every candidate with its score or why it is out.
std::string ExplanationCard(const router::v1::Explanation& explanation, const ViewTimes& times,
                            const OutputStyle& style);
Table DecisionTable(const google::protobuf::RepeatedPtrField<router::v1::Decision>& decisions, const ViewTimes& times);
Table BudgetTable(const google::protobuf::RepeatedPtrField<router::v1::BudgetState>& budgets, const ViewTimes& times);

struct Simulated {
  // As in the file.
  std::string title;
  router::v1::Explanation explanation;
  // Why there is no explanation; may be empty.
  std::string error;
};
Table SimulationTable(const std::vector<Simulated>& rows);
// "3 tasks: 2 small, 1 large; 1 would wait; $0.02 expected, at most $0.10".
std::string SimulationSummary(const std::vector<Simulated>& rows);

// The candidate that would be used; null when none would.
const router::v1::RoutedEndpoint* Chosen(const router::v1::Explanation& explanation);
// Which parts of its score put the first candidate before the second; "" without a choice.
std::string WhyChosen(const router::v1::Explanation& explanation);

}  // namespace switchyard::yard
