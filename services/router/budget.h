// Caps on what may be spent, in periods of UTC. Pure: told what is spent and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::router {

// The numbers are the contract's.
enum class BudgetPeriod { kHour = 1, kDay = 2, kWeek = 3, kMonth = 4 };
enum class BudgetPolicy { kHold = 1, kLocalOnly = 2, kRefuse = 3 };

struct BudgetSpec {
  std::string name;
  // Empty: any.
  std::string project;
  std::string provider;
  // As the table calls it.
  std::string model;
  BudgetPeriod period = BudgetPeriod::kDay;
  std::int64_t limit_micros = 0;
  BudgetPolicy policy = BudgetPolicy::kHold;
  // 1 to 100; 0 means 80.
  int warn_percent = 0;

  friend bool operator==(const BudgetSpec&, const BudgetSpec&) = default;
};

std::vector<FieldViolation> FaultsOf(const BudgetSpec& budget, std::string_view prefix);

struct PeriodBounds {
  absl::Time start;
  // The first moment after it.
  absl::Time end;

  friend bool operator==(const PeriodBounds&, const PeriodBounds&) = default;
};
// The period that holds `now`. Weeks begin on Monday.
PeriodBounds BoundsOf(BudgetPeriod period, absl::Time now);

// What a call counts as.
struct Spender {
  std::string_view project;
  std::string_view provider;
  // As the table calls it.
  std::string_view model;
};
// Names are compared whatever their case, projects exactly.
bool Applies(const BudgetSpec& budget, const Spender& spender);

// Of amounts that are not negative; stays at the highest number instead of going round.
std::int64_t AddMicros(std::int64_t a, std::int64_t b);

// One budget in one period. What was reserved in a period is settled in it, also after its end.
struct BudgetState {
  BudgetSpec spec;
  PeriodBounds bounds;
  std::int64_t spent_micros = 0;
  // For what runs, by upper estimates.
  std::int64_t held_micros = 0;

  // Whether `amount` more may be reserved. Nothing always may, as may what costs nothing.
  bool Fits(std::int64_t amount) const;
  // Whether spent and held together have reached the share at which it warns.
  bool warned() const;
  // More was spent than the cap: requests took more than their estimates.
  bool exceeded() const { return spent_micros > spec.limit_micros; }
};

struct BudgetVerdict {
  enum class Kind { kFits, kSpent, kPriceUnknown };
  Kind kind = Kind::kFits;
  // That stands against it; null when it fits. Of several the strictest: refuse, hold, local_only; then the one whose
  // period ends last.
  const BudgetState* budget = nullptr;
};

// All budgets as they stood at one moment: what decisions go by. Reservations are what makes them hold; this only sees
// early. Immutable, thread-safe.
class BudgetBook {
 public:
  BudgetBook() = default;
  explicit BudgetBook(std::vector<BudgetState> states);

  bool empty() const { return states_.empty(); }
  // `amount`: the upper estimate; absent: the price is unknown, which no budget that applies lets pass. Zero always
  // fits. A state whose period is over at `now` counts as unspent.
  BudgetVerdict Check(const Spender& spender, std::optional<std::int64_t> amount, absl::Time now) const;
  std::vector<const BudgetState*> ApplyingTo(const Spender& spender) const;
  const std::vector<BudgetState>& states() const { return states_; }

 private:
  template <class Visit>
  void Walk(const Spender& spender, Visit visit) const;

  std::vector<BudgetState> states_;
  // By project; "" those of any.
  StringMap<std::vector<std::uint32_t>> by_project_;
};

// A reservation and what came of it. `key` is the caller's: one per (task, generation).
struct BudgetChange {
  // Budgets whose share for a warning was passed by this change.
  std::vector<std::string> warned;
  // Budgets that stand above their cap by this change.
  std::vector<std::string> exceeded;
};

// The books themselves, in memory: the reference for every store. Not thread-safe.
class BudgetLedger {
 public:
  struct Refused {
    std::string budget;
    BudgetPolicy policy = BudgetPolicy::kHold;
    absl::Time period_end;
  };

  void Set(BudgetSpec spec);
  bool Remove(std::string_view name);
  std::size_t size() const { return budgets_.size(); }
  // By name, in the period of `now`.
  std::vector<BudgetState> States(absl::Time now) const;

  // Holds `amount` in every budget that applies, or in none. The same key again changes nothing and is granted.
  std::optional<Refused> Reserve(std::string_view key, const Spender& spender, std::int64_t amount, absl::Time now,
                                 BudgetChange* change = nullptr);
  // What was held becomes `used`, in the period in which it was reserved. False when the key is not held: settled
  // before, released, or never known.
  bool Settle(std::string_view key, std::int64_t used, BudgetChange* change = nullptr);
  // Unused, or an orphan. False when it is not held.
  bool Release(std::string_view key);
  std::size_t held() const { return holds_.size(); }

 private:
  struct Totals {
    std::int64_t spent = 0;
    std::int64_t held = 0;
  };
  struct Account {
    BudgetSpec spec;
    // By the period's start.
    absl::flat_hash_map<absl::Time, Totals> periods;
  };
  struct Held {
    std::int64_t amount = 0;
    std::vector<std::pair<std::string, absl::Time>> accounts;
  };

  static BudgetState StateOf(const Account& account, absl::Time start);

  StringMap<Account> budgets_;
  StringMap<Held> holds_;
};

}  // namespace switchyard::router
