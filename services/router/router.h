#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"
#include "services/router/kept_decisions.h"
#include "services/router/route_ports.h"
#include "services/router/route_store.h"
#include "services/router/route_view.h"
#include "services/router/router_convert.h"
#include "services/router/router_meter.h"
#include "services/router/task_reader.h"
#include "switchyard/router/v1/router_service.pb.h"

namespace switchyard::router {

struct RouterOptions {
  RoutingTerms terms;
  // How long a reservation lasts unless it is renewed.
  absl::Duration reservation = absl::Seconds(60);
  // How long a route that was not used yet is believed.
  absl::Duration decision = absl::Seconds(15);
  std::size_t max_budgets = 500;
  std::size_t kept_decisions = 20'000;
};

// The use cases. Requests have been validated: ids are ids, lists within their bounds. Every call may block, for a
// bounded time; Route and Explain only on tasks that are not known yet. Thread-safe.
class Router {
 public:
  struct Deps {
    RouteStore& store;
    RouteView& view;
    TaskReader& reader;
    TaskPort& tasks;
    CapacityPort& capacity;
    const RaisingWords& words;
    const Clock& clock;
    IdSource& ids;
    RouterMeter& meter;
  };
  Router(Deps deps, RouterOptions options);

  absl::Status Route(const v1::RouteRequest& request, v1::RouteResponse& response);
  absl::Status Reserve(const v1::ReserveRoutesRequest& request, v1::ReserveRoutesResponse& response);
  absl::Status Release(const v1::ReleaseRoutesRequest& request, v1::ReleaseRoutesResponse& response);
  absl::Status Renew(const v1::RenewRoutesRequest& request, v1::RenewRoutesResponse& response);
  absl::Status Grant(const v1::GrantRouteRequest& request, v1::GrantRouteResponse& response);
  absl::Status Report(const v1::ReportOutcomesRequest& request, v1::ReportOutcomesResponse& response);
  absl::Status Snapshot(v1::GetSnapshotResponse& response);
  absl::Status Explain(const v1::ExplainRouteRequest& request, v1::ExplainRouteResponse& response);
  absl::Status List(const v1::ListDecisionsRequest& request, v1::ListDecisionsResponse& response);
  absl::Status SetBudget(const BudgetSpec& budget, std::string_view by, v1::SetBudgetResponse& response);
  absl::Status RemoveBudget(std::string_view name);
  absl::Status ListBudgets(v1::ListBudgetsResponse& response);

  // Looks after reservations that nobody renews, once: what runs is kept, ahead of its end; what ended is settled, the
  // rest given back. How many it looked at.
  absl::StatusOr<int> Sweep();
  // Takes over what was spent and held, by whichever replica.
  absl::Status SyncBudgets();

 private:
  struct Pending;
  struct Settled;
  // An item and what is held for it.
  struct Answered {
    int index = 0;
    Reservation held;
  };

  absl::StatusOr<int> SweepSome();
  absl::Time Now() const;
  v1::RouteHold HoldFor(v1::HoldCode code, std::string_view message) const;
  // A decision of this item, kept or made anew for the agent; else `hold` is set.
  KeptDecisionPtr DecisionFor(const v1::ReserveItem& item, const absl::StatusOr<TaskReader::KnownPtr>* known,
                              const RouteView::Now& now, v1::RouteHold* hold);
  // Of what the agent of the item offers. Null when there is none; `hold`, unless it is null, says why.
  KeptDecisionPtr DecideFor(const v1::ReserveItem& item, const DecisionId& id, const TaskReader::KnownPtr& known,
                            const RouteView::Now& now, v1::RouteHold* hold);
  absl::Status AnswerWhatIsHeld(const v1::ReserveRoutesRequest& request, const std::vector<bool>& remembered,
                                v1::ReserveRoutesResponse& response);
  // What is held for these very items is renewed, and answered with; what ended meanwhile is left without an answer.
  absl::Status AnswerWith(const std::vector<Answered>& serving, v1::ReserveRoutesResponse& response);
  // What stood under the keys already: answered with where it serves the agent. Where it does not, and the task is not
  // with that other agent, it is ended, and the item goes on.
  absl::Status Meet(std::vector<Pending>& met, std::vector<Pending>& pending, v1::ReserveRoutesResponse& response);
  // The next candidate of each is put to the store, then to the registry; those that are through leave the list.
  absl::Status ReserveRound(std::vector<Pending>& pending, std::vector<Pending>& through,
                            v1::ReserveRoutesResponse& response);
  absl::Status ReserveCapacity(std::vector<Pending>& wanting, std::vector<Pending>& pending,
                               std::vector<Pending>& through, v1::ReserveRoutesResponse& response);
  NewReservation ToReservation(Pending& one, const RouteView::Now& now);
  void Wait(const Pending& one, v1::ReserveRoutesResponse& response);
  void ReleaseCapacity(const std::vector<Reservation>& reservations);
  absl::StatusOr<model_registry::v1::ReserveResult> ReserveOne(const RouteKey& key, std::string_view endpoint_id,
                                                               std::string_view model, bool urgent);
  absl::StatusOr<EndResult> End(const std::vector<Ending>& endings);
  Settled Settle(const v1::RouteOutcome& outcome, const Reservation& reservation);
  void Extend(const std::vector<Reservation>& reservations);

  const Deps deps_;
  const RouterOptions options_;
  KeptDecisions kept_;
  Mutex mutex_;
  // What GetSnapshot said last, and when that came to be.
  std::string free_endpoints_ ABSL_GUARDED_BY(mutex_);
  std::int64_t free_version_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::router
