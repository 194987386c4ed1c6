#include "services/router/postgres_books.h"

#include <algorithm>
#include <limits>

#include "libs/base/status_macros.h"
#include "services/router/book_rules.h"
#include "services/router/sql/statements.h"

namespace switchyard::router {

Reservation ToReservation(const pg::Row& row) {
  return {.key = {row.GetId<TaskId>(0), row.Int64(1)},
          .decision = row.GetId<DecisionId>(2),
          .decision_time = row.Time(3),
          .endpoint_id = std::string(row.Text(4)),
          .model = std::string(row.Text(5)),
          .micros = row.Int64(6),
          .routing = std::string(row.Bytes(7)),
          .confirmed = row.Bool(8),
          .expire_time = row.Time(9),
          .agent = std::string(row.Text(10))};
}

absl::StatusOr<std::vector<pg::Result>> Pipeline::Run(pg::Session& session) const {
  std::vector<pg::Session::Call> calls;
  for (const auto& [statement, params] : parts_) calls.push_back({statement, &params});
  if (calls.empty()) return std::vector<pg::Result>();
  return session.ExecuteAll(calls);
}

namespace {

std::map<RouteKey, Reservation> ToHeld(const pg::Result& rows) {
  std::map<RouteKey, Reservation> found;
  for (const pg::Row row : rows) {
    Reservation reservation = ToReservation(row);
    found.emplace(reservation.key, std::move(reservation));
  }
  return found;
}

void AddBooks(const KeyArrays& keys, Pipeline& pipeline) {
  pipeline.Add(sql::kLockTasks).Add(keys.tasks);
  pipeline.Add(sql::kLockHolds).Add(keys.tasks).Add(keys.generations);
  pipeline.Add(sql::kFindCharges).Add(keys.tasks).Add(keys.generations);
}

TaskBooks ToBooks(const std::vector<pg::Result>& answers) {
  TaskBooks books{.held = ToHeld(answers[1]), .charges = {}};
  for (const pg::Row row : answers[2]) {
    books.charges[{row.GetId<TaskId>(0), row.Int64(1)}].insert({row.GetId<BudgetId>(2), row.Time(3)});
  }
  return books;
}

}  // namespace

absl::StatusOr<std::map<RouteKey, Reservation>> FindHeld(pg::Session& session, const KeyArrays& keys) {
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kFindHolds, params));
  return ToHeld(rows);
}

absl::StatusOr<TaskBooks> LockBooks(pg::Session& session, const KeyArrays& keys) {
  Pipeline pipeline;
  AddBooks(keys, pipeline);
  SY_ASSIGN_OR_RETURN(const std::vector<pg::Result> answers, pipeline.Run(session));
  return ToBooks(answers);
}

absl::StatusOr<TaskBooks> LockBooks(pg::Session& session, const KeyArrays& keys, const pg::Params& spenders,
                                    pg::Result& applying) {
  Pipeline pipeline;
  AddBooks(keys, pipeline);
  pipeline.Add(sql::kApplyingBudgets) = spenders;
  SY_ASSIGN_OR_RETURN(std::vector<pg::Result> answers, pipeline.Run(session));
  applying = std::move(answers[3]);
  return ToBooks(answers);
}

absl::StatusOr<std::map<RouteKey, Reservation>> FindExpired(pg::Session& session, absl::Span<const RouteKey> keys) {
  std::map<RouteKey, Reservation> found;
  if (keys.empty()) return found;
  KeyArrays arrays;
  absl::Time eldest = absl::InfiniteFuture();
  for (const RouteKey& key : keys) {
    arrays.Append(key);
    eldest = std::min(eldest, key.task.uuid().time());
  }
  pg::Params params;
  // Nothing of a task was decided before it was there; an hour for clocks that disagree.
  params.Add(arrays.tasks).Add(arrays.generations).Add(eldest - absl::Hours(1));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kFindExpiredDecisions, params));
  for (const pg::Row row : rows) {
    Reservation reservation{.key = {row.GetId<TaskId>(0), row.Int64(1)},
                            .decision = row.GetId<DecisionId>(2),
                            .decision_time = row.Time(3),
                            .model = std::string(row.Text(5)),
                            .routing = std::string(row.Bytes(4)),
                            .confirmed = true};
    found.emplace(reservation.key, std::move(reservation));
  }
  return found;
}

absl::Status Periods::Lock(pg::Session& session, const std::set<PeriodKey>& keys) {
  if (keys.empty()) return absl::OkStatus();
  pg::UuidArray budgets;
  pg::TimeArray starts;
  for (const auto& [budget, start] : keys) {
    budgets.Append(budget);
    starts.Append(start);
  }
  Pipeline pipeline;
  pipeline.Add(sql::kMakePeriods).Add(budgets).Add(starts);
  pipeline.Add(sql::kLockPeriods).Add(budgets).Add(starts);
  SY_ASSIGN_OR_RETURN(const std::vector<pg::Result> answers, pipeline.Run(session));
  for (const pg::Row row : answers[1]) {
    Row made;
    made.state.spent_micros = row.Int64(2);
    made.state.held_micros = row.Int64(3);
    made.warned = row.Bool(4);
    made.limited = !row.IsNull(5);
    made.state.spec = {.name = std::string(row.Text(7)),
                       .limit_micros = made.limited ? row.Int64(5) : std::numeric_limits<std::int64_t>::max(),
                       .warn_percent = static_cast<int>(row.Int64(6))};
    if (made.limited) {
      made.state.spec.policy = static_cast<BudgetPolicy>(row.Int64(8));
      made.state.spec.period = static_cast<BudgetPeriod>(row.Int64(9));
    }
    made.state.bounds = BoundsOf(made.state.spec.period, row.Time(1));
    rows_[{row.GetId<BudgetId>(0), row.Time(1)}] = std::move(made);
  }
  return absl::OkStatus();
}

const BudgetState* Periods::Find(const PeriodKey& key) const {
  const auto row = rows_.find(key);
  return row == rows_.end() || !row->second.limited ? nullptr : &row->second.state;
}

void Periods::Count(const PeriodKey& key, std::int64_t spent, std::int64_t held, BudgetChange& change) {
  const auto row = rows_.find(key);
  if (row == rows_.end()) return;
  BudgetChange passed;
  router::Count(row->second.state, spent, held, row->second.warned, passed);
  row->second.changed = true;
  if (!row->second.limited) return;
  change.warned.insert(change.warned.end(), passed.warned.begin(), passed.warned.end());
  change.exceeded.insert(change.exceeded.end(), passed.exceeded.begin(), passed.exceeded.end());
}

void Periods::Store(Pipeline& pipeline) {
  for (const auto& [key, row] : rows_) {
    if (!row.changed) continue;
    budgets_.Append(key.first);
    starts_.Append(key.second);
    spent_.Append(row.state.spent_micros);
    held_.Append(row.state.held_micros);
    warned_.Append(row.warned);
  }
  if (budgets_.size() == 0) return;
  pipeline.Add(sql::kStorePeriods).Add(budgets_).Add(starts_).Add(spent_).Add(held_).Add(warned_);
}

}  // namespace switchyard::router
