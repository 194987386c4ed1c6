#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::agent_hub {

// The hub's calls to the router and the model registry, neither of which it needs: what cannot be told is kept for a
// while, then left to the router's own look at the ledger. Thread-safe.
class RouteClient final {
 public:
  struct Peer {
    std::shared_ptr<grpc::Channel> channel;
    const rpc::Caller* caller = nullptr;
  };

  // Borrows the clock.
  RouteClient(const Clock& clock, absl::Duration timeout) : clock_(clock), timeout_(timeout) {}
  ~RouteClient() { Disconnect(); }

  // From now on calls go out; without a router, or a registry, those to it are answered with UNAVAILABLE or dropped.
  void Connect(std::optional<Peer> router, std::optional<Peer> registry);
  // Waits for the calls under way. Blocks; not from a callback.
  void Disconnect();

  // What came of an assignment. Told until the router answers.
  void Ended(router::v1::RouteOutcome outcome);
  // `done` is called exactly once, on any thread, perhaps before this returns.
  void Grant(router::v1::GrantRouteRequest request,
             std::function<void(absl::StatusOr<router::v1::GrantRouteResponse>)> done);
  // What an agent found at the endpoints that only it reaches. Dropped when it cannot be told: the next one follows.
  void Checked(model_registry::v1::ReportEndpointChecksRequest checks);

  // Tries again what could not be told.
  void Tick();
  std::size_t waiting() const;
  // Outcomes that were dropped since there were too many.
  std::uint64_t dropped() const;

 private:
  using Router = router::v1::RouterService;
  using Registry = model_registry::v1::ModelRegistryService;

  void Pump();
  enum class Answer { kTaken, kRefused, kUnknown };
  void Told(std::size_t count, Answer answer);
  // Whether a call may go out; if so, Leave follows it.
  bool Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave();

  const Clock& clock_;
  const absl::Duration timeout_;
  mutable Mutex mutex_;
  CondVar none_;
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Peer> router_peer_ ABSL_GUARDED_BY(mutex_);
  std::optional<Peer> registry_peer_ ABSL_GUARDED_BY(mutex_);
  // Shared with the calls under way.
  std::shared_ptr<Router::Stub> router_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Registry::Stub> registry_ ABSL_GUARDED_BY(mutex_);
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t checking_ ABSL_GUARDED_BY(mutex_) = 0;
  // Oldest first; those at the front may be under way.
  std::deque<router::v1::RouteOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool telling_ ABSL_GUARDED_BY(mutex_) = false;
  // So many at the front go alone: one of them was refused.
  std::size_t alone_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Time tell_after_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::agent_hub
