#include "tools/yard/route_view.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "tools/yard/model_view.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;
namespace rt = router::v1;

void Line(std::string& card, std::string_view name, std::string_view value, Tone tone, bool color) {
  if (value.empty()) return;
  const std::string padded = absl::StrCat(ToAbsl(name), std::string(name.size() < 11 ? 11 - name.size() : 1, ' '));
  absl::StrAppend(&card, Paint(padded, Tone::kFaint, color), Paint(OneLine(value), tone, color), "\n");
}

// "$3 / $15": a million tokens in and out.
std::string PriceText(const rt::RoutedEndpoint& endpoint) {
  if (endpoint.free()) return "free";
  const mr::Rates& rates = endpoint.rates();
  if (!rates.has_input() && !rates.has_output()) return "unknown";
  return absl::StrCat(rates.has_input() ? DollarText(rates.input()) : "?", " / ",
                      rates.has_output() ? DollarText(rates.output()) : "?");
}

std::string EstimatedCost(const rt::Estimate& estimate, const rt::RoutedEndpoint* endpoint) {
  if (endpoint == nullptr) return "";
  if (endpoint->free()) return "free";
  if (!estimate.has_cost_micros_upper() && !estimate.has_cost_micros()) return "price unknown";
  if (!estimate.has_cost_micros()) return absl::StrCat("at most ", DollarText(estimate.cost_micros_upper()));
  if (!estimate.has_cost_micros_upper()) return DollarText(estimate.cost_micros());
  return absl::StrCat(DollarText(estimate.cost_micros()), ", at most ", DollarText(estimate.cost_micros_upper()));
}

std::string HoldText(const rt::RouteHold& hold, const ViewTimes& times) {
  std::string text = absl::StrCat(Text(hold.code()), hold.message().empty() ? "" : ": ", hold.message());
  if (hold.permanent()) {
    absl::StrAppend(&text, "; waiting does not help");
  } else if (hold.has_retry_time()) {
    absl::StrAppend(&text, "; asked again ", TimeText(FromProto(hold.retry_time()), times.now, times.form));
  }
  return text;
}

std::string PlaceText(const rt::RoutedEndpoint& endpoint) {
  std::vector<std::string> facts = {Text(endpoint.kind()), endpoint.local() ? "local" : endpoint.provider()};
  if (!endpoint.agent().empty()) facts.push_back(absl::StrCat("through agent ", endpoint.agent()));
  facts.emplace_back(endpoint.warm() ? "loaded" : endpoint.local() ? "not loaded" : "");
  std::erase(facts, "");
  return absl::StrCat(endpoint.model(), " at ", endpoint.endpoint(), facts.empty() ? "" : " (",
                      absl::StrJoin(facts, ", "), facts.empty() ? "" : ")");
}

std::string PartsText(const rt::Candidate& candidate) {
  const std::map<std::string, double> parts(candidate.parts().begin(), candidate.parts().end());
  return absl::StrJoin(parts, " ", [](std::string* out, const auto& part) {
    absl::StrAppend(out, part.first, " ", absl::StrFormat("%.2f", part.second));
  });
}

Table CandidateTable(const rt::Explanation& explanation) {
  Table table;
  table.columns = {{"ENDPOINT"},   {"MODEL"},
                   {"TIER"},       {"WHERE"},
                   {"$ IN / OUT"}, {.title = "SCORE", .right = true},
                   {"VERDICT"},    {.title = "PARTS OF THE SCORE", .wide = true},
                   {"DETAIL"}};
  int place = 0;
  for (const rt::Candidate& candidate : explanation.candidates()) {
    const rt::RoutedEndpoint& endpoint = candidate.endpoint();
    const bool rejected = !candidate.rejection().empty();
    const bool first = !rejected && place++ == 0;
    const std::string verdict = rejected                 ? candidate.rejection()
                                : explanation.has_hold() ? "not now"
                                : first                  ? "chosen"
                                                         : absl::StrCat("fallback ", place - 1);
    const std::string price = PriceText(endpoint);
    table.rows.push_back({{endpoint.endpoint()},
                          {endpoint.model()},
                          {Text(endpoint.tier())},
                          {absl::StrCat(endpoint.local() ? "local" : "cloud", endpoint.warm() ? ", loaded" : "")},
                          {price, price == "unknown" ? Tone::kWaiting : Tone::kNone},
                          {rejected ? "" : absl::StrFormat("%.3f", candidate.score())},
                          {verdict, rejected                           ? Tone::kBad
                                    : first && !explanation.has_hold() ? Tone::kGood
                                                                       : Tone::kFaint},
                          {PartsText(candidate)},
                          {candidate.detail()}});
  }
  return table;
}

