#include "services/agent_hub/route_client.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/retry.h"

namespace switchyard::agent_hub {
namespace {

namespace rv1 = router::v1;
namespace mv1 = model_registry::v1;
using RouterAsync = rv1::RouterService::StubInterface::async_interface;
using RegistryAsync = mv1::ModelRegistryService::StubInterface::async_interface;

constexpr std::size_t kMaxWaiting = 10'000;
constexpr std::size_t kMaxBytes = 16u << 20;
constexpr std::size_t kBatch = 200;
constexpr std::size_t kMaxChecks = 100;
constexpr absl::Duration kFirstRegistryPause = absl::Milliseconds(500);
constexpr absl::Duration kLongestRegistryPause = absl::Seconds(15);

absl::Status NoRouter() {
  return MakeError(absl::StatusCode::kUnavailable, "ROUTER_UNAVAILABLE", "this hub is not connected to a router");
}

}  // namespace

void RouteClient::Connect(std::optional<Peer> router, std::optional<Peer> registry) {
  MutexLock lock(mutex_);
  connected_ = true;
  if (router.has_value()) router_ = Router::NewStub(router->channel);
  if (registry.has_value()) registry_ = Registry::NewStub(registry->channel);
  router_peer_ = std::move(router);
  registry_peer_ = std::move(registry);
}

void RouteClient::Disconnect() {
  MutexLock lock(mutex_);
  connected_ = false;
  while (under_way_ > 0) none_.Wait(mutex_);
  router_.reset();
  registry_.reset();
  router_peer_.reset();
  registry_peer_.reset();
}

bool RouteClient::Enter() {
  if (!connected_) return false;
  ++under_way_;
  return true;
}

void RouteClient::Leave() {
  MutexLock lock(mutex_);
  if (--under_way_ == 0) none_.NotifyAll();
}

void RouteClient::Ended(rv1::RouteOutcome outcome) {
  {
    MutexLock lock(mutex_);
    if (connected_ && router_ == nullptr) return;
    const std::size_t bytes = outcome.ByteSizeLong();
    if (outcomes_.size() >= kMaxWaiting || bytes_ + bytes > kMaxBytes) {
      ++dropped_;
      return;
    }
    bytes_ += bytes;
    outcomes_.push_back(std::move(outcome));
  }
  Pump();
}

void RouteClient::Tick() { Pump(); }

void RouteClient::Pump() {
  rv1::ReportOutcomesRequest request;
  std::shared_ptr<Router::Stub> stub;
  const rpc::Caller* caller = nullptr;
  {
    MutexLock lock(mutex_);
    if (telling_ || outcomes_.empty() || router_ == nullptr || clock_.Now() < tell_after_ || !Enter()) return;
    telling_ = true;
    stub = router_;
    caller = router_peer_->caller;
    const std::size_t count = alone_ > 0 ? 1 : std::min(outcomes_.size(), kBatch);
    for (std::size_t i = 0; i < count; ++i) *request.add_outcomes() = outcomes_[i];
  }
  const auto count = static_cast<std::size_t>(request.outcomes_size());
  rpc::CallUnaryAsync(*caller, stub->async(), &RouterAsync::ReportOutcomes, std::move(request),
                      rpc::CallOptions{.timeout = timeout_, .idempotent = true, .trace = {}},
                      [this, stub, count](const absl::StatusOr<rv1::ReportOutcomesResponse>& answer) {
                        if (!answer.ok()) {
                          LogWarning("the router did not take what came of assignments",
                                     {{"outcomes", count}, {"status", answer.status()}});
                        }
                        const bool refused = answer.status().code() == absl::StatusCode::kInvalidArgument;
                        Told(count, answer.ok() ? Answer::kTaken : refused ? Answer::kRefused : Answer::kUnknown);
                        Leave();
                      });
}

void RouteClient::Told(std::size_t count, Answer answer) {
  {
    MutexLock lock(mutex_);
    telling_ = false;
    if (answer == Answer::kUnknown) {
      pause_ = std::clamp(pause_ * 2, kFirstRegistryPause, kLongestRegistryPause);
      tell_after_ = clock_.Now() + pause_;
      return;
    }
    pause_ = absl::ZeroDuration();
    if (answer == Answer::kRefused && count > 1) {
      // One that will never be taken must not cost the others.
      alone_ = count;
    } else {
      for (std::size_t i = 0; i < count; ++i) bytes_ -= outcomes_[i].ByteSizeLong();
      outcomes_.erase(outcomes_.begin(), outcomes_.begin() + static_cast<std::ptrdiff_t>(count));
      alone_ -= std::min(alone_, count);
    }
  }
  Pump();
}

void RouteClient::Grant(rv1::GrantRouteRequest request,
                        std::function<void(absl::StatusOr<rv1::GrantRouteResponse>)> done) {
  std::shared_ptr<Router::Stub> stub;
  const rpc::Caller* caller = nullptr;
  {
    MutexLock lock(mutex_);
    if (router_ != nullptr && Enter()) {
      stub = router_;
      caller = router_peer_->caller;
    }
  }
  if (stub == nullptr) return done(NoRouter());
  // Asked twice it might grant two: the executor asks again where the answer was lost.
  rpc::CallUnaryAsync(*caller, stub->async(), &RouterAsync::GrantRoute, std::move(request),
                      rpc::CallOptions{.timeout = timeout_, .idempotent = false, .trace = {}},
                      [this, stub, done = std::move(done)](absl::StatusOr<rv1::GrantRouteResponse> answer) {
                        done(std::move(answer));
                        Leave();
                      });
}

void RouteClient::Checked(mv1::ReportEndpointChecksRequest checks) {
  std::shared_ptr<Registry::Stub> stub;
  const rpc::Caller* caller = nullptr;
  {
    MutexLock lock(mutex_);
    if (registry_ == nullptr || checking_ >= kMaxChecks || !Enter()) return;
    ++checking_;
    stub = registry_;
    caller = registry_peer_->caller;
  }
  rpc::CallUnaryAsync(*caller, stub->async(), &RegistryAsync::ReportEndpointChecks, std::move(checks),
                      rpc::CallOptions{.timeout = timeout_, .idempotent = false, .trace = {}},
                      [this, stub](const absl::StatusOr<mv1::ReportEndpointChecksResponse>& answer) {
                        if (!answer.ok()) LogDebug("endpoint checks were not passed on", {{"status", answer.status()}});
                        {
                          MutexLock lock(mutex_);
                          --checking_;
                        }
                        Leave();
                      });
}

std::size_t RouteClient::waiting() const {
  MutexLock lock(mutex_);
  return outcomes_.size();
}

std::uint64_t RouteClient::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace switchyard::agent_hub
