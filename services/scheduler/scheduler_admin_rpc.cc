#include "services/scheduler/scheduler_admin_rpc.h"

#include <memory>
#include <utility>
#include <vector>

#include "libs/base/status.h"

namespace switchyard::scheduler {
namespace {

constexpr int kMaxAgents = 200;

std::vector<FieldViolation> Validate(const v1::ExplainTaskRequest& request) {
  std::vector<FieldViolation> violations;
  if (!TaskId::Parse(request.task_id()).ok()) violations.push_back({"task_id", "is no UUID"});
  if (request.max_agents() < 0 || request.max_agents() > kMaxAgents) {
    violations.push_back({"max_agents", "is not between 0 and 200"});
  }
  return violations;
}

}  // namespace

grpc::ServerUnaryReactor* SchedulerAdminRpc::ExplainTask(grpc::CallbackServerContext* context,
                                                         const v1::ExplainTaskRequest* request,
                                                         v1::ExplainTaskResponse* response) {
  return rpc_.Unary(context, explain_, request, response,
                    [this](const rpc::CallContext& call, const v1::ExplainTaskRequest& request,
                           v1::ExplainTaskResponse& response, rpc::Done done) {
                      if (auto violations = Validate(request); !violations.empty()) {
                        return done(InvalidFields(std::move(violations)));
                      }
                      rpc::CallOptions options = rpc::CallOptions::For(call);
                      options.idempotent = true;
                      // Shared only because std::function must be copyable.
                      const auto answer = std::make_shared<rpc::Done>(std::move(done));
                      scheduler_.Explain(request, options,
                                         [&response, answer](absl::StatusOr<v1::ExplainTaskResponse> explained) {
                                           if (!explained.ok()) return (*answer)(explained.status());
                                           response.Swap(&*explained);
                                           (*answer)(absl::OkStatus());
                                         });
                    });
}

grpc::ServerUnaryReactor* SchedulerAdminRpc::ListShards(grpc::CallbackServerContext* context,
                                                        const v1::ListShardsRequest* request,
                                                        v1::ListShardsResponse* response) {
  return rpc_.Unary(
      context, shards_, request, response,
      [this](const rpc::CallContext&, const v1::ListShardsRequest&, v1::ListShardsResponse& response, rpc::Done done) {
        response = scheduler_.Shards();
        done(absl::OkStatus());
      });
}

}  // namespace switchyard::scheduler
