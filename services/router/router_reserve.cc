// Reservations: how they are made.
#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/router/proto_time.h"
#include "services/router/route_requests.h"
#include "services/router/router.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;
using Kind = ReserveOutcome::Kind;

// How long a reservation may stand whose capacity is being asked for.
constexpr absl::Duration kUnconfirmed = absl::Seconds(30);
// A spent budget is looked at that much less often than other reasons to wait.
constexpr int kBudgetPatience = 12;
constexpr std::string_view kBudgetSpent = "BUDGET_SPENT";
constexpr std::string_view kNotReached = "AGENT_CANNOT";

v1::HoldCode CodeOf(mr::RefusalReason reason) {
  switch (reason) {
    case mr::REFUSAL_REASON_NO_CAPACITY:
    case mr::REFUSAL_REASON_RATE_LIMITED:
      return v1::HOLD_CODE_NO_CAPACITY;
    case mr::REFUSAL_REASON_ENDPOINT_CLOSED:
      return v1::HOLD_CODE_ENDPOINTS_CLOSED;
    default:
      return v1::HOLD_CODE_NO_MODEL;
  }
}

// Which of two reasons to wait is nearer to running.
int Nearness(v1::HoldCode code) {
  switch (code) {
    case v1::HOLD_CODE_BUDGET_SPENT:
      return 4;
    case v1::HOLD_CODE_NO_CAPACITY:
      return 3;
    case v1::HOLD_CODE_ENDPOINTS_CLOSED:
      return 2;
    case v1::HOLD_CODE_NO_MODEL:
      return 1;
    default:
      return 0;
  }
}

Ending Forgotten(const Reservation& reservation) {
  return {.key = reservation.key, .kind = Ending::Kind::kForgotten, .usage = {}, .decision = reservation.decision};
}

}  // namespace

// An item on its way through the candidates.
struct Router::Pending {
  int index = 0;
  const v1::ReserveItem* item = nullptr;
  RouteKey key;
  KeptDecisionPtr kept;
  Reach reach;
  std::size_t next = 0;
  bool stay_local = false;
  // Why the former candidates were left.
  std::string fallback_reason;
  v1::RouteHold hold;
  // What was put to the store last.
  v1::Routing routing;
  Reservation reservation;
  // What stood under the key already; and whether it was met before.
  Reservation met;
  bool met_before = false;

  // Moves to the next candidate that the agent may use; false when there is none. Work without a model has one.
  bool Advance() {
    const Decision& decision = kept->decision;
    if (decision.candidates.empty()) return next == 0;
    for (; next < decision.candidates.size(); ++next) {
      const Slot& slot = *decision.candidates[next].slot;
      if (stay_local && !slot.local()) continue;
      if (reach.Has(slot)) return true;
      if (fallback_reason.empty()) fallback_reason = kNotReached;
    }
    return false;
  }
  void Prefer(v1::RouteHold other) {
    if (Nearness(other.code()) > Nearness(hold.code())) hold = std::move(other);
  }
};

KeptDecisionPtr Router::DecisionFor(const v1::ReserveItem& item, const absl::StatusOr<TaskReader::KnownPtr>* known,
                                    const RouteView::Now& view, v1::RouteHold* hold) {
  const absl::Time now = Now();
  const absl::StatusOr<DecisionId> id = DecisionId::Parse(item.decision_id());
  const TaskId task = TaskId::Parse(item.task_id()).value_or(TaskId());
  const KeptDecisionPtr kept = id.ok() ? kept_.Find(*id, now) : nullptr;
  if (kept != nullptr && kept->task == task) {
    // Now the agent is known: what it has opens more candidates than any agent would, and they may fare otherwise by
    // now.
    if (!kept->decision.candidates.empty() && !view.stale) {
      KeptDecisionPtr anew = DecideFor(item, kept->id, kept->known, view, nullptr);
      if (anew != nullptr) return anew;
    }
    return kept;
  }
  if (known == nullptr) return nullptr;
  if (!known->ok()) {
    const bool gone = known->status().code() == absl::StatusCode::kNotFound;
    *hold = HoldFor(gone ? v1::HOLD_CODE_TASK_GONE : v1::HOLD_CODE_UNREAD, ToStd(known->status().message()));
    return nullptr;
  }
  if (view.stale && (**known)->facts.kind == WorkKind::kPrompt) {
    *hold = HoldFor(v1::HOLD_CODE_REGISTRY_UNKNOWN, "the model registry is away, and what it said last is too old");
    return nullptr;
  }
  // Another replica decided, or this one long ago.
  return DecideFor(item, deps_.ids.New<DecisionId>(), **known, view, hold);
}

