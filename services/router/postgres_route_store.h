#pragma once

#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/router/route_store.h"

namespace switchyard::router {

// In the schema `router`. What changes money locks first its tasks, then the periods of its budgets, each in order:
// whoever reserves at the same time waits, and sees what was left. Nothing can be reserved before Maintain made today's
// partition. Thread-safe.
class PostgresRouteStore final : public RouteStore {
 public:
  // Borrows.
  explicit PostgresRouteStore(pg::Pool& pool) : pool_(pool) {}

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

 private:
  // Detached first, without blocking readers and writers of the parent, then dropped.
  absl::Status DropPartition(const std::string& child, bool attached);

  pg::Pool& pool_;
};

}  // namespace switchyard::router
