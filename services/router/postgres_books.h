// Parts of a transaction of PostgresRouteStore.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/pg/connection.h"
#include "services/router/route_store.h"

namespace switchyard::router {

using BudgetId = Id<struct BudgetIdTag>;
// A budget in one period, in the order in which rows are locked.
using PeriodKey = std::pair<BudgetId, absl::Time>;

// Parallel arrays of keys, for unnest.
struct KeyArrays {
  void Append(const RouteKey& key) {
    tasks.Append(key.task);
    generations.Append(key.generation);
  }
  pg::UuidArray tasks;
  pg::Int64Array generations;
};

Reservation ToReservation(const pg::Row& row);

// Statements that go out together and are answered together, in one round trip.
class Pipeline {
 public:
  // Its parameters, to be added at once.
  pg::Params& Add(const pg::Statement& statement) {
    parts_.emplace_back(&statement, pg::Params());
    return parts_.back().second;
  }
  absl::StatusOr<std::vector<pg::Result>> Run(pg::Session& session) const;

 private:
  // Stays where it is when it grows.
  std::deque<std::pair<const pg::Statement*, pg::Params>> parts_;
};

absl::StatusOr<std::map<RouteKey, Reservation>> FindHeld(pg::Session& session, const KeyArrays& keys);

// What tasks hold, and where it is counted.
struct TaskBooks {
  std::map<RouteKey, Reservation> held;
  std::map<RouteKey, std::set<PeriodKey>> charges;
};
// Changes of what these tasks hold come one after the other, in every replica, until the transaction ends.
absl::StatusOr<TaskBooks> LockBooks(pg::Session& session, const KeyArrays& keys);
// The same, with the budgets that some spenders count against: one answer more, as the statement has it.
absl::StatusOr<TaskBooks> LockBooks(pg::Session& session, const KeyArrays& keys, const pg::Params& spenders,
                                    pg::Result& applying);
// The newest record of each, where it has expired.
absl::StatusOr<std::map<RouteKey, Reservation>> FindExpired(pg::Session& session, absl::Span<const RouteKey> keys);

// The periods that a transaction counts in: locked, changed in memory, stored. Not thread-safe.
class Periods {
 public:
  // Those that are not there begin with nothing.
  absl::Status Lock(pg::Session& session, const std::set<PeriodKey>& keys);
  // Null when its budget was removed, or counts something else by now.
  const BudgetState* Find(const PeriodKey& key) const;
  void Count(const PeriodKey& key, std::int64_t spent, std::int64_t held, BudgetChange& change);
  // What changed, with the others of `pipeline`; must outlive its run.
  void Store(Pipeline& pipeline);

 private:
  struct Row {
    BudgetState state;
    bool limited = false;
    bool warned = false;
    bool changed = false;
  };
  std::map<PeriodKey, Row> rows_;
  // Of Store.
  pg::UuidArray budgets_;
  pg::TimeArray starts_;
  pg::Int64Array spent_, held_;
  pg::BoolArray warned_;
};

}  // namespace switchyard::router
