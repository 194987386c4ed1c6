#include "services/agent_hub/agent_hub_rpc.h"

#include <memory>
#include <utility>

#include "libs/base/status.h"
#include "services/agent_hub/channel_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;

constexpr int kMaxItems = 1'000;
constexpr std::size_t kSchedulerBytes = 200;

}  // namespace

AgentHubRpc::AgentHubRpc(rpc::CallGate& gate, LiveHub& hub, rpc::StreamLimits limits)
    : rpc_(gate, av1::AgentHubService::service_full_name()), hub_(hub), limits_(limits) {}

rpc::RawBidiReactor* AgentHubRpc::Connect(grpc::CallbackServerContext* context) {
  return rpc_.Bidi<av1::AgentMessage, av1::HubMessage>(
      context, connect_, limits_, &Join,
      [this](const rpc::CallContext& call, const std::shared_ptr<AgentStream>& stream) {
        return hub_.Connect(call, stream);
      });
}

AgentDispatchRpc::AgentDispatchRpc(rpc::CallGate& gate, LiveHub& hub)
    : rpc_(gate, av1::AgentDispatchService::service_full_name()), hub_(hub) {}

grpc::ServerWriteReactor<av1::WatchCapacityResponse>* AgentDispatchRpc::WatchCapacity(
    grpc::CallbackServerContext* context, const av1::WatchCapacityRequest* request) {
  return rpc_.Stream<av1::WatchCapacityResponse>(
      context, watch_, request, rpc::StreamLimits{},
      [this](const rpc::CallContext&, const av1::WatchCapacityRequest& request,
             std::shared_ptr<CapacityStream> stream) -> absl::Status {
        if (request.scheduler_id().empty() || request.scheduler_id().size() > kSchedulerBytes) {
          return InvalidFields({{.field = "scheduler_id", .description = "1 to 200 bytes"}});
        }
        return hub_.Watch(std::move(stream));
      });
}

grpc::ServerUnaryReactor* AgentDispatchRpc::Dispatch(grpc::CallbackServerContext* context,
                                                     const av1::DispatchRequest* request,
                                                     av1::DispatchResponse* response) {
  return rpc_.Unary(context, dispatch_, request, response,
                    [this](const rpc::CallContext&, const av1::DispatchRequest& request,
                           av1::DispatchResponse& response, rpc::Done done) {
                      if (request.items().empty() || request.items_size() > kMaxItems) {
                        return done(InvalidFields({{.field = "items", .description = "1 to 1,000"}}));
                      }
                      // gRPC made the request for this call alone; specifications are moved out of it.
                      hub_.Dispatch(const_cast<av1::DispatchRequest&>(request), response);
                      done(absl::OkStatus());
                    });
}

}  // namespace switchyard::agent_hub
