#include "services/router/route_view.h"

#include <utility>

#include "services/router/router_errors.h"

namespace switchyard::router {

absl::StatusOr<RouteView::Now> RouteView::Get() const {
  MutexLock lock(mutex_);
  if (snapshot_ == nullptr) return RegistryUnknown();
  return Now{.snapshot = snapshot_, .budgets = budgets_, .stale = lost_.has_value() && clock_.Now() - *lost_ > kMaxAge};
}

void RouteView::SetCatalogue(Catalogue catalogue) {
  {
    MutexLock lock(mutex_);
    catalogue.ratios = ratios_.All();
  }
  // Arranging it takes a while.
  std::shared_ptr<const Snapshot> snapshot = Snapshot::Make(std::move(catalogue), rules_);
  MutexLock lock(mutex_);
  snapshot_.swap(snapshot);
  lost_.reset();
}

void RouteView::LostRegistry() {
  MutexLock lock(mutex_);
  if (!lost_.has_value()) lost_ = clock_.Now();
}

void RouteView::SetBudgets(std::vector<BudgetState> states) {
  auto budgets = std::make_shared<const BudgetBook>(std::move(states));
  MutexLock lock(mutex_);
  budgets_.swap(budgets);
}

void RouteView::Learn(std::string_view model, std::int64_t estimated, std::int64_t reported) {
  MutexLock lock(mutex_);
  ratios_.Observe(model, estimated, reported);
}

void RouteView::SetOffered(std::vector<std::string> offered) {
  MutexLock lock(mutex_);
  offered_ = std::move(offered);
}

std::vector<std::string> RouteView::offered() const {
  MutexLock lock(mutex_);
  return offered_;
}

}  // namespace switchyard::router