std::string AppliesTo(const rt::Budget& budget) {
  std::vector<std::string> parts;
  if (!budget.project().empty()) parts.push_back(absl::StrCat("project ", budget.project()));
  if (!budget.provider().empty()) parts.push_back(absl::StrCat("provider ", budget.provider()));
  if (!budget.model().empty()) parts.push_back(absl::StrCat("model ", budget.model()));
  return parts.empty() ? "everything" : absl::StrJoin(parts, ", ");
}

std::string Signed(std::int64_t micros) {
  return micros < 0 ? absl::StrCat("-", DollarText(-micros)) : DollarText(micros);
}

std::string SpentOf(const rt::Decision& decision) {
  if (decision.state() == rt::DECISION_STATE_HELD) {
    return decision.reserved_micros() > 0 ? absl::StrCat("up to ", DollarText(decision.reserved_micros())) : "";
  }
  if (decision.usage().cost_unknown()) return "price unknown";
  if (decision.settled_micros() > 0) return DollarText(decision.settled_micros());
  return decision.state() == rt::DECISION_STATE_SETTLED && decision.routing().endpoint().free() ? "free" : "";
}

std::string MarksOf(const rt::Decision& decision) {
  std::vector<std::string> marks;
  if (decision.routing().fallback()) {
    marks.push_back(absl::StrCat("FALLBACK (", decision.routing().fallback_reason(), ")"));
  }
  if (decision.mismatch()) marks.push_back(absl::StrCat("MISMATCH (", decision.usage().model(), " answered)"));
  return absl::StrJoin(marks, ", ");
}

Tone ToneOf(rt::DecisionState state) {
  switch (state) {
    case rt::DECISION_STATE_HELD:
      return Tone::kActive;
    case rt::DECISION_STATE_SETTLED:
      return Tone::kGood;
    case rt::DECISION_STATE_EXPIRED:
      return Tone::kBad;
    default:
      return Tone::kFaint;
  }
}

}  // namespace

const rt::RoutedEndpoint* Chosen(const rt::Explanation& explanation) {
  if (explanation.has_hold() || explanation.candidates().empty()) return nullptr;
  const rt::Candidate& first = explanation.candidates(0);
  return first.rejection().empty() ? &first.endpoint() : nullptr;
}

std::string WhyChosen(const rt::Explanation& explanation) {
  if (Chosen(explanation) == nullptr) return "";
  if (explanation.candidates_size() < 2 || !explanation.candidates(1).rejection().empty()) {
    return "the only one that serves it";
  }
  const rt::Candidate& first = explanation.candidates(0);
  const rt::Candidate& second = explanation.candidates(1);
  std::vector<std::pair<double, std::string>> better, worse;
  for (const auto& [name, value] : first.parts()) {
    const auto other = second.parts().find(name);
    const double against = other == second.parts().end() ? 0 : other->second;
    if (std::abs(value - against) < 0.005) continue;
    (value > against ? better : worse)
        .emplace_back(std::abs(value - against), absl::StrFormat("%s (%.2f against %.2f)", name, value, against));
  }
  const auto list = [](std::vector<std::pair<double, std::string>>& parts) {
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    return absl::StrJoin(parts, ", ", [](std::string* out, const auto& part) { out->append(part.second); });
  };
  const std::string who = absl::StrCat(second.endpoint().model(), " at ", second.endpoint().endpoint());
  if (better.empty()) return absl::StrCat("scores no worse than ", who);
  return absl::StrCat("before ", who, " by ", list(better), worse.empty() ? "" : ", in spite of ", list(worse));
}

