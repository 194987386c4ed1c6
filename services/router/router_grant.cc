// Reservations: given back, renewed, and moved to another endpoint.
#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/router/chain.h"
#include "services/router/proto_time.h"
#include "services/router/route_requests.h"
#include "services/router/router.h"
#include "services/router/router_errors.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;
using Kind = ReserveOutcome::Kind;

}  // namespace

void Router::ReleaseCapacity(const std::vector<Reservation>& reservations) {
  mr::ReleaseCapacityRequest request;
  for (const Reservation& reservation : reservations) {
    if (reservation.endpoint_id.empty()) continue;
    Fill(reservation, *request.add_keys());
  }
  if (request.keys_size() > 0) deps_.capacity.Release(request);
}

absl::Status Router::Release(const v1::ReleaseRoutesRequest& request, v1::ReleaseRoutesResponse& response) {
  const std::vector<RouteKey> keys = KeysOf(request.keys());
  SY_ASSIGN_OR_RETURN(const std::vector<FoundReservation> found, deps_.store.Find(keys));
  std::vector<TaskId> tasks;
  for (const FoundReservation& one : found) tasks.push_back(one.reservation.key.task);
  const std::vector<absl::StatusOr<task_queue::v1::Task>> read = deps_.tasks.Read(tasks);
  std::vector<Ending> endings;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i].live || !MayEnd(read[i], found[i].reservation.key.generation)) continue;
    endings.push_back({.key = found[i].reservation.key,
                       .kind = Ending::Kind::kReleased,
                       .usage = {},
                       .decision = found[i].reservation.decision});
  }
  SY_ASSIGN_OR_RETURN(const EndResult result, End(endings));
  for (std::size_t i = 0; i < result.ended.size(); ++i) deps_.meter.Ended("released", 0);
  ReleaseCapacity(result.ended);
  response.set_released(static_cast<int>(result.ended.size()));
  return absl::OkStatus();
}

void Router::Extend(const std::vector<Reservation>& reservations) {
  mr::RenewReservationsRequest renew;
  for (const Reservation& reservation : reservations) {
    if (reservation.endpoint_id.empty()) continue;
    Fill(reservation, *renew.add_keys());
  }
  if (renew.keys_size() == 0) return;
  Set(options_.reservation, renew.mutable_hold());
  const absl::StatusOr<mr::RenewReservationsResponse> renewed = deps_.capacity.Renew(renew);
  if (!renewed.ok() || renewed->lost_size() == 0) return;
  // It was away, or lost its memory: what runs takes its place again, if there is one.
  mr::ReserveCapacityRequest again;
  for (const mr::ReservationKey& lost : renewed->lost()) {
    const RouteKey key = KeyOf(lost.task_id(), lost.generation());
    for (const Reservation& reservation : reservations) {
      if (reservation.key != key) continue;
      AddItem(key, reservation.endpoint_id, reservation.model, true, options_.reservation, again);
    }
  }
  if (again.items_size() > 0) deps_.capacity.Reserve(again).IgnoreError();
}

absl::Status Router::Renew(const v1::RenewRoutesRequest& request, v1::RenewRoutesResponse& response) {
  const std::vector<RouteKey> keys = KeysOf(request.keys());
  SY_ASSIGN_OR_RETURN(const std::vector<Reservation> renewed, deps_.store.Renew(keys, Now() + options_.reservation));
  std::set<RouteKey> held;
  for (const Reservation& reservation : renewed) held.insert(reservation.key);
  for (const v1::RouteKey& key : request.keys()) {
    if (held.count(KeyOf(key.task_id(), key.generation())) == 0) *response.add_lost() = key;
  }
  Extend(renewed);
  return absl::OkStatus();
}

absl::StatusOr<mr::ReserveResult> Router::ReserveOne(const RouteKey& key, std::string_view endpoint_id,
                                                     std::string_view model, bool urgent) {
  mr::ReserveCapacityRequest request;
  AddItem(key, endpoint_id, model, urgent, options_.reservation, request);
  SY_ASSIGN_OR_RETURN(const mr::ReserveCapacityResponse answer, deps_.capacity.Reserve(request));
  if (answer.results_size() != 1) return absl::InternalError("the model registry answered something else");
  return answer.results(0);
}