KeptDecisionPtr Router::DecideFor(const v1::ReserveItem& item, const DecisionId& id, const TaskReader::KnownPtr& known,
                                  const RouteView::Now& view, v1::RouteHold* hold) {
  const absl::Time now = Now();
  const Reach reach = view.snapshot->ReachOf(std::vector<std::string>(item.offered().begin(), item.offered().end()));
  DecideResult decided =
      Decide(known->facts,
             {.snapshot = *view.snapshot, .budgets = *view.budgets, .reach = reach, .now = now, .one_agent = true});
  if (const Hold* const found = std::get_if<Hold>(&decided)) {
    if (hold != nullptr) ToProto(*found, *hold);
    return nullptr;
  }
  return std::make_shared<KeptDecision>(KeptDecision{.id = id,
                                                     .task = TaskId::Parse(item.task_id()).value_or(TaskId()),
                                                     .snapshot = view.snapshot,
                                                     .known = known,
                                                     .decision = std::get<Decision>(std::move(decided)),
                                                     .decide_time = now,
                                                     .valid_until = now});
}

absl::Status Router::AnswerWhatIsHeld(const v1::ReserveRoutesRequest& request, const std::vector<bool>& remembered,
                                      v1::ReserveRoutesResponse& response) {
  std::vector<RouteKey> keys;
  for (int i = 0; i < request.items_size(); ++i) {
    if (!remembered[static_cast<std::size_t>(i)]) {
      keys.push_back(KeyOf(request.items(i).task_id(), request.items(i).generation()));
    }
  }
  SY_ASSIGN_OR_RETURN(const std::vector<FoundReservation> found, deps_.store.Find(keys));
  std::vector<Answered> serving;
  for (const FoundReservation& one : found) {
    if (!one.live || !one.reservation.confirmed) continue;
    for (int i = 0; i < request.items_size(); ++i) {
      const v1::ReserveItem& item = request.items(i);
      if (KeyOf(item.task_id(), item.generation()) == one.reservation.key && Serves(one.reservation, item)) {
        serving.push_back({i, one.reservation});
      }
    }
  }
  return AnswerWith(serving, response);
}

absl::Status Router::AnswerWith(const std::vector<Answered>& serving, v1::ReserveRoutesResponse& response) {
  if (serving.empty()) return absl::OkStatus();
  std::vector<RouteKey> keys;
  for (const Answered& one : serving) keys.push_back(one.held.key);
  SY_ASSIGN_OR_RETURN(const std::vector<Reservation> renewed, deps_.store.Renew(keys, Now() + options_.reservation));
  for (const Reservation& held : renewed) {
    for (const Answered& one : serving) {
      if (one.held.key != held.key || one.held.decision != held.decision) continue;
      response.mutable_results(one.index)->mutable_routing()->ParseFromString(held.routing);
    }
  }
  Extend(renewed);
  return absl::OkStatus();
}