std::string ExplanationCard(const rt::Explanation& explanation, const ViewTimes& times, const OutputStyle& style) {
  const bool color = style.color;
  std::string card;
  const rt::RoutedEndpoint* const chosen = Chosen(explanation);
  const bool needs_model = explanation.strategy() == rt::STRATEGY_LOCAL_LLM ||
                           explanation.strategy() == rt::STRATEGY_CLOUD_LLM || !explanation.candidates().empty();
  if (explanation.has_hold()) {
    Line(card, "route", "none: it would wait", Tone::kBad, color);
    Line(card, "waits for", HoldText(explanation.hold(), times), Tone::kWaiting, color);
  } else if (chosen != nullptr) {
    Line(card, "route", PlaceText(*chosen), Tone::kGood, color);
    Line(card, "chosen", WhyChosen(explanation), Tone::kNone, color);
  } else {
    Line(card, "route", needs_model ? "none" : "no model is needed", needs_model ? Tone::kBad : Tone::kGood, color);
  }
  Line(card, "strategy", Text(explanation.strategy()), Tone::kNone, color);
  Line(card, "tier", Text(explanation.tier()), Tone::kNone, color);
  Line(card, "cause",
       absl::StrCat(Text(explanation.cause()), explanation.reason().empty() ? "" : ": ", explanation.reason()),
       Tone::kNone, color);
  for (const rt::Signal& signal : explanation.signals()) {
    Line(card, "signal",
         absl::StrCat(
             signal.name(), signal.detail().empty() ? "" : ": ", signal.detail(),
             signal.tier() == mr::MODEL_TIER_UNSPECIFIED ? "" : absl::StrCat(", asks for ", Text(signal.tier()))),
         Tone::kNone, color);
  }
  if (needs_model) {
    const rt::Estimate& estimate = explanation.estimate();
    Line(card, "tokens",
         absl::StrCat("about ", estimate.input_tokens(), " in, at most ", estimate.input_tokens_upper(), "; at most ",
                      estimate.output_tokens_upper(), " out"),
         Tone::kNone, color);
    const std::string cost = EstimatedCost(estimate, chosen);
    Line(card, "cost", cost, cost == "price unknown" ? Tone::kWaiting : Tone::kNone, color);
  }
  std::vector<std::string> decided_by;
  if (!explanation.table_fingerprint().empty()) {
    decided_by.push_back(absl::StrCat("models ", explanation.table_fingerprint()));
  }
  if (!explanation.profiles_fingerprint().empty()) {
    decided_by.push_back(absl::StrCat("roles ", explanation.profiles_fingerprint()));
  }
  if (explanation.profile_version() > 0) {
    decided_by.push_back(absl::StrCat("profile version ", explanation.profile_version()));
  }
  Line(card, "decided by", absl::StrJoin(decided_by, ", "), Tone::kFaint, color);
  const TableStyle table_style = {.wide = style.format == Format::kWide,
                                  .color = color,
                                  .columns = style.format == Format::kWide ? 0 : style.columns};
  if (!explanation.budgets().empty()) {
    absl::StrAppend(&card, "\n", Paint("budgets that apply", Tone::kFaint, color), "\n",
                    RenderTable(BudgetTable(explanation.budgets(), times), table_style));
  }
  if (!explanation.candidates().empty()) {
    absl::StrAppend(&card, "\n", Paint("candidates, best first", Tone::kFaint, color), "\n",
                    RenderTable(CandidateTable(explanation), table_style));
  }
  if (explanation.omitted_candidates() > 0) {
    absl::StrAppend(&card, "and ", explanation.omitted_candidates(), " more that are out\n");
  }
  return card;
}

Table DecisionTable(const google::protobuf::RepeatedPtrField<rt::Decision>& decisions, const ViewTimes& times) {
  Table table;
  table.empty_note = "No decisions.";
  table.columns = {{"WHEN"},
                   {"TASK"},
                   {.title = "GEN", .right = true},
                   {"STATE"},
                   {"TIER"},
                   {"MODEL"},
                   {"ENDPOINT"},
                   {"COST"},
                   {.title = "TOKENS", .wide = true},
                   {.title = "PROJECT", .wide = true},
                   {.title = "OUTCOME", .wide = true},
                   {.title = "REASON", .wide = true},
                   {.title = "ID", .wide = true},
                   {"CAUSE"},
                   {"MARKS"}};
  for (const rt::Decision& decision : decisions) {
    const rt::Routing& routing = decision.routing();
    table.rows.push_back({{TimeText(FromProto(decision.create_time()), times.now, times.form)},
                          {decision.task_id()},
                          {absl::StrCat(decision.generation())},
                          {Text(decision.state()), ToneOf(decision.state())},
                          {Text(routing.tier())},
                          {routing.endpoint().model()},
                          {routing.endpoint().endpoint()},
                          {SpentOf(decision)},
                          {TokensText(decision.usage())},
                          {decision.project()},
                          {Text(decision.outcome())},
                          {routing.reason()},
                          {decision.decision_id()},
                          {Text(routing.cause())},
                          {MarksOf(decision), decision.mismatch() ? Tone::kBad : Tone::kWaiting}});
  }
  return table;
}

