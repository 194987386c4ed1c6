#include "services/router/budget.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace switchyard::router {
namespace {

constexpr int kUsualWarning = 80;
constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostText = 200;

bool IsName(std::string_view text) {
  const auto small = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kMostName && small(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return small(c) || c == '.' || c == '_' || c == '-'; });
}

bool IsPlain(std::string_view text) {
  return text.size() <= kMostText && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) == 0x7f;
         });
}

// How strict it is, the strictest highest.
int Strictness(BudgetPolicy policy) {
  switch (policy) {
    case BudgetPolicy::kRefuse:
      return 3;
    case BudgetPolicy::kHold:
      return 2;
    case BudgetPolicy::kLocalOnly:
      return 1;
  }
  return 0;
}

}  // namespace

std::vector<FieldViolation> FaultsOf(const BudgetSpec& budget, std::string_view prefix) {
  std::vector<FieldViolation> faults;
  const auto fault = [&](std::string_view field, std::string_view what) {
    faults.push_back(
        {prefix.empty() ? std::string(field) : absl::StrCat(ToAbsl(prefix), ".", ToAbsl(field)), std::string(what)});
  };
  if (!IsName(budget.name)) {
    fault("name", "must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit");
  }
  for (const auto& [field, text] : {std::pair("project", &budget.project), std::pair("provider", &budget.provider),
                                    std::pair("model", &budget.model)}) {
    if (!IsPlain(*text)) fault(field, "must be one line of at most 200 bytes");
  }
  const int period = static_cast<int>(budget.period);
  if (period < 1 || period > 4) fault("period", "must be given");
  const int policy = static_cast<int>(budget.policy);
  if (policy < 1 || policy > 3) fault("policy", "is not known");
  if (budget.limit_micros < 0) fault("limit_micros", "must not be negative");
  if (budget.warn_percent < 0 || budget.warn_percent > 100) fault("warn_percent", "must be from 0 to 100");
  return faults;
}

PeriodBounds BoundsOf(BudgetPeriod period, absl::Time now) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilSecond at = absl::ToCivilSecond(now, utc);
  switch (period) {
    case BudgetPeriod::kHour: {
      const absl::CivilHour hour(at);
      return {absl::FromCivil(hour, utc), absl::FromCivil(hour + 1, utc)};
    }
    case BudgetPeriod::kDay: {
      const absl::CivilDay day(at);
      return {absl::FromCivil(day, utc), absl::FromCivil(day + 1, utc)};
    }
    case BudgetPeriod::kWeek: {
      const absl::CivilDay monday = absl::PrevWeekday(absl::CivilDay(at) + 1, absl::Weekday::monday);
      return {absl::FromCivil(monday, utc), absl::FromCivil(monday + 7, utc)};
    }
    case BudgetPeriod::kMonth: {
      const absl::CivilMonth month(at);
      return {absl::FromCivil(month, utc), absl::FromCivil(month + 1, utc)};
    }
  }
  return {now, now};
}

bool Applies(const BudgetSpec& budget, const Spender& spender) {
  return (budget.project.empty() || budget.project == spender.project) &&
         (budget.provider.empty() || absl::EqualsIgnoreCase(budget.provider, ToAbsl(spender.provider))) &&
         (budget.model.empty() || absl::EqualsIgnoreCase(budget.model, ToAbsl(spender.model)));
}

std::int64_t AddMicros(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

bool BudgetState::Fits(std::int64_t amount) const {
  return amount <= 0 || AddMicros(AddMicros(spent_micros, held_micros), amount) <= spec.limit_micros;
}

bool BudgetState::warned() const {
  const int percent = spec.warn_percent > 0 ? spec.warn_percent : kUsualWarning;
  const std::int64_t used = AddMicros(spent_micros, held_micros);
  // A cap of nothing has no share to warn at.
  if (spec.limit_micros <= 0) return used > 0;
  const auto share = static_cast<__int128>(spec.limit_micros) * percent;
  return static_cast<__int128>(used) * 100 >= share;
}

BudgetBook::BudgetBook(std::vector<BudgetState> states) : states_(std::move(states)) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    by_project_[states_[i].spec.project].push_back(static_cast<std::uint32_t>(i));
  }
}

template <class Visit>
void BudgetBook::Walk(const Spender& spender, Visit visit) const {
  const auto among = [&](std::string_view project) {
    const auto found = by_project_.find(project);
    if (found == by_project_.end()) return;
    for (const std::uint32_t index : found->second) {
      if (Applies(states_[index].spec, spender)) visit(states_[index]);
    }
  };
  among("");
  if (!spender.project.empty()) among(spender.project);
}

