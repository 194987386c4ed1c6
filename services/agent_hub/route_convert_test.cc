#include "services/agent_hub/route_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libs/base/status.h"
#include "services/agent_hub/channel_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;
namespace tv1 = task_queue::v1;

constexpr char kTask[] = "01890a5d-ac96-774b-bcce-b302099a8057";

av1::Report Ended(const std::string& route_report) {
  av1::Report report;
  report.set_task_id(kTask);
  report.set_generation(3);
  report.mutable_complete()->set_route_report(route_report);
  return report;
}

TEST(RouteConvertTest, TellsTheRouterWhatAnAttemptUsed) {
  router::v1::RouteReport route;
  route.mutable_usage()->set_model("small");
  route.add_observations()->set_endpoint("host-a");
  const auto outcome = ToOutcome(Ended(route.SerializeAsString()));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->task_id(), kTask);
  EXPECT_EQ(outcome->generation(), 3);
  EXPECT_EQ(outcome->outcome(), tv1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(outcome->usage().model(), "small");
  EXPECT_EQ(outcome->observations(0).endpoint(), "host-a");
}

TEST(RouteConvertTest, SaysNothingOfWorkThatHadNoRoute) {
  EXPECT_FALSE(ToOutcome(Ended("")).has_value());
  EXPECT_FALSE(ToOutcome(Ended("\xff\xff no message")).has_value());
  EXPECT_FALSE(ToOutcome(Ended(std::string(17 << 10, ' '))).has_value());
  av1::Report report;
  report.mutable_reject();
  EXPECT_FALSE(ToOutcome(report).has_value());
  report.mutable_reject()->set_routed(true);
  EXPECT_EQ(ToOutcome(report)->outcome(), tv1::ATTEMPT_OUTCOME_REJECTED);
  report.mutable_phase();
  EXPECT_FALSE(ToOutcome(report).has_value());
}

TEST(RouteConvertTest, AGrantIsToldToAgentAndLedgerAndARefusalToTheAgentAlone) {
  router::v1::GrantRouteResponse response;
  response.mutable_routing()->set_fallback_reason("RATE_LIMITED");
  response.mutable_routing()->mutable_endpoint()->set_model("small");
  response.mutable_routing()->mutable_endpoint()->set_endpoint("host-b");
  const auto [granted, changed] = FromGrant(7, response);
  EXPECT_EQ(granted.request, 7);
  EXPECT_EQ(granted.routing, response.routing().SerializeAsString());
  ASSERT_NE(changed, nullptr);
  const tv1::RouteChangedReport& told = static_cast<const ReportBody&>(*changed).report.route_changed();
  EXPECT_EQ(told.cause(), "RATE_LIMITED");
  EXPECT_EQ(told.message(), "small at host-b");
  EXPECT_EQ(told.routing(), granted.routing);

  const auto [refused, nothing] =
      FromGrant(8, MakeError(absl::StatusCode::kFailedPrecondition, "CHAIN_EXHAUSTED", "no other endpoint"));
  EXPECT_EQ(refused.refusal, "CHAIN_EXHAUSTED");
  EXPECT_EQ(refused.routing, "");
  EXPECT_EQ(nothing, nullptr);
  EXPECT_EQ(FromGrant(9, absl::UnavailableError("away")).first.refusal, "ROUTER_UNAVAILABLE");
}

}  // namespace
}  // namespace switchyard::agent_hub
