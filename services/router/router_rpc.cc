#include "services/router/router_rpc.h"

#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "services/router/route_validation.h"
#include "services/router/router_convert.h"

namespace switchyard::router {

RouterRpc::RouterRpc(rpc::CallGate& gate, Deps deps)
    : rpc_(gate, v1::RouterService::service_full_name()), deps_(deps) {}

template <class Request, class Response>
grpc::ServerUnaryReactor* RouterRpc::Run(Executor& executor, const rpc::Method& method,
                                         grpc::CallbackServerContext* context, const Request* request,
                                         Response* response, absl::Status (Router::*work)(const Request&, Response&)) {
  return rpc::BlockingUnary(
      rpc_, executor, context, method, request, response,
      [this, work](const rpc::CallContext&, const Request& request, Response& response) -> absl::Status {
        if (Violations faults = Validate(request); !faults.empty()) return InvalidFields(std::move(faults));
        return (deps_.router.*work)(request, response);
      });
}

grpc::ServerUnaryReactor* RouterRpc::Route(grpc::CallbackServerContext* context, const v1::RouteRequest* request,
                                           v1::RouteResponse* response) {
  return Run(deps_.routing, route_, context, request, response, &Router::Route);
}

grpc::ServerUnaryReactor* RouterRpc::ReserveRoutes(grpc::CallbackServerContext* context,
                                                   const v1::ReserveRoutesRequest* request,
                                                   v1::ReserveRoutesResponse* response) {
  return Run(deps_.blocking, reserve_, context, request, response, &Router::Reserve);
}

grpc::ServerUnaryReactor* RouterRpc::ReleaseRoutes(grpc::CallbackServerContext* context,
                                                   const v1::ReleaseRoutesRequest* request,
                                                   v1::ReleaseRoutesResponse* response) {
  return Run(deps_.blocking, release_, context, request, response, &Router::Release);
}

grpc::ServerUnaryReactor* RouterRpc::RenewRoutes(grpc::CallbackServerContext* context,
                                                 const v1::RenewRoutesRequest* request,
                                                 v1::RenewRoutesResponse* response) {
  return Run(deps_.blocking, renew_, context, request, response, &Router::Renew);
}

grpc::ServerUnaryReactor* RouterRpc::GrantRoute(grpc::CallbackServerContext* context,
                                                const v1::GrantRouteRequest* request,
                                                v1::GrantRouteResponse* response) {
  return Run(deps_.blocking, grant_, context, request, response, &Router::Grant);
}

grpc::ServerUnaryReactor* RouterRpc::ReportOutcomes(grpc::CallbackServerContext* context,
                                                    const v1::ReportOutcomesRequest* request,
                                                    v1::ReportOutcomesResponse* response) {
  return Run(deps_.blocking, report_, context, request, response, &Router::Report);
}

grpc::ServerUnaryReactor* RouterRpc::GetSnapshot(grpc::CallbackServerContext* context,
                                                 const v1::GetSnapshotRequest* request,
                                                 v1::GetSnapshotResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.routing, context, snapshot_, request, response,
                            [this](const rpc::CallContext&, const v1::GetSnapshotRequest&,
                                   v1::GetSnapshotResponse& response) { return deps_.router.Snapshot(response); });
}

grpc::ServerUnaryReactor* RouterRpc::ExplainRoute(grpc::CallbackServerContext* context,
                                                  const v1::ExplainRouteRequest* request,
                                                  v1::ExplainRouteResponse* response) {
  return Run(deps_.routing, explain_, context, request, response, &Router::Explain);
}

grpc::ServerUnaryReactor* RouterRpc::ListDecisions(grpc::CallbackServerContext* context,
                                                   const v1::ListDecisionsRequest* request,
                                                   v1::ListDecisionsResponse* response) {
  return Run(deps_.blocking, list_, context, request, response, &Router::List);
}

grpc::ServerUnaryReactor* RouterRpc::SetBudget(grpc::CallbackServerContext* context,
                                               const v1::SetBudgetRequest* request, v1::SetBudgetResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, set_budget_, request, response,
                            [this](const rpc::CallContext& call, const v1::SetBudgetRequest& request,
                                   v1::SetBudgetResponse& response) -> absl::Status {
                              std::vector<FieldViolation> faults;
                              const BudgetSpec budget = FromProto(request.budget(), "budget", faults);
                              for (FieldViolation& fault : FaultsOf(budget, "budget")) {
                                faults.push_back(std::move(fault));
                              }
                              if (!faults.empty()) return InvalidFields(std::move(faults));
                              return deps_.router.SetBudget(budget, call.principal().name, response);
                            });
}

grpc::ServerUnaryReactor* RouterRpc::RemoveBudget(grpc::CallbackServerContext* context,
                                                  const v1::RemoveBudgetRequest* request,
                                                  v1::RemoveBudgetResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, remove_budget_, request, response,
                            [this](const rpc::CallContext&, const v1::RemoveBudgetRequest& request,
                                   v1::RemoveBudgetResponse&) { return deps_.router.RemoveBudget(request.name()); });
}

grpc::ServerUnaryReactor* RouterRpc::ListBudgets(grpc::CallbackServerContext* context,
                                                 const v1::ListBudgetsRequest* request,
                                                 v1::ListBudgetsResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, list_budgets_, request, response,
                            [this](const rpc::CallContext&, const v1::ListBudgetsRequest&,
                                   v1::ListBudgetsResponse& response) { return deps_.router.ListBudgets(response); });
}

}  // namespace switchyard::router