absl::Status Router::Meet(std::vector<Pending>& met, std::vector<Pending>& pending,
                          v1::ReserveRoutesResponse& response) {
  if (met.empty()) return absl::OkStatus();
  std::vector<Answered> serving;
  std::vector<const Pending*> others;
  std::vector<TaskId> tasks;
  for (const Pending& one : met) {
    if (Serves(one.met, *one.item)) {
      serving.push_back({one.index, one.met});
    } else {
      others.push_back(&one);
      tasks.push_back(one.key.task);
    }
  }
  SY_RETURN_IF_ERROR(AnswerWith(serving, response));
  std::vector<Ending> endings;
  const std::vector<absl::StatusOr<task_queue::v1::Task>> read = deps_.tasks.Read(tasks);
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (MayEnd(read[i], others[i]->key.generation)) {
      endings.push_back(Forgotten(others[i]->met));
      continue;
    }
    *response.mutable_results(others[i]->index)->mutable_hold() =
        read[i].ok() ? HoldFor(v1::HOLD_CODE_TASK_GONE, "another agent has it under this generation")
                     : HoldFor(v1::HOLD_CODE_UNREAD, "it is held for another agent, and the task could not be read");
  }
  SY_ASSIGN_OR_RETURN(const EndResult result, End(endings));
  for (std::size_t i = 0; i < result.ended.size(); ++i) deps_.meter.Ended("forgotten", 0);
  ReleaseCapacity(result.ended);
  for (Pending& one : met) {
    v1::ReserveResult& answer = *response.mutable_results(one.index);
    if (answer.result_case() != v1::ReserveResult::RESULT_NOT_SET) continue;
    if (one.met_before) {
      *answer.mutable_hold() = HoldFor(v1::HOLD_CODE_NO_CAPACITY, "it is being reserved by another call");
      continue;
    }
    one.met_before = true;
    pending.push_back(std::move(one));
  }
  return absl::OkStatus();
}

NewReservation Router::ToReservation(Pending& one, const RouteView::Now& view) {
  const absl::Time now = Now();
  const KeptDecision& kept = *one.kept;
  one.routing = MakeRouting(kept, one.next, one.reach, options_.terms);
  if (!one.fallback_reason.empty() && !one.routing.fallback()) {
    one.routing.set_fallback(true);
    one.routing.set_fallback_reason(one.fallback_reason);
  }
  NewReservation made;
  made.project = kept.known->facts.project;
  made.fallback = one.routing.fallback();
  made.explanation = Serialize(
      router::Explain(
          kept.known->facts,
          {.snapshot = *kept.snapshot, .budgets = *view.budgets, .reach = one.reach, .now = now, .one_agent = true}),
      *kept.snapshot);
  Reservation& reservation = made.reservation;
  reservation = {.key = one.key,
                 .decision = kept.id,
                 .decision_time = now,
                 .routing = one.routing.SerializeAsString(),
                 .confirmed = true,
                 .expire_time = now + options_.reservation,
                 .agent = one.item->agent_id()};
  if (one.routing.has_endpoint()) {
    const Choice& choice = kept.decision.candidates[one.next];
    reservation.endpoint_id = choice.slot->endpoint->id.ToString();
    reservation.model = choice.slot->placed->model;
    reservation.micros = choice.estimate.cost_upper.value_or(0);
    reservation.confirmed = false;
    reservation.expire_time = now + kUnconfirmed;
    made.provider = std::string(choice.slot->provider());
    made.canonical_model = std::string(choice.slot->canonical_model());
  }
  one.reservation = reservation;
  return made;
}

void Router::Wait(const Pending& one, v1::ReserveRoutesResponse& response) {
  v1::RouteHold hold = one.hold;
  if (hold.code() == v1::HOLD_CODE_UNSPECIFIED) {
    hold = HoldFor(v1::HOLD_CODE_NO_AGENT_REACHES, "the agent reaches none of the endpoints that would serve it");
  }
  *response.mutable_results(one.index)->mutable_hold() = std::move(hold);
}

