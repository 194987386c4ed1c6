#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "services/model_registry/host_resources.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::model_registry {

// As far as is of use here: an agent that never spoke, or told of no machine, is nothing.
std::optional<HostReport> ToHostReport(const agent::v1::Agent& agent);

// The agents' machines, from the agent hub, which keeps what each said last also while it is away. Thread-safe.
class AgentHosts {
 public:
  // Borrows the caller. `timeout` is that of each of at most 20 pages of 500 agents; those beyond are left out.
  AgentHosts(const rpc::Caller& caller, absl::Duration timeout) : caller_(caller), timeout_(timeout) {}

  void Connect(std::shared_ptr<grpc::Channel> channel);
  // No call may be made any more.
  void Disconnect();

  // All or nothing. Blocks.
  absl::StatusOr<std::vector<HostReport>> Read();

 private:
  using Stub = agent::v1::AgentAdminService::Stub;

  const rpc::Caller& caller_;
  const absl::Duration timeout_;
  Mutex mutex_;
  // Shared with the call under way.
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::model_registry
