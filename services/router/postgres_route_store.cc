#include "services/router/postgres_route_store.h"

#include <map>
#include <set>
#include <utility>

#include "libs/base/status_macros.h"
#include "services/router/book_rules.h"
#include "services/router/postgres_books.h"
#include "services/router/sql/statements.h"

namespace switchyard::router {
namespace {

using Kind = ReserveOutcome::Kind;

// Whom each item counts as.
struct Spenders {
  explicit Spenders(absl::Span<const NewReservation> wanted) {
    for (const NewReservation& one : wanted) {
      projects.Append(one.project);
      providers.Append(one.provider);
      models.Append(one.canonical_model);
    }
    params.Add(projects).Add(providers).Add(models);
  }
  pg::TextArray projects, providers, models;
  pg::Params params;
};

// The periods of budgets that each item counts in now; what costs nothing counts in none.
std::vector<std::set<PeriodKey>> ToPeriods(const pg::Result& applying, absl::Span<const NewReservation> wanted,
                                           absl::Time now) {
  std::vector<std::set<PeriodKey>> periods(wanted.size());
  for (const pg::Row row : applying) {
    const auto item = static_cast<std::size_t>(row.Int64(0));
    if (wanted[item].reservation.micros == 0) continue;
    periods[item].insert({row.GetId<BudgetId>(1), BoundsOf(static_cast<BudgetPeriod>(row.Int64(2)), now).start});
  }
  return periods;
}

// Rows to be written by one Reserve.
struct ReserveWrites {
  void Put(const NewReservation& wanted, const std::set<PeriodKey>& periods) {
    const Reservation& made = wanted.reservation;
    tasks.Append(made.key.task);
    generations.Append(made.key.generation);
    decisions.Append(made.decision);
    times.Append(made.decision_time);
    endpoints.Append(made.endpoint_id);
    models.Append(made.model);
    micros.Append(made.micros);
    routings.Append(made.routing);
    confirmed.Append(made.confirmed);
    expires.Append(made.expire_time);
    agents.Append(made.agent);
    for (const PeriodKey& period : periods) {
      charged.Append(made.key);
      charge_budgets.Append(period.first);
      charge_starts.Append(period.second);
    }
    Records& records = wanted.replaces ? changed : added;
    records.keys.Append(made.key);
    records.decisions.Append(made.decision);
    records.times.Append(made.decision_time);
    records.projects.Append(wanted.project);
    records.models.Append(made.model);
    records.fallbacks.Append(wanted.fallback);
    records.explanations.Append(wanted.explanation);
    records.routings.Append(made.routing);
    records.micros.Append(made.micros);
  }
  void Uncharge(const RouteKey& key) { uncharged.Append(key); }
  void Forget(const Reservation& reservation) {
    forgotten.Append(reservation.key);
    forgotten_decisions.Append(reservation.decision);
    forgotten_times.Append(reservation.decision_time);
  }

  // Must outlive the run.
  void Write(absl::Time now, Pipeline& pipeline) const {
    if (uncharged.tasks.size() > 0) {
      pipeline.Add(sql::kDeleteCharges).Add(uncharged.tasks).Add(uncharged.generations);
    }
    if (forgotten.tasks.size() > 0) {
      pipeline.Add(sql::kDeleteHolds).Add(forgotten.tasks).Add(forgotten.generations);
      pg::Params& records = pipeline.Add(sql::kDeleteDecisions).Add(forgotten.tasks).Add(forgotten.generations);
      records.Add(forgotten_decisions).Add(forgotten_times);
    }
    if (tasks.size() == 0) return;
    pg::Params& holds = pipeline.Add(sql::kPutHolds).Add(tasks).Add(generations).Add(decisions).Add(times);
    holds.Add(endpoints).Add(models).Add(micros).Add(routings).Add(confirmed).Add(expires).Add(agents);
    if (charged.tasks.size() > 0) {
      pg::Params& charges = pipeline.Add(sql::kPutCharges).Add(charged.tasks).Add(charged.generations);
      charges.Add(charge_budgets).Add(charge_starts).Add(now);
    }
    if (added.keys.tasks.size() > 0) {
      pg::Params& records = pipeline.Add(sql::kAddDecisions).Add(added.keys.tasks).Add(added.keys.generations);
      records.Add(added.decisions).Add(added.times).Add(added.projects).Add(added.models).Add(added.fallbacks);
      records.Add(added.explanations).Add(added.routings).Add(added.micros);
    }
    if (changed.keys.tasks.size() > 0) {
      pg::Params& records = pipeline.Add(sql::kChangeDecisions).Add(changed.keys.tasks).Add(changed.keys.generations);
      records.Add(changed.decisions).Add(changed.times).Add(changed.models).Add(changed.fallbacks);
      records.Add(changed.routings).Add(changed.micros);
    }
  }

