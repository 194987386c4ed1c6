#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/token_source.h"
#include "services/executor/hub_stream.h"
#include "switchyard/agent/v1/agent_hub.grpc.pb.h"

namespace switchyard::executor {

// Over gRPC, with one channel per address that lives as long as this: drop it only when all streams have ended, on a
// thread of one's own.
class GrpcHubDialer final : public HubDialer {
 public:
  // `caller` carries the token of `tokens`; both outlive it and its streams.
  static absl::StatusOr<std::unique_ptr<GrpcHubDialer>> Create(const std::vector<std::string>& addresses,
                                                               const rpc::ChannelTls& tls, const rpc::Caller& caller,
                                                               rpc::TokenSource& tokens);

  std::size_t addresses() const override { return hubs_.size(); }
  std::string address(std::size_t index) const override { return hubs_[index].address; }
  std::unique_ptr<HubStream> Dial(std::size_t index, HubStreamEvents& events) override;
  bool TokenChanged() override;

  const std::shared_ptr<grpc::Channel>& channel(std::size_t index) const { return hubs_[index].channel; }

 private:
  struct Hub {
    std::string address;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<agent::v1::AgentHubService::Stub> stub;
  };
  GrpcHubDialer(std::vector<Hub> hubs, const rpc::Caller& caller, rpc::TokenSource& tokens)
      : hubs_(std::move(hubs)), caller_(caller), tokens_(tokens) {}

  const std::vector<Hub> hubs_;
  const rpc::Caller& caller_;
  rpc::TokenSource& tokens_;
  Mutex mutex_;
  std::string used_token_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor
