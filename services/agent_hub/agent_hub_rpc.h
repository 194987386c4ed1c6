#pragma once

#include "libs/rpc/handler.h"
#include "services/agent_hub/live_hub.h"
#include "switchyard/agent/v1/agent_dispatch.grpc.pb.h"
#include "switchyard/agent/v1/agent_hub.grpc.pb.h"

namespace switchyard::agent_hub {

class AgentHubRpc final
    : public agent::v1::AgentHubService::WithRawCallbackMethod_Connect<agent::v1::AgentHubService::Service> {
 public:
  // Borrows both.
  AgentHubRpc(rpc::CallGate& gate, LiveHub& hub, rpc::StreamLimits limits);

  rpc::RawBidiReactor* Connect(grpc::CallbackServerContext* context) override;

 private:
  rpc::Handlers rpc_;
  LiveHub& hub_;
  const rpc::StreamLimits limits_;
  const rpc::Method& connect_ = rpc_.Find("Connect");
};

class AgentDispatchRpc final : public agent::v1::AgentDispatchService::CallbackService {
 public:
  // Borrows both.
  AgentDispatchRpc(rpc::CallGate& gate, LiveHub& hub);

  grpc::ServerWriteReactor<agent::v1::WatchCapacityResponse>* WatchCapacity(
      grpc::CallbackServerContext* context, const agent::v1::WatchCapacityRequest* request) override;
  grpc::ServerUnaryReactor* Dispatch(grpc::CallbackServerContext* context, const agent::v1::DispatchRequest* request,
                                     agent::v1::DispatchResponse* response) override;

 private:
  rpc::Handlers rpc_;
  LiveHub& hub_;
  const rpc::Method& watch_ = rpc_.Find("WatchCapacity");
  const rpc::Method& dispatch_ = rpc_.Find("Dispatch");
};

}  // namespace switchyard::agent_hub
