#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/id.h"
#include "services/router/budget.h"
#include "services/router/task_facts.h"

namespace switchyard::router {

using TaskId = Id<struct TaskIdTag>;
using DecisionId = Id<struct DecisionIdTag>;

// An assignment: at most one reservation each.
struct RouteKey {
  TaskId task;
  std::int64_t generation = 0;

  friend bool operator==(const RouteKey&, const RouteKey&) = default;
  friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

// What is held for an assignment: an endpoint's capacity, and money in every budget that applies.
struct Reservation {
  RouteKey key;
  DecisionId decision;
  // When it was made; of the record too.
  absl::Time decision_time;
  // Empty: no model is involved.
  std::string endpoint_id;
  // As the endpoint calls it.
  std::string model;
  // Upper estimate; 0 counts in no budget.
  std::int64_t micros = 0;
  // switchyard.router.v1.Routing.
  std::string routing;
  // Whether the endpoint's capacity is known to be held too. One that is not is abandoned once it has ended.
  bool confirmed = false;
  absl::Time expire_time;
  // Whom it was made for; empty: not known.
  std::string agent;

  friend bool operator==(const Reservation&, const Reservation&) = default;
};

struct NewReservation {
  Reservation reservation;
  // In place of what the same decision holds under the key: another endpoint was granted.
  bool replaces = false;
  std::string project;
  std::string provider;
  // As the table calls it.
  std::string canonical_model;
  bool fallback = false;
  // switchyard.router.v1.Explanation. Not read when it replaces.
  std::string explanation;
};

struct ReserveOutcome {
  enum class Kind {
    kReserved,
    // `held` was there before; nothing changed.
    kHeld,
    // A budget stands against it; nothing changed.
    kRefused,
    // There is nothing to replace.
    kNotHeld,
  };
  Kind kind = Kind::kReserved;
  std::optional<Reservation> held;
  BudgetLedger::Refused refused;
};

struct ReserveResult {
  // As the reservations.
  std::vector<ReserveOutcome> outcomes;
  BudgetChange change;
};

// The numbers are the contract's.
enum class DecisionState { kHeld = 1, kSettled = 2, kReleased = 3, kExpired = 4 };

// How a reservation ends.
struct Ending {
  enum class Kind {
    // `micros` were spent.
    kSettled = 2,
    // Nothing was used.
    kReleased = 3,
    // Nothing is known of what it used: it may still be settled for some days.
    kExpired = 4,
    // It never came to be: leaves no record.
    kForgotten = 5,
  };
  RouteKey key;
  Kind kind = Kind::kReleased;
  std::int64_t micros = 0;
  AttemptOutcome outcome = AttemptOutcome::kUnknown;
  // switchyard.task_queue.v1.Usage; empty: none is known.
  std::string usage;
  bool mismatch = false;
  // What is meant: another reservation under the key, made since it was looked at, is left alone. The time, where it
  // is set, is that of a reservation that nobody renewed meanwhile.
  std::optional<DecisionId> decision = std::nullopt;
  std::optional<absl::Time> expire_time = std::nullopt;

  bool Means(const Reservation& reservation) const {
    return (!decision.has_value() || *decision == reservation.decision) &&
           (!expire_time.has_value() || *expire_time == reservation.expire_time);
  }
};

struct EndResult {
  // Those that this ended, as they were; the others were ended before or never known.
  std::vector<Reservation> ended;
  BudgetChange change;
};

struct FoundReservation {
  Reservation reservation;
  // False: it has expired and may be settled.
  bool live = true;
};

// The record of a reservation and what came of it.
struct DecisionRecord {
  RouteKey key;
  DecisionId decision;
  absl::Time create_time;
  std::string project;
  std::string model;
  DecisionState state = DecisionState::kHeld;
  bool fallback = false;
  bool mismatch = false;
  std::string explanation;
  std::string routing;
  std::string usage;
  AttemptOutcome outcome = AttemptOutcome::kUnknown;
  std::int64_t reserved_micros = 0;
  std::int64_t settled_micros = 0;
  std::optional<absl::Time> settle_time;
};

struct DecisionQuery {
  // Older than that, by (create_time, decision).
  absl::Time before_time = absl::InfiniteFuture();
  DecisionId before;
  std::optional<TaskId> task;
  // Empty: any.
  std::string project;
  std::string model;
  bool fallbacks_only = false;
  bool mismatches_only = false;
  int limit = 50;
};

struct StoredBudget {
  BudgetState state;
  // It has warned in this period.
  bool warned = false;
};

// What is kept of reservations, money and decisions. Every call is atomic, blocks, and may fail with UNAVAILABLE, in
// which case it is unknown whether a change was made. Thread-safe; any number of processes share one.
//
// Money: of a budget in a period, spent and held together never exceed its limit by a Reserve, whoever else reserves.
// What was reserved in a period is settled in it.
class RouteStore {
 public:
  virtual ~RouteStore() = default;

  // In order. What an unconfirmed reservation that has ended held is given back first. No key comes twice.
  virtual absl::StatusOr<ReserveResult> Reserve(absl::Span<const NewReservation> reservations, absl::Time now) = 0;
  // The capacity is there: holds until `expire_time`. Those that are not held any more are returned.
  virtual absl::StatusOr<std::vector<RouteKey>> Confirm(absl::Span<const Reservation> reservations,
                                                        absl::Time expire_time) = 0;
  // Ends what is held, if it is what is meant; told twice, it counts once. kSettled also settles what expired.
  virtual absl::StatusOr<EndResult> End(absl::Span<const Ending> endings, absl::Time now) = 0;
  // Of what is confirmed, as it is then; never shortened.
  virtual absl::StatusOr<std::vector<Reservation>> Renew(absl::Span<const RouteKey> keys, absl::Time expire_time) = 0;
  virtual absl::StatusOr<std::vector<FoundReservation>> Find(absl::Span<const RouteKey> keys) = 0;
  // Those that end by `before`, oldest first; to this caller alone until `until`.
  virtual absl::StatusOr<std::vector<Reservation>> ClaimEnding(absl::Time before, absl::Time now, absl::Time until,
                                                               int limit) = 0;
  virtual absl::StatusOr<std::int64_t> CountHeld() = 0;

  // Newest first.
  virtual absl::StatusOr<std::vector<DecisionRecord>> ListDecisions(const DecisionQuery& query) = 0;

  // Adds it, or replaces the one of that name; once it counts something else than before it begins unspent. `fresh`
  // names what it counts then. TOO_MANY_BUDGETS.
  virtual absl::StatusOr<StoredBudget> SetBudget(const BudgetSpec& budget, const Uuid& fresh, std::size_t most,
                                                 std::string_view by, absl::Time now) = 0;
  // BUDGET_NOT_FOUND.
  virtual absl::Status RemoveBudget(std::string_view name) = 0;
  // By name, in the period of `now`.
  virtual absl::StatusOr<std::vector<StoredBudget>> ListBudgets(absl::Time now) = 0;

  // Makes room for decisions until `now` + `ahead`, and drops those of days before `retain_from`.
  virtual absl::Status Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) = 0;
};

}  // namespace switchyard::router
