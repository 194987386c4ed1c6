#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/router/budget.h"
#include "services/router/estimate.h"
#include "services/router/rules.h"
#include "services/router/snapshot.h"

namespace switchyard::router {

// What decisions go by at this moment: all of it in memory, so that deciding never waits. Thread-safe.
class RouteView {
 public:
  // How long after the registry was lost what it said last is gone by.
  static constexpr absl::Duration kMaxAge = absl::Seconds(60);

  // Borrows the clock.
  RouteView(const Clock& clock, RouterRules rules) : clock_(clock), rules_(std::move(rules)) {}

  struct Now {
    // Shared with the decisions made by it.
    std::shared_ptr<const Snapshot> snapshot;
    std::shared_ptr<const BudgetBook> budgets;
    // The snapshot is too old to send work to its endpoints.
    bool stale = false;
  };
  // REGISTRY_UNKNOWN until the registry was heard once.
  absl::StatusOr<Now> Get() const;

  // The registry said all of it just now; what was learnt here is added.
  void SetCatalogue(Catalogue catalogue);
  // What was heard last grows old from now on, until it is heard again.
  void LostRegistry();
  void SetBudgets(std::vector<BudgetState> states);
  // As one request used it.
  void Learn(std::string_view model, std::int64_t estimated, std::int64_t reported);

  // What schedulers told last that agents offer.
  void SetOffered(std::vector<std::string> offered);
  std::vector<std::string> offered() const;

  const RouterRules& rules() const { return rules_; }

 private:
  const Clock& clock_;
  const RouterRules rules_;
  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const BudgetBook> budgets_ ABSL_GUARDED_BY(mutex_) = std::make_shared<BudgetBook>();
  std::optional<absl::Time> lost_ ABSL_GUARDED_BY(mutex_);
  TokenRatios ratios_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router
