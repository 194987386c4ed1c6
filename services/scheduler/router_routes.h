#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/scheduler/route_source.h"
#include "services/scheduler/scheduler_meter.h"
#include "switchyard/router/v1/router_service.pb.h"

namespace switchyard::scheduler {

// Routes from the router, however it is called. While it is away, tasks that allow it go to the free endpoints that it
// named last, marked as a fallback; all others are told why they wait. Thread-safe.
class RouterRoutes : public RouteSource {
 public:
  // Borrows both.
  RouterRoutes(const Clock& clock, SchedulerMeter& meter) : clock_(clock), meter_(meter) {}

  // Fetches the free endpoints. To be called now and then.
  void RefreshSnapshot();

  // A prompt needs a model that is chosen for it; a command-line agent has one, unless the task asks for another.
  bool IsExempt(std::string_view kind, bool asks_model) const override {
    return kind != "prompt" && (kind != "external" || !asks_model);
  }
  void Ask(std::vector<RouteQuestion> questions, std::vector<std::string> offered, Answer answer) final;
  void Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) final;
  void Release(std::vector<RouteKey> keys) final;

 protected:
  // Called exactly once, at once or later, on any thread.
  template <class Response>
  using Done = std::function<void(absl::StatusOr<Response>)>;
  // These return at once.
  virtual void CallRoute(router::v1::RouteRequest request, Done<router::v1::RouteResponse> done) = 0;
  virtual void CallReserve(router::v1::ReserveRoutesRequest request, Done<router::v1::ReserveRoutesResponse> done) = 0;
  virtual void CallRelease(router::v1::ReleaseRoutesRequest request, Done<router::v1::ReleaseRoutesResponse> done) = 0;
  virtual void CallSnapshot(Done<router::v1::GetSnapshotResponse> done) = 0;

 private:
  Route ToRoute(const RouteQuestion& question, const router::v1::RouteResult& result);
  RouteHold ToHold(const router::v1::RouteHold& hold) const;
  Route WithoutRouter(const RouteQuestion& question, const absl::Status& status);

  const Clock& clock_;
  SchedulerMeter& meter_;
  Mutex mutex_;
  router::v1::GetSnapshotResponse snapshot_ ABSL_GUARDED_BY(mutex_);
  std::size_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::scheduler
