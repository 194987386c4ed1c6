#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "services/scheduler/route_source.h"
#include "services/scheduler/scheduler_meter.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::scheduler {

// Routes from the router. While it is away, tasks that allow it go to the free endpoints that it named last, marked as
// a fallback; all others are told why they wait. Thread-safe.
class RouterRouteSource final : public RouteSource {
 public:
  // Borrows the clock and the meter.
  RouterRouteSource(const Clock& clock, SchedulerMeter& meter, absl::Duration timeout)
      : clock_(clock), meter_(meter), timeout_(timeout) {}
  ~RouterRouteSource() override { Disconnect(); }

  // From now on calls go out. Borrows the caller.
  void Connect(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller);
  // Waits for the calls under way; later ones are answered as if the router were away. Blocks.
  void Disconnect();
  // Fetches the free endpoints. To be called now and then.
  void RefreshSnapshot();

  // A prompt needs a model that is chosen for it; a command-line agent has one, unless the task asks for another.
  bool IsExempt(std::string_view kind, bool asks_model) const override {
    return kind != "prompt" && (kind != "external" || !asks_model);
  }
  void Ask(std::vector<RouteQuestion> questions, std::vector<std::string> offered, Answer answer) override;
  void Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) override;
  void Release(std::vector<RouteKey> keys) override;

 private:
  using Service = router::v1::RouterService;
  using Async = Service::StubInterface::async_interface;
  template <class Request, class Response>
  using AsyncMethod = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                      std::function<void(grpc::Status)>);
  template <class Request, class Response>
  void Call(AsyncMethod<Request, Response> method, Request request, std::function<void(absl::StatusOr<Response>)> done);

  Route ToRoute(const RouteQuestion& question, const router::v1::RouteResult& result);
  RouteHold ToHold(const router::v1::RouteHold& hold) const;
  Route WithoutRouter(const RouteQuestion& question, const absl::Status& status);

  const Clock& clock_;
  SchedulerMeter& meter_;
  const absl::Duration timeout_;
  Mutex mutex_;
  CondVar none_;
  // Shared with the calls under way.
  std::shared_ptr<Service::Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  const rpc::Caller* caller_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  router::v1::GetSnapshotResponse snapshot_ ABSL_GUARDED_BY(mutex_);
  std::size_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::scheduler
