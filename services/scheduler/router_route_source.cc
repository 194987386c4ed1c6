#include "services/scheduler/router_route_source.h"

#include <utility>

#include "libs/rpc/retry.h"

namespace switchyard::scheduler {

namespace rv1 = router::v1;

void RouterRouteSource::Connect(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller) {
  MutexLock lock(mutex_);
  stub_ = Service::NewStub(channel);
  channel_ = std::move(channel);
  caller_ = &caller;
}

void RouterRouteSource::Disconnect() {
  MutexLock lock(mutex_);
  stub_.reset();
  while (under_way_ > 0) none_.Wait(mutex_);
  channel_.reset();
}

template <class Request, class Response>
void RouterRouteSource::Call(AsyncMethod<Request, Response> method, Request request,
                             std::function<void(absl::StatusOr<Response>)> done) {
  std::shared_ptr<Service::Stub> stub;
  const rpc::Caller* caller = nullptr;
  {
    MutexLock lock(mutex_);
    stub = stub_;
    caller = caller_;
    if (stub != nullptr) ++under_way_;
  }
  if (stub == nullptr) return done(absl::UnavailableError("the router is not connected"));
  rpc::CallUnaryAsync(*caller, stub->async(), method, std::move(request),
                      rpc::CallOptions{.timeout = timeout_, .idempotent = true, .trace = {}},
                      [this, stub, done = std::move(done)](absl::StatusOr<Response> answer) {
                        done(std::move(answer));
                        MutexLock lock(mutex_);
                        if (--under_way_ == 0) none_.NotifyAll();
                      });
}

void RouterRouteSource::CallRoute(rv1::RouteRequest request, Done<rv1::RouteResponse> done) {
  Call<rv1::RouteRequest, rv1::RouteResponse>(&Async::Route, std::move(request), std::move(done));
}

void RouterRouteSource::CallReserve(rv1::ReserveRoutesRequest request, Done<rv1::ReserveRoutesResponse> done) {
  Call<rv1::ReserveRoutesRequest, rv1::ReserveRoutesResponse>(&Async::ReserveRoutes, std::move(request),
                                                              std::move(done));
}

void RouterRouteSource::CallRelease(rv1::ReleaseRoutesRequest request, Done<rv1::ReleaseRoutesResponse> done) {
  Call<rv1::ReleaseRoutesRequest, rv1::ReleaseRoutesResponse>(&Async::ReleaseRoutes, std::move(request),
                                                              std::move(done));
}

void RouterRouteSource::CallSnapshot(Done<rv1::GetSnapshotResponse> done) {
  Call<rv1::GetSnapshotRequest, rv1::GetSnapshotResponse>(&Async::GetSnapshot, rv1::GetSnapshotRequest(),
                                                          std::move(done));
}

}  // namespace switchyard::scheduler
