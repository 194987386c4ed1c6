#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/router/route_store.h"

namespace switchyard::router {

// For tests. Thread-safe.
class InMemoryRouteStore final : public RouteStore {
 public:
  absl::StatusOr<ReserveResult> Reserve(absl::Span<const NewReservation> reservations, absl::Time now) override;
  absl::StatusOr<std::vector<RouteKey>> Confirm(absl::Span<const Reservation> reservations,
                                                absl::Time expire_time) override;
  absl::StatusOr<EndResult> End(absl::Span<const Ending> endings, absl::Time now) override;
  absl::StatusOr<std::vector<Reservation>> Renew(absl::Span<const RouteKey> keys, absl::Time expire_time) override;
  absl::StatusOr<std::vector<FoundReservation>> Find(absl::Span<const RouteKey> keys) override;
  absl::StatusOr<std::vector<Reservation>> ClaimEnding(absl::Time before, absl::Time now, absl::Time until,
                                                       int limit) override;
  absl::StatusOr<std::int64_t> CountHeld() override;
  absl::StatusOr<std::vector<DecisionRecord>> ListDecisions(const DecisionQuery& query) override;
  absl::StatusOr<StoredBudget> SetBudget(const BudgetSpec& budget, const Uuid& fresh, std::size_t most,
                                         std::string_view by, absl::Time now) override;
  absl::Status RemoveBudget(std::string_view name) override;
  absl::StatusOr<std::vector<StoredBudget>> ListBudgets(absl::Time now) override;
  absl::Status Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) override;

  // From now on every call fails with UNAVAILABLE, DATABASE_UNAVAILABLE; or works again.
  void SetAway(bool away);

 private:
  // A budget and what it counts.
  using BudgetIncarnation = Uuid;
  using PeriodKey = std::pair<BudgetIncarnation, absl::Time>;
  struct Budget {
    BudgetIncarnation id;
    BudgetSpec spec;
  };
  struct Period {
    std::int64_t spent = 0;
    std::int64_t held = 0;
    bool warned = false;
  };

  absl::Status Available() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Budget* FindBudget(const BudgetIncarnation& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  BudgetState StateOf(const Budget& budget, absl::Time start) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds to both, and tells what that passed.
  void Count(const PeriodKey& key, std::int64_t spent, std::int64_t held, BudgetChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ReserveOutcome ReserveOne(const NewReservation& wanted, absl::Time now, BudgetChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DecisionRecord* RecordOf(const RouteKey& key, const DecisionId& decision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Budget> budgets_ ABSL_GUARDED_BY(mutex_);
  std::map<PeriodKey, Period> periods_ ABSL_GUARDED_BY(mutex_);
  std::map<RouteKey, Reservation> held_ ABSL_GUARDED_BY(mutex_);
  std::map<RouteKey, absl::Time> claims_ ABSL_GUARDED_BY(mutex_);
  std::map<RouteKey, std::set<PeriodKey>> charges_ ABSL_GUARDED_BY(mutex_);
  std::vector<DecisionRecord> records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router
