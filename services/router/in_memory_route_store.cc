#include "services/router/in_memory_route_store.h"

#include <algorithm>
#include <optional>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/router/book_rules.h"
#include "services/router/router_errors.h"

namespace switchyard::router {
namespace {

constexpr absl::Duration kKeepCharges = absl::Hours(24 * 7);

DecisionRecord ToRecord(const NewReservation& made) {
  return {.key = made.reservation.key,
          .decision = made.reservation.decision,
          .create_time = made.reservation.decision_time,
          .project = made.project,
          .model = made.reservation.model,
          .fallback = made.fallback,
          .explanation = made.explanation,
          .routing = made.reservation.routing,
          .reserved_micros = made.reservation.micros};
}

bool Matches(const DecisionRecord& record, const DecisionQuery& query) {
  return std::pair(record.create_time, record.decision) < std::pair(query.before_time, query.before) &&
         (!query.task.has_value() || record.key.task == *query.task) &&
         (query.project.empty() || record.project == query.project) &&
         (query.model.empty() || record.model == query.model) && (!query.fallbacks_only || record.fallback) &&
         (!query.mismatches_only || record.mismatch);
}

}  // namespace

void InMemoryRouteStore::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

absl::Status InMemoryRouteStore::Available() const {
  if (!away_) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "the store is away");
}

const InMemoryRouteStore::Budget* InMemoryRouteStore::FindBudget(const BudgetIncarnation& id) const {
  for (const auto& [name, budget] : budgets_) {
    if (budget.id == id) return &budget;
  }
  return nullptr;
}

BudgetState InMemoryRouteStore::StateOf(const Budget& budget, absl::Time start) const {
  BudgetState state{.spec = budget.spec, .bounds = BoundsOf(budget.spec.period, start)};
  if (const auto period = periods_.find({budget.id, start}); period != periods_.end()) {
    state.spent_micros = period->second.spent;
    state.held_micros = period->second.held;
  }
  return state;
}

void InMemoryRouteStore::Count(const PeriodKey& key, std::int64_t spent, std::int64_t held, BudgetChange& change) {
  const Budget* const budget = FindBudget(key.first);
  if (budget == nullptr) return;
  Period& period = periods_[key];
  BudgetState state = StateOf(*budget, key.second);
  router::Count(state, spent, held, period.warned, change);
  period.spent = state.spent_micros;
  period.held = state.held_micros;
}

DecisionRecord* InMemoryRouteStore::RecordOf(const RouteKey& key, const DecisionId& decision) {
  for (DecisionRecord& record : records_) {
    if (record.key == key && record.decision == decision) return &record;
  }
  return nullptr;
}

ReserveOutcome InMemoryRouteStore::ReserveOne(const NewReservation& wanted, absl::Time now, BudgetChange& change) {
  using Kind = ReserveOutcome::Kind;
  const Reservation& reservation = wanted.reservation;
  const auto held = held_.find(reservation.key);
  const bool there = held != held_.end();
  if (wanted.replaces && (!there || held->second.decision != reservation.decision)) return {.kind = Kind::kNotHeld};
  if (!wanted.replaces && there && (held->second.confirmed || held->second.expire_time > now)) {
    return {.kind = Kind::kHeld, .held = held->second};
  }
  const std::set<PeriodKey> before = there ? charges_[reservation.key] : std::set<PeriodKey>();
  const std::int64_t micros_before = there ? held->second.micros : 0;
  // What is given back by this is free for it.
  BudgetChange ignored;
  for (const PeriodKey& key : before) Count(key, 0, -micros_before, ignored);
  std::set<PeriodKey> charges;
  std::optional<BudgetLedger::Refused> refused;
  for (const auto& [name, budget] : budgets_) {
    if (reservation.micros == 0) break;
    if (!Applies(budget.spec, {wanted.project, wanted.provider, wanted.canonical_model})) continue;
    const BudgetState state = StateOf(budget, BoundsOf(budget.spec.period, now).start);
    if (!state.Fits(reservation.micros)) KeepStrictest(state, refused);
    charges.insert({budget.id, state.bounds.start});
  }
  if (refused.has_value() && wanted.replaces) {
    for (const PeriodKey& key : before) Count(key, 0, micros_before, ignored);
    return {.kind = Kind::kRefused, .refused = *refused};
  }
  if (there && !wanted.replaces) {
    std::erase_if(records_, [&](const DecisionRecord& record) {
      return record.key == reservation.key && record.decision == held->second.decision;
    });
    charges_.erase(reservation.key);
    held_.erase(held);
  }
  if (refused.has_value()) return {.kind = Kind::kRefused, .refused = *refused};
  for (const PeriodKey& key : charges) Count(key, 0, reservation.micros, change);
  charges_[reservation.key] = std::move(charges);
  held_[reservation.key] = reservation;
  claims_.erase(reservation.key);
  if (DecisionRecord* const record = wanted.replaces ? RecordOf(reservation.key, reservation.decision) : nullptr) {
    record->model = reservation.model;
    record->fallback = wanted.fallback;
    record->routing = reservation.routing;
    record->reserved_micros = reservation.micros;
  } else {
    records_.push_back(ToRecord(wanted));
  }
  return {};
}

absl::StatusOr<ReserveResult> InMemoryRouteStore::Reserve(absl::Span<const NewReservation> reservations,
                                                          absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  ReserveResult result;
  for (const NewReservation& wanted : reservations) result.outcomes.push_back(ReserveOne(wanted, now, result.change));
  return result;
}

absl::StatusOr<std::vector<RouteKey>> InMemoryRouteStore::Confirm(absl::Span<const Reservation> reservations,
                                                                  absl::Time expire_time) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<RouteKey> lost;
  for (const Reservation& reservation : reservations) {
    const auto held = held_.find(reservation.key);
    if (held == held_.end() || held->second.decision != reservation.decision) {
      lost.push_back(reservation.key);
      continue;
    }
    held->second.confirmed = true;
    held->second.expire_time = expire_time;
  }
  return lost;
}

absl::StatusOr<EndResult> InMemoryRouteStore::End(absl::Span<const Ending> endings, absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  EndResult result;
  for (const Ending& ending : endings) {
    Reservation reservation;
    std::int64_t held_micros = 0;
    if (const auto held = held_.find(ending.key); held != held_.end()) {
      if (!ending.Means(held->second)) continue;
      reservation = held->second;
      held_micros = reservation.micros;
    } else {
      const auto newest = std::find_if(records_.rbegin(), records_.rend(),
                                       [&](const DecisionRecord& record) { return record.key == ending.key; });
      if (ending.kind != Ending::Kind::kSettled || newest == records_.rend() ||
          newest->state != DecisionState::kExpired || ending.decision.value_or(newest->decision) != newest->decision) {
        continue;
      }
      reservation = {.key = ending.key,
                     .decision = newest->decision,
                     .decision_time = newest->create_time,
                     .model = newest->model,
                     .routing = newest->routing,
                     .confirmed = true};
    }
    const std::int64_t spent = ending.kind == Ending::Kind::kSettled ? ending.micros : 0;
    for (const PeriodKey& key : charges_[ending.key]) Count(key, spent, -held_micros, result.change);
    if (ending.kind != Ending::Kind::kExpired) charges_.erase(ending.key);
    held_.erase(ending.key);
    if (ending.kind == Ending::Kind::kForgotten) {
      std::erase_if(records_, [&](const DecisionRecord& record) {
        return record.key == ending.key && record.decision == reservation.decision;
      });
    } else if (DecisionRecord* const record = RecordOf(ending.key, reservation.decision)) {
      record->state = static_cast<DecisionState>(ending.kind);
      record->outcome = ending.outcome;
      record->usage = ending.usage;
      record->settled_micros = spent;
      record->mismatch = ending.mismatch;
      record->settle_time = now;
    }
    result.ended.push_back(std::move(reservation));
  }
  return result;
}

absl::StatusOr<std::vector<Reservation>> InMemoryRouteStore::Renew(absl::Span<const RouteKey> keys,
                                                                   absl::Time expire_time) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<Reservation> renewed;
  for (const RouteKey& key : keys) {
    const auto held = held_.find(key);
    if (held == held_.end() || !held->second.confirmed) continue;
    held->second.expire_time = std::max(held->second.expire_time, expire_time);
    renewed.push_back(held->second);
  }
  return renewed;
}

