// What came of assignments, as hubs tell it or as the task queue has it.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/router/catalogue_convert.h"
#include "services/router/estimate.h"
#include "services/router/model_match.h"
#include "services/router/proto_time.h"
#include "services/router/route_requests.h"
#include "services/router/router.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;
namespace tq = task_queue::v1;

constexpr int kSweepBatch = 100;
constexpr int kSweepTurns = 50;
// Reservations are looked after when this part of their time is left.
constexpr int kLookAhead = 3;
// How long a replica that looks after a reservation has it to itself.
constexpr absl::Duration kClaim = absl::Seconds(15);

const char* HowOf(Ending::Kind kind) {
  switch (kind) {
    case Ending::Kind::kSettled:
      return "settled";
    case Ending::Kind::kReleased:
      return "released";
    case Ending::Kind::kExpired:
      return "expired";
    case Ending::Kind::kForgotten:
      return "forgotten";
  }
  return "";
}

std::int64_t CostOf(const tq::Usage& usage, const v1::Routing& routing, std::int64_t reserved_micros) {
  if (!usage.cost_unknown() && usage.cost_micros() > 0) return usage.cost_micros();
  if (!routing.has_endpoint()) return 0;
  const v1::RoutedEndpoint& endpoint = routing.endpoint();
  const TokenUse use =
      UseOf(usage.input_tokens(), usage.output_tokens(), usage.cached_input_tokens(), usage.cache_write_tokens());
  const bool counted = usage.input_tokens() > 0 || usage.output_tokens() > 0;
  const std::int64_t known =
      counted
          ? SettlementOf(FromProto(endpoint.free(), endpoint.rates(), endpoint.steps()), use, reserved_micros).micros
          : 0;
  if (!usage.cost_unknown()) return known;
  // Something was used that nobody counted, here or at an endpoint that was left. Of what has expired only the
  // estimate is kept.
  return std::max({known, reserved_micros, routing.estimate().cost_micros_upper()});
}

const tq::Attempt* FindAttempt(const tq::Task& task, std::int64_t generation) {
  const auto attempt = std::find_if(task.history().rbegin(), task.history().rend(),
                                    [&](const tq::Attempt& one) { return one.generation() == generation; });
  return attempt == task.history().rend() ? nullptr : &*attempt;
}

// Nobody speaks of endpoints that the assignment never had.
bool Had(const v1::Routing& routing, const std::string& endpoint) {
  if (!routing.has_endpoint() || endpoint.empty()) return false;
  return endpoint == routing.endpoint().endpoint() || endpoint == routing.endpoint().endpoint_id() ||
         std::any_of(routing.left().begin(), routing.left().end(),
                     [&](const v1::Alternative& left) { return left.endpoint() == endpoint; });
}

// Of what was looked at, unless it was renewed or made anew since.
Ending EndingOf(const Reservation& seen, Ending::Kind kind) {
  return {.key = seen.key, .kind = kind, .usage = {}, .decision = seen.decision, .expire_time = seen.expire_time};
}

}  // namespace

struct Router::Settled {
  Ending ending;
  v1::Routing routing;
};

absl::StatusOr<EndResult> Router::End(const std::vector<Ending>& endings) {
  if (endings.empty()) return EndResult();
  SY_ASSIGN_OR_RETURN(EndResult result, deps_.store.End(endings, Now()));
  deps_.meter.Changed(result.change);
  return result;
}

Router::Settled Router::Settle(const v1::RouteOutcome& outcome, const Reservation& reservation) {
  Settled settled;
  Ending& ending = settled.ending;
  ending = {.key = reservation.key, .kind = Ending::Kind::kSettled, .usage = {}, .decision = reservation.decision};
  if (tq::AttemptOutcome_IsValid(outcome.outcome())) {
    ending.outcome = static_cast<AttemptOutcome>(outcome.outcome());
  }
  if (!settled.routing.ParseFromString(reservation.routing)) settled.routing.Clear();
  if (!outcome.has_usage()) return settled;
  const tq::Usage& usage = outcome.usage();
  const v1::RoutedEndpoint& endpoint = settled.routing.endpoint();
  ending.micros = CostOf(usage, settled.routing, reservation.micros);
  ending.usage = usage.SerializeAsString();
  if (!settled.routing.has_endpoint()) return settled;
  std::vector<std::string> aliases(endpoint.aliases().begin(), endpoint.aliases().end());
  ending.mismatch = usage.model_mismatch() || !IsSameModel(endpoint.model(), usage.model(), aliases);
  return settled;
}

