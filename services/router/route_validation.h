// What is wrong with requests, by field.
#pragma once

#include <vector>

#include "libs/base/status.h"
#include "switchyard/router/v1/router_service.pb.h"

namespace switchyard::router {

using Violations = std::vector<FieldViolation>;

Violations Validate(const v1::RouteRequest& request);
Violations Validate(const v1::ReserveRoutesRequest& request);
Violations Validate(const v1::ReleaseRoutesRequest& request);
Violations Validate(const v1::RenewRoutesRequest& request);
Violations Validate(const v1::GrantRouteRequest& request);
Violations Validate(const v1::ReportOutcomesRequest& request);
Violations Validate(const v1::ExplainRouteRequest& request);
Violations Validate(const v1::ListDecisionsRequest& request);

}  // namespace switchyard::router
