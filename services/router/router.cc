#include "services/router/router.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/router/proto_time.h"
#include "services/router/router_errors.h"

namespace switchyard::router {
namespace {

constexpr int kDefaultPage = 50;
constexpr std::size_t kMostPageBytes = 2u << 20;

bool NeedsModel(const TaskFacts& facts) { return facts.kind == WorkKind::kPrompt; }

v1::RouteHold HoldOf(const absl::Status& status, absl::Time retry) {
  const bool gone = status.code() == absl::StatusCode::kNotFound;
  v1::RouteHold hold;
  hold.set_code(gone ? v1::HOLD_CODE_TASK_GONE : v1::HOLD_CODE_UNREAD);
  hold.set_message(gone ? "the task is not known" : absl::StrCat("the task could not be read: ", status.message()));
  Set(retry, hold.mutable_retry_time());
  hold.set_permanent(gone);
  return hold;
}

}  // namespace

Router::Router(Deps deps, RouterOptions options) : deps_(deps), options_(options), kept_(options.kept_decisions) {}

absl::Time Router::Now() const { return absl::FromUnixMicros(absl::ToUnixMicros(deps_.clock.Now())); }

v1::RouteHold Router::HoldFor(v1::HoldCode code, std::string_view message) const {
  v1::RouteHold hold;
  hold.set_code(code);
  hold.set_message(std::string(message));
  Set(Now() + deps_.view.rules().hold, hold.mutable_retry_time());
  return hold;
}

absl::Status Router::Route(const v1::RouteRequest& request, v1::RouteResponse& response) {
  const absl::Time began = deps_.clock.Now();
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  std::vector<std::string> offered(request.offered().begin(), request.offered().end());
  const Reach reach = view.snapshot->ReachOf(offered);
  deps_.view.SetOffered(std::move(offered));
  std::vector<TaskReader::Question> questions;
  for (const v1::RouteItem& item : request.items()) {
    questions.push_back({TaskId::Parse(item.task_id()).value_or(TaskId()), item.generation()});
  }
  const std::vector<absl::StatusOr<TaskReader::KnownPtr>> known = deps_.reader.Read(questions);
  const absl::Time now = Now();
  for (int i = 0; i < request.items_size(); ++i) {
    const absl::StatusOr<TaskReader::KnownPtr>& task = known[static_cast<std::size_t>(i)];
    v1::RouteResult& result = *response.add_results();
    result.set_task_id(request.items(i).task_id());
    if (!task.ok()) {
      *result.mutable_hold() = HoldOf(task.status(), now + deps_.view.rules().hold);
    } else if (!(*task)->queued || (*task)->generation != request.items(i).generation()) {
      *result.mutable_hold() = HoldFor(v1::HOLD_CODE_TASK_GONE, "the task is not waiting any more");
    } else if (view.stale && NeedsModel((*task)->facts)) {
      *result.mutable_hold() =
          HoldFor(v1::HOLD_CODE_REGISTRY_UNKNOWN, "the model registry is away, and what it said last is too old");
    } else {
      DecideResult decided =
          Decide((*task)->facts, {.snapshot = *view.snapshot, .budgets = *view.budgets, .reach = reach, .now = now});
      if (const Hold* const hold = std::get_if<Hold>(&decided)) {
        ToProto(*hold, *result.mutable_hold());
      } else {
        auto kept = std::make_shared<KeptDecision>(KeptDecision{.id = deps_.ids.New<DecisionId>(),
                                                                .task = questions[static_cast<std::size_t>(i)].task,
                                                                .snapshot = view.snapshot,
                                                                .known = *task,
                                                                .decision = std::get<Decision>(std::move(decided)),
                                                                .decide_time = now,
                                                                .valid_until = now + options_.decision});
        ToProto(*kept, *result.mutable_decision());
        kept_.Keep(std::move(kept), now);
      }
    }
    if (result.has_hold()) {
      deps_.meter.Held("route", result.hold().code());
    } else {
      deps_.meter.Decided(result.decision());
    }
  }
  deps_.meter.Routed(deps_.clock.Now() - began, request.items_size());
  return absl::OkStatus();
}

absl::Status Router::Snapshot(v1::GetSnapshotResponse& response) {
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  // Nothing is known is not the same as nothing is there: schedulers keep what they were told last.
  if (view.stale) return RegistryUnknown();
  v1::GetSnapshotResponse listed;
  for (const Slot* const slot : FreeLocalSlots(*view.snapshot)) {
    if (slot->endpoint->capacity > 0) ToProto(*slot, Detail::kWhole, *listed.add_endpoints());
  }
  // What is warm comes and goes, and does not make another snapshot.
  v1::GetSnapshotResponse named = listed;
  for (v1::RoutedEndpoint& endpoint : *named.mutable_endpoints()) endpoint.clear_warm();
  std::string bytes;
  for (const v1::RoutedEndpoint& endpoint : named.endpoints()) absl::StrAppend(&bytes, endpoint.SerializeAsString());
  const absl::Time now = Now();
  {
    MutexLock lock(mutex_);
    if (free_version_ == 0 || bytes != free_endpoints_) {
      // Grows across restarts and, as clocks agree, across replicas.
      free_version_ = std::max(free_version_ + 1, absl::ToUnixMicros(now));
      free_endpoints_ = std::move(bytes);
    }
    listed.set_version(free_version_);
  }
  Set(view.snapshot->time(), listed.mutable_time());
  response = std::move(listed);
  return absl::OkStatus();
}

absl::Status Router::Explain(const v1::ExplainRouteRequest& request, v1::ExplainRouteResponse& response) {
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  TaskFacts facts;
  if (request.has_spec()) {
    facts = FromProto(request.spec(), deps_.words);
  } else {
    SY_ASSIGN_OR_RETURN(const TaskId task, TaskId::Parse(request.task_id()));
    const TaskReader::Question question{task, 0};
    const auto known = deps_.reader.Read({&question, 1});
    SY_RETURN_IF_ERROR(known.front().status());
    facts = (*known.front())->facts;
  }
  const std::vector<std::string> given(request.offered().begin(), request.offered().end());
  const std::vector<std::string> offered = given.empty() ? deps_.view.offered() : given;
  const Reach reach = offered.empty() ? view.snapshot->ReachOfAll() : view.snapshot->ReachOf(offered);
  const Explanation explanation =
      router::Explain(facts, {.snapshot = *view.snapshot, .budgets = *view.budgets, .reach = reach, .now = Now()});
  ToProto(explanation, *view.snapshot, Detail::kWhole, *response.mutable_explanation());
  if (view.stale && NeedsModel(facts)) {
    *response.mutable_explanation()->mutable_hold() =
        HoldFor(v1::HOLD_CODE_REGISTRY_UNKNOWN, "the model registry is away, and what it said last is too old");
  }
  return absl::OkStatus();
}

absl::Status Router::List(const v1::ListDecisionsRequest& request, v1::ListDecisionsResponse& response) {
  const int size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  DecisionQuery query;
  SY_RETURN_IF_ERROR(FromPageToken(request.page_token(), query));
  if (!request.task_id().empty()) {
    SY_ASSIGN_OR_RETURN(const TaskId task, TaskId::Parse(request.task_id()));
    query.task = task;
  }
  query.project = request.project();
  query.model = request.model();
  query.fallbacks_only = request.fallbacks_only();
  query.mismatches_only = request.mismatches_only();
  query.limit = size + 1;
  SY_ASSIGN_OR_RETURN(const std::vector<DecisionRecord> records, deps_.store.ListDecisions(query));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (static_cast<int>(i) == size || (i > 0 && bytes > kMostPageBytes)) {
      response.set_next_page_token(ToPageToken(records[i - 1]));
      break;
    }
    ToProto(records[i], *response.add_decisions());
    bytes += records[i].explanation.size() + records[i].routing.size();
  }
  return absl::OkStatus();
}