absl::Status Router::Report(const v1::ReportOutcomesRequest& request, v1::ReportOutcomesResponse& response) {
  std::map<RouteKey, const v1::RouteOutcome*> outcomes;
  std::vector<RouteKey> keys;
  for (const v1::RouteOutcome& outcome : request.outcomes()) {
    const RouteKey key = KeyOf(outcome.task_id(), outcome.generation());
    if (outcomes.emplace(key, &outcome).second) keys.push_back(key);
  }
  SY_ASSIGN_OR_RETURN(const std::vector<FoundReservation> found, deps_.store.Find(keys));
  std::map<RouteKey, Settled> settling;
  std::vector<Ending> endings;
  for (const FoundReservation& one : found) {
    const v1::RouteOutcome& outcome = *outcomes.at(one.reservation.key);
    if (!SameAgent(one.reservation.agent, outcome.agent_id())) continue;
    Settled settled = Settle(outcome, one.reservation);
    endings.push_back(settled.ending);
    settling.emplace(one.reservation.key, std::move(settled));
  }
  SY_ASSIGN_OR_RETURN(const EndResult result, End(endings));
  ReleaseCapacity(result.ended);
  mr::ReportObservationsRequest observed;
  for (const Reservation& ended : result.ended) {
    const Settled& settled = settling.at(ended.key);
    const v1::RouteOutcome& outcome = *outcomes.at(ended.key);
    deps_.meter.Ended(HowOf(settled.ending.kind), settled.ending.micros);
    for (const mr::Observation& observation : outcome.observations()) {
      if (Had(settled.routing, observation.endpoint())) *observed.add_observations() = observation;
    }
    if (!settled.routing.has_endpoint() || !outcome.has_usage()) continue;
    const v1::RoutedEndpoint& endpoint = settled.routing.endpoint();
    if (settled.ending.mismatch) {
      deps_.meter.Mismatch(ended.key, settled.routing, outcome.usage().model());
      v1::RouteKey& mismatch = *response.add_mismatches();
      mismatch.set_task_id(ended.key.task.ToString());
      mismatch.set_generation(ended.key.generation);
    } else {
      deps_.view.Learn(endpoint.canonical_model().empty() ? endpoint.model() : endpoint.canonical_model(),
                       settled.routing.estimate().scanned_input_tokens(), outcome.usage().input_tokens());
    }
  }
  if (observed.observations_size() > 0) deps_.capacity.Observe(observed);
  return absl::OkStatus();
}

absl::StatusOr<int> Router::SweepSome() {
  const absl::Time now = Now();
  // Ahead of its end, so that what runs never loses its place.
  SY_ASSIGN_OR_RETURN(const std::vector<Reservation> ending,
                      deps_.store.ClaimEnding(now + options_.reservation / kLookAhead, now, now + kClaim, kSweepBatch));
  std::vector<Ending> endings;
  std::vector<Reservation> asked, running;
  std::vector<TaskId> tasks;
  for (const Reservation& reservation : ending) {
    if (reservation.confirmed) {
      asked.push_back(reservation);
      tasks.push_back(reservation.key.task);
    } else if (reservation.expire_time <= now) {
      // Whoever made it died on the way.
      endings.push_back(EndingOf(reservation, Ending::Kind::kForgotten));
    }
  }
  const std::vector<absl::StatusOr<tq::Task>> read = deps_.tasks.Read(tasks);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Reservation& reservation = asked[i];
    const std::int64_t generation = reservation.key.generation;
    if (!read[i].ok() && read[i].status().code() != absl::StatusCode::kNotFound) continue;
    const tq::Task* const task = read[i].ok() ? &*read[i] : nullptr;
    if (task != nullptr && Runs(*task, generation)) {
      running.push_back(reservation);
      continue;
    }
    if (reservation.expire_time > now) continue;
    const tq::Attempt* const attempt = task == nullptr ? nullptr : FindAttempt(*task, generation);
    if (attempt != nullptr && attempt->has_usage()) {
      v1::RouteOutcome outcome;
      outcome.set_outcome(attempt->outcome());
      *outcome.mutable_usage() = attempt->usage();
      Settled settled = Settle(outcome, reservation);
      settled.ending.expire_time = reservation.expire_time;
      if (settled.ending.mismatch) deps_.meter.Mismatch(reservation.key, settled.routing, attempt->usage().model());
      endings.push_back(settled.ending);
      continue;
    }
    endings.push_back(EndingOf(reservation, Ending::Kind::kExpired));
    if (attempt != nullptr) endings.back().outcome = static_cast<AttemptOutcome>(attempt->outcome());
  }
  SY_ASSIGN_OR_RETURN(const EndResult result, End(endings));
  std::set<RouteKey> ended;
  for (const Reservation& reservation : result.ended) ended.insert(reservation.key);
  for (const Ending& one : endings) {
    // The others were told meanwhile.
    if (ended.count(one.key) > 0) deps_.meter.Ended(HowOf(one.kind), one.micros);
  }
  ReleaseCapacity(result.ended);
  if (!running.empty()) {
    std::vector<RouteKey> keys;
    for (const Reservation& reservation : running) keys.push_back(reservation.key);
    SY_RETURN_IF_ERROR(deps_.store.Renew(keys, Now() + options_.reservation).status());
    Extend(running);
  }
  return static_cast<int>(ending.size());
}

absl::StatusOr<int> Router::Sweep() {
  int all = 0;
  for (int turn = 0; turn < kSweepTurns; ++turn) {
    SY_ASSIGN_OR_RETURN(const int some, SweepSome());
    all += some;
    if (some < kSweepBatch) break;
  }
  return all;
}

}  // namespace switchyard::router
