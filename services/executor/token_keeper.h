#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/rpc/caller.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::executor {

// Replaces the executor's token before it ends: at two thirds of the time that was left when it was first seen, and 30
// days before at the latest. The new token is in the file before the old one ends. Not thread-safe; blocks.
class TokenKeeper {
 public:
  // Asked for at each look.
  using Hub = std::function<agent::v1::AgentAdminService::StubInterface&()>;

  // `file` is where `caller` takes its token from. `hub` answers a hub that can be reached. All outlive it.
  TokenKeeper(std::string file, Hub hub, const rpc::Caller& caller)
      : file_(std::move(file)), hub_(std::move(hub)), caller_(caller) {}

  // One look; the wait until the next one. Failures are logged and tried again.
  absl::Duration Tick();

 private:
  absl::Status Renew(agent::v1::AgentAdminService::StubInterface& hub, absl::Time expires);

  const std::string file_;
  const Hub hub_;
  const rpc::Caller& caller_;
  // Of the token that `renew_at_` belongs to.
  absl::Time expires_ = absl::InfinitePast();
  absl::Time renew_at_ = absl::InfiniteFuture();
};

}  // namespace switchyard::executor
