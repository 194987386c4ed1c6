// One stream of a SimAgent; only for its sources.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>

#include "tools/benchmarks/sim_agent.h"

namespace switchyard::bench {

// At most one read and one write are under way. gRPC may run reactions inside the calls that start something, so
// nothing is started under a lock. Thread-safe.
class SimAgent::Stream final : public grpc::ClientBidiReactor<av1::AgentMessage, av1::HubMessage> {
 public:
  explicit Stream(SimAgent& agent) : agent_(agent) {}

  // Lives until SimAgent::Over.
  void Begin(const std::shared_ptr<grpc::Channel>& channel, const std::string& token);
  // Says what the agent has to say, unless a message is under way: then that goes on by itself.
  void Pump();
  void SetReading(bool reading);
  // The end follows, also when nothing is read.
  void Cancel();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  // Nothing is started any more; gives back the hold.
  void End();

  SimAgent& agent_;
  grpc::ClientContext context_;
  av1::HubMessage incoming_;
  av1::AgentMessage outgoing_;

  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool read_under_way_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace switchyard::bench