absl::Status Router::Grant(const v1::GrantRouteRequest& request, v1::GrantRouteResponse& response) {
  const RouteKey key = KeyOf(request.task_id(), request.generation());
  SY_ASSIGN_OR_RETURN(const std::vector<FoundReservation> found, deps_.store.Find({&key, 1}));
  v1::Routing held;
  if (found.empty() || !found[0].live || !found[0].reservation.confirmed ||
      !SameAgent(found[0].reservation.agent, request.agent_id()) ||
      !held.ParseFromString(found[0].reservation.routing)) {
    return RouteNotHeld(request.task_id(), request.generation());
  }
  if (!held.has_endpoint()) return GrantRefused("no model is involved");
  const std::string& from = request.observation().endpoint();
  if (!from.empty() && from != held.endpoint().endpoint() && from != held.endpoint().endpoint_id()) {
    // The answer to a former question was lost.
    *response.mutable_routing() = std::move(held);
    return absl::OkStatus();
  }
  SY_ASSIGN_OR_RETURN(const RouteView::Now view, deps_.view.Get());
  if (view.stale) return RegistryUnknown();
  const TaskReader::Question question{key.task, key.generation - 1};
  const auto known = deps_.reader.Read({&question, 1});
  SY_RETURN_IF_ERROR(known.front().status());
  const TaskFacts& facts = (*known.front())->facts;
  const Reach reach =
      view.snapshot->ReachOf(std::vector<std::string>(request.offered().begin(), request.offered().end()));
  HeldRoute route{.endpoint = held.endpoint().endpoint(),
                  .model = held.endpoint().model(),
                  .left = {},
                  .grants = held.grants(),
                  .local_only = held.local_only()};
  for (const v1::Alternative& left : held.left()) route.left.push_back({left.endpoint(), left.model()});
  const absl::Time now = Now();
  GrantResult next =
      NextInChain(facts, route, static_cast<EndpointOutcome>(request.observation().outcome()), request.reason(),
                  {.snapshot = *view.snapshot, .budgets = *view.budgets, .reach = reach, .now = now});
  if (const GrantRefusal* const refusal = std::get_if<GrantRefusal>(&next)) {
    return refusal->code == GrantRefusal::Code::kRefused ? GrantRefused(refusal->message)
                                                         : ChainExhausted(refusal->message);
  }
  router::Grant& grant = std::get<router::Grant>(next);
  KeptDecision kept{.id = found[0].reservation.decision,
                    .task = key.task,
                    .snapshot = view.snapshot,
                    .known = *known.front(),
                    .decision = std::move(grant.decision),
                    .decide_time = now,
                    .valid_until = now};
  std::string refusal = "no endpoint is left";
  for (std::size_t i = 0; i < kept.decision.candidates.size(); ++i) {
    const Choice& choice = kept.decision.candidates[i];
    if (!reach.Has(*choice.slot)) continue;
    const std::string endpoint_id = choice.slot->endpoint->id.ToString();
    SY_ASSIGN_OR_RETURN(const mr::ReserveResult capacity,
                        ReserveOne(key, endpoint_id, choice.slot->placed->model, facts.urgent));
    if (!capacity.has_reservation()) {
      refusal = capacity.refusal().message();
      continue;
    }
    v1::Routing routing = MakeRouting(kept, i, reach, options_.terms);
    routing.set_cause(held.cause());
    routing.set_tier(held.tier());
    routing.set_reason(held.reason());
    *routing.mutable_signals() = held.signals();
    routing.set_fallback(true);
    routing.set_fallback_reason(grant.fallback_reason);
    routing.set_grants(held.grants() + 1);
    *routing.mutable_left() = held.left();
    v1::Alternative& left = *routing.add_left();
    left.set_endpoint(held.endpoint().endpoint());
    left.set_model(held.endpoint().model());
    // What the paid endpoint before a free one may have used is not known yet: its money stays held.
    const std::int64_t before = choice.slot->price.free ? found[0].reservation.micros : 0;
    NewReservation moved{
        .reservation = {.key = key,
                        .decision = kept.id,
                        .decision_time = found[0].reservation.decision_time,
                        .endpoint_id = endpoint_id,
                        .model = choice.slot->placed->model,
                        .micros = before > 0 ? before : choice.estimate.cost_upper.value_or(0),
                        .routing = routing.SerializeAsString(),
                        .confirmed = true,
                        .expire_time = now + options_.reservation,
                        .agent = found[0].reservation.agent},
        .replaces = true,
        .project = facts.project,
        .provider = before > 0 ? held.endpoint().provider() : std::string(choice.slot->provider()),
        .canonical_model = before > 0 ? held.endpoint().canonical_model() : std::string(choice.slot->canonical_model()),
        .fallback = true,
        .explanation = {}};
    const absl::StatusOr<ReserveResult> result = deps_.store.Reserve({&moved, 1}, now);
    const bool stands = result.ok() && result->outcomes[0].kind == Kind::kReserved;
    if (!stands && endpoint_id != found[0].reservation.endpoint_id) ReleaseCapacity({moved.reservation});
    SY_RETURN_IF_ERROR(result.status());
    if (result->outcomes[0].kind == Kind::kNotHeld) return RouteNotHeld(request.task_id(), request.generation());
    if (!stands) {
      refusal = absl::StrCat("budget ", result->outcomes[0].refused.budget, " leaves too little");
      continue;
    }
    deps_.meter.Changed(result->change);
    if (endpoint_id != found[0].reservation.endpoint_id) ReleaseCapacity({found[0].reservation});
    deps_.meter.Reserved(key, routing, true);
    if (request.has_observation() && !from.empty()) {
      mr::ReportObservationsRequest observed;
      *observed.add_observations() = request.observation();
      deps_.capacity.Observe(observed);
    }
    *response.mutable_routing() = std::move(routing);
    return absl::OkStatus();
  }
  return ChainExhausted(refusal);
}

}  // namespace switchyard::router
