#include "libs/testing/rpc_test_server.h"

#include <cstdlib>
#include <list>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/rpc/channel.h"

namespace switchyard::testing {
namespace {

class NoWaitTimer final : public rpc::Timer {
 public:
  void After(absl::Duration, std::function<void()> then) override {
    alarm_.After(absl::ZeroDuration(), std::move(then));
  }
  void Sleep(absl::Duration) override {}

 private:
  rpc::AlarmTimer alarm_;
};

struct Identity {
  std::unique_ptr<rpc::StringTokenSource> token;
  std::unique_ptr<rpc::Caller> caller;
};

}  // namespace

struct RpcTestServer::State {
  DisciplinedClock own_clock;
  const Clock* clock = nullptr;
  std::unique_ptr<Rng> rng = MakeSeededRng(1);
  NoWaitTimer timer;
  Mutex mutex;
  StringMap<Identity> identities ABSL_GUARDED_BY(mutex);
  std::shared_ptr<grpc::Channel> channel ABSL_GUARDED_BY(mutex);
  std::shared_ptr<grpc::Channel> in_process ABSL_GUARDED_BY(mutex);
};

RpcTestServer::RpcTestServer(rpc::ServerOptions options) : RpcTestServer(std::move(options), nullptr, nullptr) {}

RpcTestServer::RpcTestServer(rpc::ServerOptions options, const Clock* clock, rpc::Authenticator* authenticator)
    : state_(std::make_unique<State>()) {
  state_->clock = clock != nullptr ? clock : &state_->own_clock;
  const std::vector<std::pair<std::string, rpc::Scope>> known = {{"admin", options::v1::SCOPE_ADMIN},
                                                                 {"submit", options::v1::SCOPE_SUBMIT},
                                                                 {"read", options::v1::SCOPE_READ},
                                                                 {"service", options::v1::SCOPE_SERVICE},
                                                                 {"agent", options::v1::SCOPE_AGENT}};
  for (const auto& [name, scope] : known) {
    authenticator_.Add(name + "-token", {.id = name, .name = name, .scopes = {scope}});
  }
  server_ = std::make_unique<rpc::Server>(
      std::move(options), rpc::ServerDeps{.clock = *state_->clock,
                                          .rng = *state_->rng,
                                          .metrics = metrics_,
                                          .authenticator = authenticator != nullptr ? *authenticator : authenticator_});
}

RpcTestServer::~RpcTestServer() { Stop(); }

rpc::ServerOptions RpcTestServer::Options() {
  rpc::ServerOptions options;
  options.drain_delay = absl::ZeroDuration();
  options.drain_deadline = absl::Seconds(1);
  return options;
}

void RpcTestServer::Start() {
  const absl::Status status = server_->Start();
  if (status.ok()) return;
  LogError("the test server cannot start", {{"error", status}});
  std::abort();
}

void RpcTestServer::Stop() {
  server_->Stop();
  server_->StopInProcess();
  MutexLock lock(state_->mutex);
  state_->channel = nullptr;
  state_->in_process = nullptr;
}

std::shared_ptr<grpc::Channel> RpcTestServer::channel() {
  MutexLock lock(state_->mutex);
  if (state_->channel == nullptr) {
    rpc::ChannelOptions options;
    options.target = server_->address();
    absl::StatusOr<std::shared_ptr<grpc::Channel>> made = rpc::MakeChannel(options);
    if (!made.ok()) std::abort();
    state_->channel = *std::move(made);
  }
  return state_->channel;
}

std::shared_ptr<grpc::Channel> RpcTestServer::in_process_channel() {
  MutexLock lock(state_->mutex);
  if (state_->in_process == nullptr) state_->in_process = server_->InProcessChannel();
  return state_->in_process;
}

const rpc::Caller& RpcTestServer::caller(std::string_view token) {
  MutexLock lock(state_->mutex);
  Identity& identity = state_->identities[std::string(token)];
  if (identity.caller == nullptr) {
    identity.token = std::make_unique<rpc::StringTokenSource>(token);
    identity.caller = std::make_unique<rpc::Caller>(*state_->clock, *state_->rng, state_->timer, identity.token.get());
  }
  return *identity.caller;
}

}  // namespace switchyard::testing