BudgetVerdict BudgetBook::Check(const Spender& spender, std::optional<std::int64_t> amount, absl::Time now) const {
  BudgetVerdict verdict;
  if (states_.empty() || amount == 0) return verdict;
  Walk(spender, [&](const BudgetState& state) {
    if (!amount.has_value()) {
      verdict = {.kind = BudgetVerdict::Kind::kPriceUnknown, .budget = &state};
      return;
    }
    const bool over = state.bounds.end <= now;
    if (over ? *amount <= state.spec.limit_micros : state.Fits(*amount)) return;
    if (verdict.budget != nullptr) {
      const int before = Strictness(verdict.budget->spec.policy);
      const int after = Strictness(state.spec.policy);
      if (after < before || (after == before && state.bounds.end <= verdict.budget->bounds.end)) return;
    }
    verdict = {.kind = BudgetVerdict::Kind::kSpent, .budget = &state};
  });
  return verdict;
}

std::vector<const BudgetState*> BudgetBook::ApplyingTo(const Spender& spender) const {
  std::vector<const BudgetState*> out;
  Walk(spender, [&](const BudgetState& state) { out.push_back(&state); });
  std::sort(out.begin(), out.end(),
            [](const BudgetState* a, const BudgetState* b) { return a->spec.name < b->spec.name; });
  return out;
}

BudgetState BudgetLedger::StateOf(const Account& account, absl::Time start) {
  BudgetState state{.spec = account.spec, .bounds = BoundsOf(account.spec.period, start)};
  const auto found = account.periods.find(start);
  if (found != account.periods.end()) {
    state.spent_micros = found->second.spent;
    state.held_micros = found->second.held;
  }
  return state;
}

void BudgetLedger::Set(BudgetSpec spec) {
  const auto found = budgets_.find(spec.name);
  if (found == budgets_.end()) {
    std::string name = spec.name;
    budgets_.try_emplace(std::move(name), Account{.spec = std::move(spec), .periods = {}});
    return;
  }
  // What was spent in another kind of period says nothing about this one.
  if (found->second.spec.period != spec.period) found->second.periods.clear();
  found->second.spec = std::move(spec);
}

bool BudgetLedger::Remove(std::string_view name) {
  const auto found = budgets_.find(name);
  if (found == budgets_.end()) return false;
  budgets_.erase(found);
  return true;
}

std::vector<BudgetState> BudgetLedger::States(absl::Time now) const {
  std::vector<BudgetState> states;
  for (const auto& [name, account] : budgets_) {
    states.push_back(StateOf(account, BoundsOf(account.spec.period, now).start));
  }
  std::sort(states.begin(), states.end(),
            [](const BudgetState& a, const BudgetState& b) { return a.spec.name < b.spec.name; });
  return states;
}

std::optional<BudgetLedger::Refused> BudgetLedger::Reserve(std::string_view key, const Spender& spender,
                                                           std::int64_t amount, absl::Time now, BudgetChange* change) {
  if (holds_.contains(key)) return std::nullopt;
  amount = std::max<std::int64_t>(amount, 0);
  std::optional<Refused> refused;
  Held hold{.amount = amount, .accounts = {}};
  for (const auto& [name, account] : budgets_) {
    if (!Applies(account.spec, spender)) continue;
    const PeriodBounds bounds = BoundsOf(account.spec.period, now);
    hold.accounts.emplace_back(name, bounds.start);
    if (StateOf(account, bounds.start).Fits(amount)) continue;
    const int strictness = Strictness(account.spec.policy);
    if (refused.has_value() && std::tuple(Strictness(refused->policy), refused->period_end, refused->budget) >=
                                   std::tuple(strictness, bounds.end, name)) {
      continue;
    }
    refused = Refused{.budget = name, .policy = account.spec.policy, .period_end = bounds.end};
  }
  if (refused.has_value()) return refused;
  for (const auto& [name, start] : hold.accounts) {
    Account& account = budgets_.find(name)->second;
    const bool before = StateOf(account, start).warned();
    // Periods that are over and hold nothing are history.
    absl::erase_if(account.periods, [now = start](const auto& one) { return one.first < now && one.second.held == 0; });
    Totals& totals = account.periods[start];
    totals.held = AddMicros(totals.held, amount);
    if (change != nullptr && !before && StateOf(account, start).warned()) change->warned.push_back(name);
  }
  holds_.try_emplace(std::string(key), std::move(hold));
  return std::nullopt;
}

bool BudgetLedger::Settle(std::string_view key, std::int64_t used, BudgetChange* change) {
  const auto found = holds_.find(key);
  if (found == holds_.end()) return false;
  for (const auto& [name, start] : found->second.accounts) {
    const auto at = budgets_.find(name);
    if (at == budgets_.end()) continue;
    const auto period = at->second.periods.find(start);
    // Set anew with another period since.
    if (period == at->second.periods.end()) continue;
    const BudgetState before = StateOf(at->second, start);
    period->second.held -= found->second.amount;
    period->second.spent = AddMicros(period->second.spent, std::max<std::int64_t>(used, 0));
    const BudgetState after = StateOf(at->second, start);
    if (change == nullptr) continue;
    if (!before.warned() && after.warned()) change->warned.push_back(name);
    if (!before.exceeded() && after.exceeded()) change->exceeded.push_back(name);
  }
  holds_.erase(found);
  return true;
}

bool BudgetLedger::Release(std::string_view key) { return Settle(key, 0); }

}  // namespace switchyard::router