absl::Status Router::ReserveCapacity(std::vector<Pending>& wanting, std::vector<Pending>& pending,
                                     std::vector<Pending>& through, v1::ReserveRoutesResponse& response) {
  if (wanting.empty()) return absl::OkStatus();
  mr::ReserveCapacityRequest request;
  for (const Pending& one : wanting) {
    AddItem(one.key, one.reservation.endpoint_id, one.reservation.model, one.kept->known->facts.urgent,
            options_.reservation, request);
  }
  const absl::StatusOr<mr::ReserveCapacityResponse> answer = deps_.capacity.Reserve(request);
  const bool whole = answer.ok() && answer->results_size() == request.items_size();
  std::vector<Ending> forgotten;
  for (std::size_t i = 0; i < wanting.size(); ++i) {
    Pending& one = wanting[i];
    if (!whole) {
      forgotten.push_back(Forgotten(one.reservation));
      one.hold = HoldFor(v1::HOLD_CODE_REGISTRY_UNKNOWN,
                         absl::StrCat("the model registry does not answer: ", answer.status().message()));
      Wait(one, response);
      continue;
    }
    const mr::ReserveResult& result = answer->results(static_cast<int>(i));
    if (result.has_reservation()) {
      through.push_back(std::move(one));
      continue;
    }
    forgotten.push_back(Forgotten(one.reservation));
    const mr::Refusal& refusal = result.refusal();
    v1::RouteHold hold = HoldFor(CodeOf(refusal.reason()), refusal.message());
    if (refusal.has_retry_time() && ToTime(refusal.retry_time()) > Now()) {
      *hold.mutable_retry_time() = refusal.retry_time();
    }
    one.Prefer(std::move(hold));
    one.fallback_reason = ReasonOf(refusal.reason());
    ++one.next;
    pending.push_back(std::move(one));
  }
  return End(forgotten).status();
}

absl::Status Router::ReserveRound(std::vector<Pending>& pending, std::vector<Pending>& through,
                                  v1::ReserveRoutesResponse& response) {
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  std::vector<Pending> trying, wanting, met;
  std::vector<NewReservation> wanted;
  for (Pending& one : pending) {
    if (!one.Advance()) {
      Wait(one, response);
      continue;
    }
    wanted.push_back(ToReservation(one, view));
    trying.push_back(std::move(one));
  }
  pending.clear();
  if (wanted.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const ReserveResult result, deps_.store.Reserve(wanted, Now()));
  deps_.meter.Changed(result.change);
  for (std::size_t i = 0; i < trying.size(); ++i) {
    Pending& one = trying[i];
    const ReserveOutcome& outcome = result.outcomes[i];
    v1::ReserveResult& answer = *response.mutable_results(one.index);
    if (outcome.kind == Kind::kHeld && outcome.held->confirmed) {
      one.met = *outcome.held;
      met.push_back(std::move(one));
    } else if (outcome.kind == Kind::kHeld) {
      *answer.mutable_hold() = HoldFor(v1::HOLD_CODE_NO_CAPACITY, "it is being reserved by another call");
    } else if (outcome.kind == Kind::kReserved && one.reservation.endpoint_id.empty()) {
      deps_.meter.Reserved(one.key, one.routing, false);
      *answer.mutable_routing() = std::move(one.routing);
    } else if (outcome.kind == Kind::kReserved) {
      wanting.push_back(std::move(one));
    } else {
      const BudgetLedger::Refused& refused = outcome.refused;
      v1::RouteHold hold =
          HoldFor(v1::HOLD_CODE_BUDGET_SPENT, absl::StrCat("budget ", refused.budget, " leaves too little"));
      const absl::Time patience = Now() + kBudgetPatience * deps_.view.rules().hold;
      Set(std::min(refused.period_end, patience), hold.mutable_retry_time());
      hold.set_permanent(refused.policy == BudgetPolicy::kRefuse);
      one.Prefer(std::move(hold));
      if (refused.policy == BudgetPolicy::kLocalOnly) {
        one.stay_local = true;
        one.fallback_reason = kBudgetSpent;
        ++one.next;
        pending.push_back(std::move(one));
      } else {
        Wait(one, response);
      }
    }
  }
  SY_RETURN_IF_ERROR(Meet(met, pending, response));
  return ReserveCapacity(wanting, pending, through, response);
}