  struct Records {
    KeyArrays keys;
    pg::UuidArray decisions;
    pg::TimeArray times;
    pg::TextArray projects, models;
    pg::BoolArray fallbacks;
    pg::BytesArray explanations, routings;
    pg::Int64Array micros;
  };
  pg::UuidArray tasks, decisions;
  pg::Int64Array generations, micros;
  pg::TimeArray times, expires;
  pg::TextArray endpoints, models, agents;
  pg::BytesArray routings;
  pg::BoolArray confirmed;
  KeyArrays charged, uncharged, forgotten;
  pg::UuidArray charge_budgets, forgotten_decisions;
  pg::TimeArray charge_starts, forgotten_times;
  Records added, changed;
};

// What is known of the tasks of a batch, and what comes of it.
struct ReserveBatch {
  std::map<RouteKey, Reservation> held;
  std::map<RouteKey, std::set<PeriodKey>> charges;
  Periods periods;
  ReserveWrites writes;
  BudgetChange change;

  ReserveOutcome ReserveOne(const NewReservation& wanted, const std::set<PeriodKey>& applying, absl::Time now) {
    const Reservation& reservation = wanted.reservation;
    const auto known = held.find(reservation.key);
    const bool there = known != held.end();
    if (wanted.replaces && (!there || known->second.decision != reservation.decision)) return {.kind = Kind::kNotHeld};
    if (!wanted.replaces && there && (known->second.confirmed || known->second.expire_time > now)) {
      return {.kind = Kind::kHeld, .held = known->second};
    }
    const std::set<PeriodKey>& before = charges[reservation.key];
    const std::int64_t micros_before = there ? known->second.micros : 0;
    BudgetChange ignored;
    // What is given back by this is free for it. Without a reservation, charges are of one that has expired.
    for (const PeriodKey& key : before) periods.Count(key, 0, -micros_before, ignored);
    std::optional<BudgetLedger::Refused> refused;
    for (const PeriodKey& key : applying) {
      const BudgetState* const state = periods.Find(key);
      if (state != nullptr && !state->Fits(reservation.micros)) KeepStrictest(*state, refused);
    }
    if (refused.has_value() && wanted.replaces) {
      for (const PeriodKey& key : before) periods.Count(key, 0, micros_before, ignored);
      return {.kind = Kind::kRefused, .refused = *refused};
    }
    if (there && !wanted.replaces) writes.Forget(known->second);
    if (!before.empty()) writes.Uncharge(reservation.key);
    if (refused.has_value()) return {.kind = Kind::kRefused, .refused = *refused};
    std::set<PeriodKey> charged;
    for (const PeriodKey& key : applying) {
      if (periods.Find(key) == nullptr) continue;
      periods.Count(key, 0, reservation.micros, change);
      charged.insert(key);
    }
    writes.Put(wanted, charged);
    return {};
  }
};

}  // namespace

absl::StatusOr<ReserveResult> PostgresRouteStore::Reserve(absl::Span<const NewReservation> reservations,
                                                          absl::Time now) {
  ReserveResult result;
  if (reservations.empty()) return result;
  KeyArrays keys;
  for (const NewReservation& wanted : reservations) keys.Append(wanted.reservation.key);
  const Spenders spenders(reservations);
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    result = ReserveResult();
    ReserveBatch batch;
    pg::Result budgets;
    SY_ASSIGN_OR_RETURN(TaskBooks books, LockBooks(session, keys, spenders.params, budgets));
    batch.held = std::move(books.held);
    batch.charges = std::move(books.charges);
    const std::vector<std::set<PeriodKey>> applying = ToPeriods(budgets, reservations, now);
    std::set<PeriodKey> touched;
    for (const std::set<PeriodKey>& periods : applying) touched.insert(periods.begin(), periods.end());
    for (const auto& [key, periods] : batch.charges) touched.insert(periods.begin(), periods.end());
    SY_RETURN_IF_ERROR(batch.periods.Lock(session, touched));
    for (std::size_t i = 0; i < reservations.size(); ++i) {
      result.outcomes.push_back(batch.ReserveOne(reservations[i], applying[i], now));
    }
    result.change = std::move(batch.change);
    Pipeline pipeline;
    batch.periods.Store(pipeline);
    batch.writes.Write(now, pipeline);
    return pipeline.Run(session).status();
  }));
  return result;
}