absl::StatusOr<std::vector<FoundReservation>> InMemoryRouteStore::Find(absl::Span<const RouteKey> keys) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<FoundReservation> found;
  for (const RouteKey& key : keys) {
    if (const auto held = held_.find(key); held != held_.end()) {
      found.push_back({held->second, true});
      continue;
    }
    const auto newest = std::find_if(records_.rbegin(), records_.rend(),
                                     [&](const DecisionRecord& record) { return record.key == key; });
    if (newest == records_.rend() || newest->state != DecisionState::kExpired) continue;
    found.push_back({{.key = key,
                      .decision = newest->decision,
                      .decision_time = newest->create_time,
                      .model = newest->model,
                      .routing = newest->routing,
                      .confirmed = true},
                     false});
  }
  return found;
}

absl::StatusOr<std::vector<Reservation>> InMemoryRouteStore::ClaimEnding(absl::Time before, absl::Time now,
                                                                         absl::Time until, int limit) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<Reservation> ending;
  for (const auto& [key, held] : held_) {
    const auto claim = claims_.find(key);
    if (held.expire_time <= before && (claim == claims_.end() || claim->second <= now)) ending.push_back(held);
  }
  std::stable_sort(ending.begin(), ending.end(),
                   [](const Reservation& a, const Reservation& b) { return a.expire_time < b.expire_time; });
  if (static_cast<int>(ending.size()) > limit) ending.resize(static_cast<std::size_t>(limit));
  for (const Reservation& claimed : ending) claims_[claimed.key] = until;
  return ending;
}

absl::StatusOr<std::int64_t> InMemoryRouteStore::CountHeld() {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  return static_cast<std::int64_t>(held_.size());
}

absl::StatusOr<std::vector<DecisionRecord>> InMemoryRouteStore::ListDecisions(const DecisionQuery& query) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<DecisionRecord> found;
  for (const DecisionRecord& record : records_) {
    if (Matches(record, query)) found.push_back(record);
  }
  std::sort(found.begin(), found.end(), [](const DecisionRecord& a, const DecisionRecord& b) {
    return std::pair(a.create_time, a.decision) > std::pair(b.create_time, b.decision);
  });
  if (static_cast<int>(found.size()) > query.limit) found.resize(static_cast<std::size_t>(query.limit));
  return found;
}

absl::StatusOr<StoredBudget> InMemoryRouteStore::SetBudget(const BudgetSpec& budget, const Uuid& fresh,
                                                           std::size_t most, std::string_view, absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  const auto known = budgets_.find(budget.name);
  if (known == budgets_.end() && budgets_.size() >= most) return TooManyBudgets(most);
  const bool same = known != budgets_.end() && CountsTheSame(known->second.spec, budget);
  Budget& stored = budgets_[budget.name];
  if (!same) stored.id = fresh;
  stored.spec = budget;
  for (auto& [key, period] : periods_) {
    if (key.first == stored.id) period.warned = false;
  }
  return StoredBudget{StateOf(stored, BoundsOf(budget.period, now).start), false};
}

absl::Status InMemoryRouteStore::RemoveBudget(std::string_view name) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  return budgets_.erase(std::string(name)) > 0 ? absl::OkStatus() : BudgetNotFound(name);
}

absl::StatusOr<std::vector<StoredBudget>> InMemoryRouteStore::ListBudgets(absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::vector<StoredBudget> out;
  for (const auto& [name, budget] : budgets_) {
    const BudgetState state = StateOf(budget, BoundsOf(budget.spec.period, now).start);
    const auto period = periods_.find({budget.id, state.bounds.start});
    out.push_back({state, period != periods_.end() && period->second.warned});
  }
  return out;
}

absl::Status InMemoryRouteStore::Maintain(absl::Time now, absl::Duration, absl::Time retain_from) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(Available());
  std::erase_if(records_, [&](const DecisionRecord& record) { return record.create_time < retain_from; });
  std::erase_if(charges_, [&](const auto& charge) {
    if (held_.count(charge.first) > 0) return false;
    return std::none_of(records_.begin(), records_.end(), [&](const DecisionRecord& record) {
      return record.key == charge.first && record.create_time >= now - kKeepCharges;
    });
  });
  return absl::OkStatus();
}

}  // namespace switchyard::router
