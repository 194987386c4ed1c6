#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/rpc/blocking.h"
#include "libs/rpc/handler.h"
#include "services/router/router.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::router {

// Serves the contract: validates and calls. Thread-safe.
class RouterRpc final : public v1::RouterService::CallbackService {
 public:
  struct Deps {
    Router& router;
    // Both stopped before this goes. What goes on from memory while the database is away has threads of its own.
    Executor& routing;
    Executor& blocking;
  };
  RouterRpc(rpc::CallGate& gate, Deps deps);

  grpc::ServerUnaryReactor* Route(grpc::CallbackServerContext* context, const v1::RouteRequest* request,
                                  v1::RouteResponse* response) override;
  grpc::ServerUnaryReactor* ReserveRoutes(grpc::CallbackServerContext* context, const v1::ReserveRoutesRequest* request,
                                          v1::ReserveRoutesResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseRoutes(grpc::CallbackServerContext* context, const v1::ReleaseRoutesRequest* request,
                                          v1::ReleaseRoutesResponse* response) override;
  grpc::ServerUnaryReactor* RenewRoutes(grpc::CallbackServerContext* context, const v1::RenewRoutesRequest* request,
                                        v1::RenewRoutesResponse* response) override;
  grpc::ServerUnaryReactor* GrantRoute(grpc::CallbackServerContext* context, const v1::GrantRouteRequest* request,
                                       v1::GrantRouteResponse* response) override;
  grpc::ServerUnaryReactor* ReportOutcomes(grpc::CallbackServerContext* context,
                                           const v1::ReportOutcomesRequest* request,
                                           v1::ReportOutcomesResponse* response) override;
  grpc::ServerUnaryReactor* GetSnapshot(grpc::CallbackServerContext* context, const v1::GetSnapshotRequest* request,
                                        v1::GetSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ExplainRoute(grpc::CallbackServerContext* context, const v1::ExplainRouteRequest* request,
                                         v1::ExplainRouteResponse* response) override;
  grpc::ServerUnaryReactor* ListDecisions(grpc::CallbackServerContext* context, const v1::ListDecisionsRequest* request,
                                          v1::ListDecisionsResponse* response) override;
  grpc::ServerUnaryReactor* SetBudget(grpc::CallbackServerContext* context, const v1::SetBudgetRequest* request,
                                      v1::SetBudgetResponse* response) override;
  grpc::ServerUnaryReactor* RemoveBudget(grpc::CallbackServerContext* context, const v1::RemoveBudgetRequest* request,
                                         v1::RemoveBudgetResponse* response) override;
  grpc::ServerUnaryReactor* ListBudgets(grpc::CallbackServerContext* context, const v1::ListBudgetsRequest* request,
                                        v1::ListBudgetsResponse* response) override;

 private:
  // Validates, then works on `executor`; `work` is a method of Router on request and response.
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Run(Executor& executor, const rpc::Method& method, grpc::CallbackServerContext* context,
                                const Request* request, Response* response,
                                absl::Status (Router::*work)(const Request&, Response&));

  rpc::Handlers rpc_;
  const Deps deps_;
  const rpc::Method& route_ = rpc_.Find("Route");
  const rpc::Method& reserve_ = rpc_.Find("ReserveRoutes");
  const rpc::Method& release_ = rpc_.Find("ReleaseRoutes");
  const rpc::Method& renew_ = rpc_.Find("RenewRoutes");
  const rpc::Method& grant_ = rpc_.Find("GrantRoute");
  const rpc::Method& report_ = rpc_.Find("ReportOutcomes");
  const rpc::Method& snapshot_ = rpc_.Find("GetSnapshot");
  const rpc::Method& explain_ = rpc_.Find("ExplainRoute");
  const rpc::Method& list_ = rpc_.Find("ListDecisions");
  const rpc::Method& set_budget_ = rpc_.Find("SetBudget");
  const rpc::Method& remove_budget_ = rpc_.Find("RemoveBudget");
  const rpc::Method& list_budgets_ = rpc_.Find("ListBudgets");
};

}  // namespace switchyard::router
