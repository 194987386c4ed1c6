#include "services/executor/grpc_hub_dialer.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <utility>

#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::executor {
namespace {

// Lives until gRPC is done with it and the stream's user has dropped it.
class Reactor final : public grpc::ClientBidiReactor<agent::v1::AgentMessage, agent::v1::HubMessage> {
 public:
  explicit Reactor(HubStreamEvents& events) : events_(events) {}

  grpc::ClientContext& context() { return context_; }

  // `self` keeps it until OnDone.
  void Begin(agent::v1::AgentHubService::Stub& stub, std::shared_ptr<Reactor> self) {
    self_ = std::move(self);
    stub.async()->Connect(&context_, this);
    // Reads and writes are begun from elsewhere than reactions, until a read fails.
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  void Write(const agent::v1::AgentMessage& message) {
    MutexLock lock(mutex_);
    if (over_ || no_more_writes_) return;
    outgoing_ = message;
    StartWrite(&outgoing_);
  }
  void ReadNext() {
    MutexLock lock(mutex_);
    if (!over_) StartRead(&incoming_);
  }
  void EndWrites() {
    MutexLock lock(mutex_);
    if (over_ || std::exchange(no_more_writes_, true)) return;
    StartWritesDone();
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (ok) return events_.OnMessage(std::move(incoming_));
    {
      MutexLock lock(mutex_);
      over_ = true;
    }
    RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    // When it failed, the read fails too.
    if (ok) events_.OnWritable();
  }
  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Reactor> self = std::move(self_);
    events_.OnEnded(rpc::FromGrpcStatus(status));
  }

 private:
  HubStreamEvents& events_;
  grpc::ClientContext context_;
  agent::v1::HubMessage incoming_;
  agent::v1::AgentMessage outgoing_;
  Mutex mutex_;
  // Nothing may be begun any more.
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_writes_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Reactor> self_;
};

class GrpcHubStream final : public HubStream {
 public:
  explicit GrpcHubStream(std::shared_ptr<Reactor> reactor) : reactor_(std::move(reactor)) {}
  ~GrpcHubStream() override { reactor_->Cancel(); }
  void Write(const agent::v1::AgentMessage& message) override { reactor_->Write(message); }
  void ReadNext() override { reactor_->ReadNext(); }
  void EndWrites() override { reactor_->EndWrites(); }
  void Cancel() override { reactor_->Cancel(); }

 private:
  // Shared with gRPC, which may end later than the user's interest.
  const std::shared_ptr<Reactor> reactor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcHubDialer>> GrpcHubDialer::Create(const std::vector<std::string>& addresses,
                                                                     const rpc::ChannelTls& tls,
                                                                     const rpc::Caller& caller,
                                                                     rpc::TokenSource& tokens) {
  std::vector<Hub> hubs;
  for (const std::string& address : addresses) {
    rpc::ChannelOptions options;
    options.target = address;
    options.tls = tls;
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, rpc::MakeChannel(options));
    Hub hub{.address = address, .channel = std::move(channel)};
    hub.stub = agent::v1::AgentHubService::NewStub(hub.channel);
    hubs.push_back(std::move(hub));
  }
  return std::unique_ptr<GrpcHubDialer>(new GrpcHubDialer(std::move(hubs), caller, tokens));
}

std::unique_ptr<HubStream> GrpcHubDialer::Dial(std::size_t index, HubStreamEvents& events) {
  {
    MutexLock lock(mutex_);
    used_token_ = tokens_.Token();
  }
  auto reactor = std::make_shared<Reactor>(events);
  caller_.Prepare(reactor->context(), absl::InfiniteDuration(), std::nullopt);
  reactor->Begin(*hubs_[index].stub, reactor);
  return std::make_unique<GrpcHubStream>(std::move(reactor));
}

bool GrpcHubDialer::TokenChanged() {
  const std::string now = tokens_.Token();
  MutexLock lock(mutex_);
  return now != used_token_;
}

}  // namespace switchyard::executor
