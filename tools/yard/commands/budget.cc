#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/model_view.h"
#include "tools/yard/paging.h"
#include "tools/yard/route_view.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace rt = router::v1;

void ShowBudgets(Session& session, const google::protobuf::RepeatedPtrField<rt::BudgetState>& budgets, Json whole) {
  Answer answer;
  answer.table = BudgetTable(budgets, session.times());
  answer.whole = std::move(whole);
  for (const rt::BudgetState& state : budgets) {
    answer.items.push_back(ToJson(state));
    answer.names.push_back(state.budget().name());
  }
  session.Show(answer);
}

absl::Status ListBudgetsOnce(Session& session) {
  SY_ASSIGN_OR_RETURN(const rt::ListBudgetsResponse all, session.Call(&RouterStub::ListBudgets, {}));
  Json whole = ToJson(all);
  if (!whole.contains("budgets")) whole["budgets"] = Json::array();
  ShowBudgets(session, all.budgets(), std::move(whole));
  return absl::OkStatus();
}

absl::Status Apply(const Invocation& invocation, rt::Budget& budget) {
  if (invocation.Has("limit")) {
    const std::optional<std::int64_t> micros = ParseDollars(invocation.Get("limit"));
    if (!micros.has_value()) return UsageError("BAD_VALUE", "--limit wants dollars, such as 5.00");
    budget.set_limit_micros(*micros);
  }
  if (invocation.Has("per")) budget.set_period(Parse<rt::BudgetPeriod>(invocation.Get("per")));
  if (invocation.Has("policy")) budget.set_policy(Parse<rt::BudgetPolicy>(invocation.Get("policy")));
  if (invocation.Has("project")) budget.set_project(invocation.Get("project"));
  if (invocation.Has("provider")) budget.set_provider(invocation.Get("provider"));
  if (invocation.Has("model")) budget.set_model(invocation.Get("model"));
  if (const auto percent = invocation.Number("warn")) {
    if (*percent < 1 || *percent > 100) return UsageError("BAD_VALUE", "--warn is a percentage, 1 to 100");
    budget.set_warn_percent(static_cast<int>(*percent));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BudgetSet(Session& session) {
  const Invocation& invocation = session.invocation();
  const std::string& name = invocation.arguments[0];
  SY_ASSIGN_OR_RETURN(const rt::ListBudgetsResponse all, session.Call(&RouterStub::ListBudgets, {}));
  rt::SetBudgetRequest request;
  bool known = false;
  for (const rt::BudgetState& state : all.budgets()) {
    if (state.budget().name() != name) continue;
    *request.mutable_budget() = state.budget();
    known = true;
  }
  if (!known && !(invocation.Has("limit") && invocation.Has("per"))) {
    return UsageError("MISSING_VALUE",
                      absl::StrCat("there is no budget ", name, " yet: a new one wants --limit and --per"),
                      absl::StrCat("yard budget set ", name, " --limit 5.00 --per day"));
  }
  request.mutable_budget()->set_name(name);
  SY_RETURN_IF_ERROR(Apply(invocation, *request.mutable_budget()));
  SY_ASSIGN_OR_RETURN(const rt::SetBudgetResponse set, session.Call(&RouterStub::SetBudget, request));
  google::protobuf::RepeatedPtrField<rt::BudgetState> one;
  *one.Add() = set.state();
  ShowBudgets(session, one, ToJson(set));
  return absl::OkStatus();
}

absl::Status BudgetList(Session& session) { return ListAgainAndAgain(session, ListBudgetsOnce); }

absl::Status BudgetRemove(Session& session) {
  Answer answer;
  answer.whole = {{"removed", Json::array()}};
  absl::Status failure;
  for (const std::string& name : session.invocation().arguments) {
    rt::RemoveBudgetRequest request;
    request.set_name(name);
    failure = session.Call(&RouterStub::RemoveBudget, request, Repeat::kNever).status();
    if (!failure.ok()) break;
    answer.whole["removed"].push_back(name);
    answer.items.push_back({{"removed", name}});
    answer.names.push_back(name);
    absl::StrAppend(&answer.card, "budget ", OneLine(name), " is removed\n");
  }
  if (!answer.names.empty()) session.Show(answer);
  return failure;
}

}  // namespace switchyard::yard