absl::StatusOr<std::vector<RouteKey>> PostgresRouteStore::Confirm(absl::Span<const Reservation> reservations,
                                                                  absl::Time expire_time) {
  std::vector<RouteKey> lost;
  if (reservations.empty()) return lost;
  KeyArrays keys;
  pg::UuidArray decisions;
  for (const Reservation& reservation : reservations) {
    keys.Append(reservation.key);
    decisions.Append(reservation.decision);
  }
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations).Add(decisions).Add(expire_time);
  std::set<RouteKey> confirmed;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kConfirmHolds, params));
    confirmed.clear();
    for (const pg::Row row : rows) confirmed.insert({row.GetId<TaskId>(0), row.Int64(1)});
    return absl::OkStatus();
  }));
  for (const Reservation& reservation : reservations) {
    if (confirmed.count(reservation.key) == 0) lost.push_back(reservation.key);
  }
  return lost;
}

absl::StatusOr<EndResult> PostgresRouteStore::End(absl::Span<const Ending> endings, absl::Time now) {
  EndResult result;
  if (endings.empty()) return result;
  KeyArrays keys;
  for (const Ending& ending : endings) keys.Append(ending.key);
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    result = EndResult();
    SY_ASSIGN_OR_RETURN(TaskBooks books, LockBooks(session, keys));
    auto& [held, charges] = books;
    std::vector<RouteKey> perhaps_expired;
    for (const Ending& ending : endings) {
      if (ending.kind == Ending::Kind::kSettled && held.count(ending.key) == 0) perhaps_expired.push_back(ending.key);
    }
    SY_ASSIGN_OR_RETURN(auto expired, FindExpired(session, perhaps_expired));
    std::set<PeriodKey> touched;
    for (const auto& [key, periods] : charges) {
      if (held.count(key) > 0 || expired.count(key) > 0) touched.insert(periods.begin(), periods.end());
    }
    Periods periods;
    SY_RETURN_IF_ERROR(periods.Lock(session, touched));

    KeyArrays gone, uncharged, ended, forgotten;
    pg::UuidArray ended_decisions, forgotten_decisions;
    pg::TimeArray ended_times, forgotten_times;
    pg::Int16Array states, outcomes;
    pg::BytesArray usages;
    pg::Int64Array settled;
    pg::BoolArray mismatches;
    for (const Ending& ending : endings) {
      const auto live = held.find(ending.key);
      const auto late = expired.find(ending.key);
      if (live == held.end() && late == expired.end()) continue;
      if (live != held.end() && !ending.Means(live->second)) continue;
      // An expired one has no end any more that could be meant.
      if (live == held.end() && ending.decision.value_or(late->second.decision) != late->second.decision) continue;
      Reservation reservation = live != held.end() ? live->second : late->second;
      const std::int64_t spent = ending.kind == Ending::Kind::kSettled ? ending.micros : 0;
      const std::int64_t back = live != held.end() ? live->second.micros : 0;
      for (const PeriodKey& key : charges[ending.key]) periods.Count(key, spent, -back, result.change);
      if (live != held.end()) gone.Append(ending.key);
      if (ending.kind != Ending::Kind::kExpired) uncharged.Append(ending.key);
      if (ending.kind == Ending::Kind::kForgotten) {
        forgotten.Append(ending.key);
        forgotten_decisions.Append(reservation.decision);
        forgotten_times.Append(reservation.decision_time);
      } else {
        ended.Append(ending.key);
        ended_decisions.Append(reservation.decision);
        ended_times.Append(reservation.decision_time);
        states.Append(static_cast<std::int16_t>(ending.kind));
        outcomes.Append(static_cast<std::int16_t>(ending.outcome));
        usages.Append(ending.usage);
        settled.Append(spent);
        mismatches.Append(ending.mismatch);
      }
      // Named twice in one batch, it counts once too.
      held.erase(ending.key);
      expired.erase(ending.key);
      result.ended.push_back(std::move(reservation));
    }
    Pipeline pipeline;
    periods.Store(pipeline);
    if (uncharged.tasks.size() > 0) {
      pipeline.Add(sql::kDeleteCharges).Add(uncharged.tasks).Add(uncharged.generations);
    }
    if (gone.tasks.size() > 0) pipeline.Add(sql::kDeleteHolds).Add(gone.tasks).Add(gone.generations);
    if (forgotten.tasks.size() > 0) {
      pg::Params& records = pipeline.Add(sql::kDeleteDecisions).Add(forgotten.tasks).Add(forgotten.generations);
      records.Add(forgotten_decisions).Add(forgotten_times);
    }
    if (ended.tasks.size() > 0) {
      pg::Params& records = pipeline.Add(sql::kEndDecisions).Add(ended.tasks).Add(ended.generations);
      records.Add(ended_decisions).Add(ended_times).Add(states).Add(outcomes).Add(usages).Add(settled);
      records.Add(mismatches).Add(now);
    }
    return pipeline.Run(session).status();
  }));
  return result;
}