absl::Status Router::Reserve(const v1::ReserveRoutesRequest& request, v1::ReserveRoutesResponse& response) {
  const absl::Time began = deps_.clock.Now();
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  const int count = request.items_size();
  std::vector<KeptDecisionPtr> decisions(static_cast<std::size_t>(count));
  std::vector<bool> remembered(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    response.add_results()->set_task_id(request.items(i).task_id());
    decisions[static_cast<std::size_t>(i)] = DecisionFor(request.items(i), nullptr, view, nullptr);
    remembered[static_cast<std::size_t>(i)] = decisions[static_cast<std::size_t>(i)] != nullptr;
  }
  if (std::find(remembered.begin(), remembered.end(), false) != remembered.end()) {
    SY_RETURN_IF_ERROR(AnswerWhatIsHeld(request, remembered, response));
    std::vector<TaskReader::Question> questions;
    std::vector<int> asked;
    for (int i = 0; i < count; ++i) {
      if (remembered[static_cast<std::size_t>(i)] || response.results(i).has_routing()) continue;
      const v1::ReserveItem& item = request.items(i);
      questions.push_back({TaskId::Parse(item.task_id()).value_or(TaskId()), item.generation() - 1});
      asked.push_back(i);
    }
    const std::vector<absl::StatusOr<TaskReader::KnownPtr>> known = deps_.reader.Read(questions);
    for (std::size_t k = 0; k < asked.size(); ++k) {
      v1::RouteHold hold;
      KeptDecisionPtr decision = DecisionFor(request.items(asked[k]), &known[k], view, &hold);
      if (decision == nullptr) *response.mutable_results(asked[k])->mutable_hold() = std::move(hold);
      decisions[static_cast<std::size_t>(asked[k])] = std::move(decision);
    }
  }

  std::vector<Pending> pending, through;
  for (int i = 0; i < count; ++i) {
    KeptDecisionPtr& decision = decisions[static_cast<std::size_t>(i)];
    if (decision == nullptr || response.results(i).result_case() != v1::ReserveResult::RESULT_NOT_SET) continue;
    const v1::ReserveItem& item = request.items(i);
    Pending& one = pending.emplace_back();
    one.index = i;
    one.item = &item;
    one.key = KeyOf(item.task_id(), item.generation());
    one.kept = std::move(decision);
    one.reach = one.kept->snapshot->ReachOf(std::vector<std::string>(item.offered().begin(), item.offered().end()));
  }
  while (!pending.empty()) SY_RETURN_IF_ERROR(ReserveRound(pending, through, response));

  std::vector<Reservation> made;
  for (const Pending& one : through) made.push_back(one.reservation);
  SY_ASSIGN_OR_RETURN(const std::vector<RouteKey> lost, deps_.store.Confirm(made, Now() + options_.reservation));
  for (Pending& one : through) {
    if (std::find(lost.begin(), lost.end(), one.key) != lost.end()) {
      *response.mutable_results(one.index)->mutable_hold() =
          HoldFor(v1::HOLD_CODE_ERROR, "the reservation ended before it was whole");
      continue;
    }
    deps_.meter.Reserved(one.key, one.routing, false);
    *response.mutable_results(one.index)->mutable_routing() = std::move(one.routing);
  }
  for (const v1::ReserveResult& result : response.results()) {
    if (result.has_hold()) deps_.meter.Held("reserve", result.hold().code());
  }
  deps_.meter.Reserving(deps_.clock.Now() - began);
  return absl::OkStatus();
}

}  // namespace switchyard::router
