#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/base/status.h"
#include "libs/rpc/handler.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::yard {

// A router in memory, as far as the commands of yard can tell it from the real one. Used by one call at a time.
class FakeRouter final : public router::v1::RouterService::CallbackService {
 public:
  explicit FakeRouter(rpc::CallGate& gate) : rpc_(gate, router::v1::RouterService::service_full_name()) {}

  // What every ExplainRoute answers, unless `explain_error` is set.
  router::v1::Explanation explanation;
  absl::Status explain_error;
  std::vector<router::v1::ExplainRouteRequest> explained;
  std::vector<router::v1::Decision> decisions;
  std::vector<router::v1::ListDecisionsRequest> listed;
  std::map<std::string, router::v1::BudgetState> budgets;

  grpc::ServerUnaryReactor* ExplainRoute(grpc::CallbackServerContext* context,
                                         const router::v1::ExplainRouteRequest* request,
                                         router::v1::ExplainRouteResponse* response) override {
    return Answer("ExplainRoute", context, request, response, [this](const auto& request, auto& response) {
      explained.push_back(request);
      *response.mutable_explanation() = explanation;
      // As an instruction that cannot be routed.
      if (request.spec().prompt().instruction() == "bad") {
        return InvalidFields({{"spec.prompt.instruction", "it is bad"}});
      }
      return explain_error;
    });
  }
  // Pages of two, so that readers must go on.
  grpc::ServerUnaryReactor* ListDecisions(grpc::CallbackServerContext* context,
                                          const router::v1::ListDecisionsRequest* request,
                                          router::v1::ListDecisionsResponse* response) override {
    return Answer("ListDecisions", context, request, response, [this](const auto& request, auto& response) {
      listed.push_back(request);
      const std::size_t first = request.page_token().empty() ? 0 : std::stoul(request.page_token());
      for (std::size_t i = first; i < decisions.size() && i < first + 2; ++i) *response.add_decisions() = decisions[i];
      if (first + 2 < decisions.size()) response.set_next_page_token(std::to_string(first + 2));
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* SetBudget(grpc::CallbackServerContext* context, const router::v1::SetBudgetRequest* request,
                                      router::v1::SetBudgetResponse* response) override {
    return Answer("SetBudget", context, request, response, [this](const auto& request, auto& response) {
      router::v1::BudgetState& state = budgets[request.budget().name()];
      *state.mutable_budget() = request.budget();
      *response.mutable_state() = state;
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* RemoveBudget(grpc::CallbackServerContext* context,
                                         const router::v1::RemoveBudgetRequest* request,
                                         router::v1::RemoveBudgetResponse* response) override {
    return Answer("RemoveBudget", context, request, response, [this](const auto& request, auto&) -> absl::Status {
      if (budgets.erase(request.name()) > 0) return absl::OkStatus();
      return MakeError(absl::StatusCode::kNotFound, "BUDGET_NOT_FOUND", "there is no budget " + request.name());
    });
  }
  grpc::ServerUnaryReactor* ListBudgets(grpc::CallbackServerContext* context,
                                        const router::v1::ListBudgetsRequest* request,
                                        router::v1::ListBudgetsResponse* response) override {
    return Answer("ListBudgets", context, request, response, [this](const auto&, auto& response) {
      for (const auto& [name, state] : budgets) *response.add_budgets() = state;
      return absl::OkStatus();
    });
  }

 private:
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Answer(const char* method, grpc::CallbackServerContext* context, const Request* request,
                                   Response* response, Work work) {
    return rpc_.Unary(context, rpc_.Find(method), request, response,
                      [work](const rpc::CallContext&, const Request& request, Response& response, rpc::Done done) {
                        done(work(request, response));
                      });
  }

  rpc::Handlers rpc_;
};

}  // namespace switchyard::yard
