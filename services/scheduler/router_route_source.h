#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "services/scheduler/router_routes.h"
#include "services/scheduler/scheduler_meter.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::scheduler {

// Routes from the router over its service. Thread-safe.
class RouterRouteSource final : public RouterRoutes {
 public:
  // Borrows the clock and the meter.
  RouterRouteSource(const Clock& clock, SchedulerMeter& meter, absl::Duration timeout)
      : RouterRoutes(clock, meter), timeout_(timeout) {}
  ~RouterRouteSource() override { Disconnect(); }

  // From now on calls go out. Borrows the caller.
  void Connect(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller);
  // Waits for the calls under way; later ones are answered as if the router were away. Blocks.
  void Disconnect();

 private:
  using Service = router::v1::RouterService;
  using Async = Service::StubInterface::async_interface;
  template <class Request, class Response>
  using AsyncMethod = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                      std::function<void(grpc::Status)>);
  template <class Request, class Response>
  void Call(AsyncMethod<Request, Response> method, Request request, std::function<void(absl::StatusOr<Response>)> done);

  void CallRoute(router::v1::RouteRequest request, Done<router::v1::RouteResponse> done) override;
  void CallReserve(router::v1::ReserveRoutesRequest request, Done<router::v1::ReserveRoutesResponse> done) override;
  void CallRelease(router::v1::ReleaseRoutesRequest request, Done<router::v1::ReleaseRoutesResponse> done) override;
  void CallSnapshot(Done<router::v1::GetSnapshotResponse> done) override;

  const absl::Duration timeout_;
  Mutex mutex_;
  CondVar none_;
  // Shared with the calls under way.
  std::shared_ptr<Service::Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  const rpc::Caller* caller_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::scheduler
