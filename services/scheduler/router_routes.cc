#include "services/scheduler/router_routes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::scheduler {
namespace {

namespace rv1 = router::v1;

constexpr std::size_t kTextBytes = 1'000;
constexpr absl::Duration kAway = absl::Seconds(5);
constexpr absl::Duration kShortest = absl::Milliseconds(200);
// What only a person can change is looked at now and then all the same.
constexpr absl::Duration kPermanent = absl::Minutes(1);

std::string Line(std::string_view text) { return std::string(text::TruncateUtf8(text, kTextBytes)); }

std::string SummaryOf(const rv1::Routing& routing) {
  std::string text = absl::StrCat(routing.endpoint().model(), " at ", routing.endpoint().endpoint());
  // The router's reason names them where it chose among several.
  if (absl::StrContains(routing.reason(), text)) {
    text = routing.reason();
  } else if (!routing.reason().empty()) {
    absl::StrAppend(&text, ": ", routing.reason());
  }
  if (routing.fallback()) absl::StrAppend(&text, " (FALLBACK: ", routing.fallback_reason(), ")");
  return Line(text);
}

void FillItem(const RouteQuestion& question, rv1::RouteItem& item) {
  item.set_task_id(question.task.ToString());
  item.set_generation(question.generation);
  item.set_retried(question.retried);
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

RouteHold RouterRoutes::ToHold(const rv1::RouteHold& hold) const {
  RouteHold out;
  out.message = Line(hold.message());
  out.crowded = hold.code() == rv1::HOLD_CODE_NO_CAPACITY;
  out.gone = hold.code() == rv1::HOLD_CODE_TASK_GONE;
  if (hold.permanent()) {
    out.retry_after = kPermanent;
  } else if (hold.has_retry_time()) {
    out.retry_after = std::clamp(ToTime(hold.retry_time()) - clock_.Now(), kShortest, kPermanent);
  }
  return out;
}

Route RouterRoutes::ToRoute(const RouteQuestion& question, const rv1::RouteResult& result) {
  Route route;
  if (result.has_hold() && result.hold().code() == rv1::HOLD_CODE_REGISTRY_UNKNOWN) {
    return WithoutRouter(question, absl::UnavailableError(result.hold().message()));
  }
  if (result.has_hold()) {
    route.hold = ToHold(result.hold());
    return route;
  }
  const rv1::RouteDecision& decision = result.decision();
  route.capabilities.assign(decision.needs().begin(), decision.needs().end());
  auto ticket = std::make_shared<RouteTicket>();
  ticket->decision = decision.decision_id();
  ticket->near_hosts.assign(decision.warm_hosts().begin(), decision.warm_hosts().end());
  route.ticket = std::move(ticket);
  return route;
}

Route RouterRoutes::WithoutRouter(const RouteQuestion& question, const absl::Status& status) {
  Route route;
  MutexLock lock(mutex_);
  const bool may_fall_back = question.free_fallback && !question.pinned && snapshot_.endpoints_size() > 0;
  if (!may_fall_back) {
    route.hold = RouteHold{
        .message = Line(absl::StrCat("The router gives no route now (", status.message(), ")",
                                     question.free_fallback ? ", and no free local endpoint is known." : ".")),
        .retry_after = kAway};
    return route;
  }
  rv1::Routing routing;
  routing.set_schema_version(1);
  routing.set_strategy(rv1::STRATEGY_LOCAL_LLM);
  routing.set_cause(rv1::CAUSE_SNAPSHOT);
  *routing.mutable_endpoint() = snapshot_.endpoints(static_cast<int>(turn_++ % snapshot_.endpoints_size()));
  routing.set_tier(routing.endpoint().tier());
  routing.set_reason(absl::StrCat("the router is away; free endpoint of its snapshot ", snapshot_.version()));
  routing.set_fallback(true);
  routing.set_fallback_reason("ROUTER_UNAVAILABLE");
  routing.set_mismatch_fails(true);
  routing.set_local_only(true);
  const absl::Time now = clock_.Now();
  routing.mutable_decide_time()->set_seconds(absl::ToUnixSeconds(now));
  route.capabilities.assign(routing.endpoint().needs().begin(), routing.endpoint().needs().end());
  auto ticket = std::make_shared<RouteTicket>();
  ticket->annotation = routing.SerializeAsString();
  ticket->summary = SummaryOf(routing);
  route.ticket = std::move(ticket);
  meter_.SnapshotRouted();
  return route;
}

void RouterRoutes::Ask(std::vector<RouteQuestion> questions, std::vector<std::string> offered, Answer answer) {
  rv1::RouteRequest request;
  for (const RouteQuestion& question : questions) FillItem(question, *request.add_items());
  request.mutable_offered()->Assign(std::make_move_iterator(offered.begin()), std::make_move_iterator(offered.end()));
  CallRoute(std::move(request), [this, questions = std::move(questions),
                                 answer = std::move(answer)](absl::StatusOr<rv1::RouteResponse> response) {
    if (!response.ok()) LogWarning("tasks could not be routed", {{"status", response.status()}});
    std::vector<Route> routes;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const bool answered = response.ok() && static_cast<int>(i) < response->results_size();
      routes.push_back(answered ? ToRoute(questions[i], response->results(static_cast<int>(i)))
                                : WithoutRouter(questions[i], response.status()));
    }
    answer(std::move(routes));
  });
}

void RouterRoutes::Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) {
  rv1::ReserveRoutesRequest request;
  for (ReserveQuestion& question : questions) {
    rv1::ReserveItem& item = *request.add_items();
    item.set_task_id(question.task.ToString());
    item.set_generation(question.generation);
    item.set_decision_id(std::move(question.decision));
    item.set_agent_id(std::move(question.agent_id));
    for (std::string& offered : question.offered) item.add_offered(std::move(offered));
  }
  CallReserve(std::move(request), [this, count = questions.size(), answer = std::move(answer)](
                                      const absl::StatusOr<rv1::ReserveRoutesResponse>& response) {
    if (!response.ok()) {
      LogWarning("places could not be reserved", {{"status", response.status()}});
      return answer({});
    }
    std::vector<Reserved> out(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (static_cast<int>(i) >= response->results_size()) continue;
      const rv1::ReserveResult& result = response->results(static_cast<int>(i));
      if (result.has_hold()) {
        out[i].hold = ToHold(result.hold());
        continue;
      }
      auto ticket = std::make_shared<RouteTicket>();
      ticket->annotation = result.routing().SerializeAsString();
      ticket->summary = SummaryOf(result.routing());
      out[i].ticket = std::move(ticket);
    }
    answer(std::move(out));
  });
}

void RouterRoutes::Release(std::vector<RouteKey> keys) {
  rv1::ReleaseRoutesRequest request;
  for (const RouteKey& key : keys) {
    rv1::RouteKey& out = *request.add_keys();
    out.set_task_id(key.task.ToString());
    out.set_generation(key.generation);
  }
  CallRelease(std::move(request), [](const absl::StatusOr<rv1::ReleaseRoutesResponse>& response) {
    // Left undone, the reservations end by themselves.
    if (!response.ok()) LogWarning("routes were not released", {{"status", response.status()}});
  });
}

void RouterRoutes::RefreshSnapshot() {
  CallSnapshot([this](absl::StatusOr<rv1::GetSnapshotResponse> response) {
    if (!response.ok()) return;
    MutexLock lock(mutex_);
    snapshot_ = *std::move(response);
  });
}

}  // namespace switchyard::scheduler