absl::Status Router::SetBudget(const BudgetSpec& budget, std::string_view by, v1::SetBudgetResponse& response) {
  SY_ASSIGN_OR_RETURN(const StoredBudget stored,
                      deps_.store.SetBudget(budget, deps_.ids.NewUuid(), options_.max_budgets, by, Now()));
  LogInfo("budget set", {{"budget", budget.name}, {"limit_micros", budget.limit_micros}, {"by", by}});
  ToProto(stored.state, stored.warned, *response.mutable_state());
  return SyncBudgets();
}

absl::Status Router::RemoveBudget(std::string_view name) {
  SY_RETURN_IF_ERROR(deps_.store.RemoveBudget(name));
  LogInfo("budget removed", {{"budget", name}});
  return SyncBudgets();
}

absl::Status Router::ListBudgets(v1::ListBudgetsResponse& response) {
  SY_ASSIGN_OR_RETURN(const std::vector<StoredBudget> budgets, deps_.store.ListBudgets(Now()));
  for (const StoredBudget& budget : budgets) ToProto(budget.state, budget.warned, *response.add_budgets());
  return absl::OkStatus();
}

absl::Status Router::SyncBudgets() {
  SY_ASSIGN_OR_RETURN(const std::vector<StoredBudget> budgets, deps_.store.ListBudgets(Now()));
  SY_ASSIGN_OR_RETURN(const std::int64_t held, deps_.store.CountHeld());
  deps_.meter.Budgets(budgets);
  deps_.meter.Holding(held);
  std::vector<BudgetState> states;
  for (const StoredBudget& budget : budgets) states.push_back(budget.state);
  deps_.view.SetBudgets(std::move(states));
  return absl::OkStatus();
}

}  // namespace switchyard::router