Table BudgetTable(const google::protobuf::RepeatedPtrField<rt::BudgetState>& budgets, const ViewTimes& times) {
  Table table;
  table.empty_note = "No budgets: nothing caps what is spent. Add one: yard budget set NAME --limit 5 --per day";
  table.columns = {{"NAME"},
                   {"PER"},
                   {.title = "LIMIT", .right = true},
                   {.title = "SPENT", .right = true},
                   {.title = "HELD", .right = true},
                   {.title = "LEFT", .right = true},
                   {"STATE"},
                   {"WHEN SPENT"},
                   {"ENDS"},
                   {.title = "BEGAN", .wide = true},
                   {.title = "WARNS AT", .wide = true},
                   {"FOR"}};
  for (const rt::BudgetState& state : budgets) {
    const rt::Budget& budget = state.budget();
    const std::int64_t left = budget.limit_micros() - state.spent_micros() - state.held_micros();
    const int warn = budget.warn_percent() == 0 ? 80 : budget.warn_percent();
    const Tone tone = left <= 0 ? Tone::kBad : state.warned() ? Tone::kWaiting : Tone::kGood;
    table.rows.push_back({{budget.name()},
                          {Text(budget.period())},
                          {DollarText(budget.limit_micros())},
                          {DollarText(state.spent_micros())},
                          {DollarText(state.held_micros())},
                          {Signed(left), tone},
                          {left <= 0        ? "SPENT"
                           : state.warned() ? "warned"
                                            : "ok",
                           tone},
                          {Text(budget.policy())},
                          {TimeText(FromProto(state.period_end()), times.now, times.form)},
                          {TimeText(FromProto(state.period_start()), times.now, times.form)},
                          {absl::StrCat(warn, "%")},
                          {AppliesTo(budget)}});
  }
  return table;
}

Table SimulationTable(const std::vector<Simulated>& rows) {
  Table table;
  table.empty_note = "No tasks in the file.";
  table.columns = {{.title = "#", .right = true},
                   {"TIER"},
                   {"CAUSE"},
                   {"MODEL"},
                   {"ENDPOINT"},
                   {"COST"},
                   {.title = "TOKENS", .wide = true, .right = true},
                   {.title = "REASON", .wide = true},
                   {"WAITS FOR"},
                   {"TASK"}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const rt::Explanation& explanation = rows[i].explanation;
    const rt::RoutedEndpoint* const chosen = Chosen(explanation);
    const std::string wait = !rows[i].error.empty()   ? absl::StrCat("error: ", rows[i].error)
                             : explanation.has_hold() ? Text(explanation.hold().code())
                                                      : "";
    table.rows.push_back({{absl::StrCat(i + 1)},
                          {Text(explanation.tier())},
                          {Text(explanation.cause())},
                          {chosen == nullptr ? "" : chosen->model()},
                          {chosen == nullptr ? "" : chosen->endpoint()},
                          {EstimatedCost(explanation.estimate(), chosen)},
                          {absl::StrCat(explanation.estimate().input_tokens())},
                          {explanation.reason()},
                          {wait, rows[i].error.empty() ? Tone::kWaiting : Tone::kBad},
                          {rows[i].title}});
  }
  return table;
}

std::string SimulationSummary(const std::vector<Simulated>& rows) {
  std::map<int, int, std::greater<>> tiers;
  int waits = 0, unknown = 0, errors = 0;
  std::int64_t expected = 0, upper = 0;
  for (const Simulated& row : rows) {
    if (!row.error.empty()) {
      ++errors;
      continue;
    }
    const rt::Explanation& explanation = row.explanation;
    if (explanation.has_hold()) ++waits;
    const rt::RoutedEndpoint* const chosen = Chosen(explanation);
    if (chosen == nullptr) continue;
    ++tiers[static_cast<int>(explanation.tier())];
    if (chosen->free()) continue;
    if (!explanation.estimate().has_cost_micros()) ++unknown;
    expected += explanation.estimate().cost_micros();
    upper += explanation.estimate().cost_micros_upper();
  }
  std::vector<std::string> parts;
  for (const auto& [tier, count] : tiers) {
    const std::string name = Text(static_cast<mr::ModelTier>(tier));
    parts.push_back(absl::StrCat(count, " ", name.empty() ? "of no tier" : name));
  }
  if (waits > 0) parts.push_back(absl::StrCat(waits, " would wait"));
  if (errors > 0) parts.push_back(absl::StrCat(errors, " with an error"));
  std::string text = absl::StrCat(rows.size(), rows.size() == 1 ? " task" : " tasks", parts.empty() ? "" : ": ",
                                  absl::StrJoin(parts, ", "));
  absl::StrAppend(&text, "; ", DollarText(expected), " expected, at most ", DollarText(upper));
  if (unknown > 0) absl::StrAppend(&text, ", and ", unknown, " without a known price");
  return text;
}

}  // namespace switchyard::yard
