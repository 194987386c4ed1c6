#include "services/agent_hub/route_convert.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/agent_hub/channel_convert.h"
#include "services/agent_hub/report_lane.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;
namespace rv1 = router::v1;
namespace tv1 = task_queue::v1;

constexpr std::size_t kReportBytes = 16u << 10;
constexpr std::size_t kTextBytes = 1'000;

}  // namespace

std::optional<rv1::RouteOutcome> ToOutcome(const av1::Report& report) {
  rv1::RouteOutcome outcome;
  const std::string* told = nullptr;
  switch (report.report_case()) {
    case av1::Report::kComplete:
      outcome.set_outcome(tv1::ATTEMPT_OUTCOME_SUCCEEDED);
      told = &report.complete().route_report();
      break;
    case av1::Report::kFail:
      outcome.set_outcome(tv1::ATTEMPT_OUTCOME_FAILED);
      outcome.set_failure_reason(report.fail().failure().reason());
      told = &report.fail().route_report();
      break;
    case av1::Report::kReleased:
      outcome.set_outcome(tv1::ATTEMPT_OUTCOME_RELEASED);
      told = &report.released().route_report();
      break;
    case av1::Report::kReject:
      if (!report.reject().routed()) return std::nullopt;
      outcome.set_outcome(tv1::ATTEMPT_OUTCOME_REJECTED);
      break;
    default:
      return std::nullopt;
  }
  if (told != nullptr) {
    rv1::RouteReport route;
    if (told->empty() || told->size() > kReportBytes || !route.ParseFromString(*told)) return std::nullopt;
    if (route.has_usage()) outcome.mutable_usage()->Swap(route.mutable_usage());
    outcome.mutable_observations()->Swap(route.mutable_observations());
  }
  outcome.set_task_id(report.task_id());
  outcome.set_generation(report.generation());
  return outcome;
}

rv1::GrantRouteRequest ToGrantRequest(const AgentId& agent, const RouteAsked& asked) {
  const av1::RouteRequest& said = static_cast<const RouteAskedBody&>(*asked.body).request;
  rv1::GrantRouteRequest request;
  request.set_task_id(asked.ref.task.ToString());
  request.set_generation(asked.ref.generation);
  // What is none is left out: the router does without.
  if (!request.mutable_observation()->ParseFromString(said.observation())) request.clear_observation();
  request.set_reason(said.reason());
  request.set_agent_id(agent.ToString());
  for (const std::string& offered : asked.offered) request.add_offered(offered);
  return request;
}

std::pair<RouteGranted, Body> FromGrant(std::int64_t request, const absl::StatusOr<rv1::GrantRouteResponse>& answer) {
  RouteGranted granted{.request = request, .routing = "", .refusal = "", .message = ""};
  if (!answer.ok()) {
    const std::string reason = ReasonOf(answer.status());
    granted.refusal = IsPassing(answer.status()) || reason.empty() ? "ROUTER_UNAVAILABLE" : reason;
    granted.message = std::string(ToStd(answer.status().message()).substr(0, kTextBytes));
    return {std::move(granted), nullptr};
  }
  const rv1::Routing& routing = answer->routing();
  granted.routing = routing.SerializeAsString();
  granted.message = absl::StrCat(routing.endpoint().model(), " at ", routing.endpoint().endpoint());
  auto body = std::make_shared<ReportBody>();
  tv1::RouteChangedReport& changed = *body->report.mutable_route_changed();
  changed.set_routing(granted.routing);
  changed.set_cause(routing.fallback_reason().empty() ? "ROUTE_CHANGED" : routing.fallback_reason());
  changed.set_message(granted.message);
  return {std::move(granted), std::move(body)};
}

}  // namespace switchyard::agent_hub