absl::StatusOr<std::vector<Reservation>> PostgresRouteStore::Renew(absl::Span<const RouteKey> keys,
                                                                   absl::Time expire_time) {
  std::vector<Reservation> renewed;
  if (keys.empty()) return renewed;
  KeyArrays arrays;
  for (const RouteKey& key : keys) arrays.Append(key);
  pg::Params params;
  params.Add(arrays.tasks).Add(arrays.generations).Add(expire_time);
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kRenewHolds, params));
    renewed.clear();
    for (const pg::Row row : rows) renewed.push_back(ToReservation(row));
    return absl::OkStatus();
  }));
  return renewed;
}

absl::StatusOr<std::vector<FoundReservation>> PostgresRouteStore::Find(absl::Span<const RouteKey> keys) {
  std::vector<FoundReservation> found;
  if (keys.empty()) return found;
  KeyArrays arrays;
  for (const RouteKey& key : keys) arrays.Append(key);
  SY_ASSIGN_OR_RETURN(const pg::Pool::Lease session, pool_.Acquire());
  SY_ASSIGN_OR_RETURN(auto held, FindHeld(*session, arrays));
  std::vector<RouteKey> others;
  for (const RouteKey& key : keys) {
    if (held.count(key) == 0) others.push_back(key);
  }
  SY_ASSIGN_OR_RETURN(auto expired, FindExpired(*session, others));
  for (auto& [key, reservation] : held) found.push_back({std::move(reservation), true});
  for (auto& [key, reservation] : expired) found.push_back({std::move(reservation), false});
  return found;
}

absl::StatusOr<std::vector<Reservation>> PostgresRouteStore::ClaimEnding(absl::Time before, absl::Time now,
                                                                         absl::Time until, int limit) {
  pg::Params params;
  params.Add(before).Add(now).Add(until).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kClaimEndingHolds, params));
  std::vector<Reservation> claimed;
  for (const pg::Row row : rows) claimed.push_back(ToReservation(row));
  return claimed;
}

absl::StatusOr<std::int64_t> PostgresRouteStore::CountHeld() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kCountHolds));
  return rows[0].Int64(0);
}

}  // namespace switchyard::router
