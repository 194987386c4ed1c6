// Budgets as people set them, and the record of decisions.
#include <algorithm>
#include <map>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/router/book_rules.h"
#include "services/router/postgres_books.h"
#include "services/router/postgres_route_store.h"
#include "services/router/router_errors.h"
#include "services/router/sql/statements.h"

namespace switchyard::router {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
// How long after it expired a reservation may still be settled.
constexpr absl::Duration kKeepCharges = absl::Hours(24 * 7);
// Longer than any period.
constexpr absl::Duration kKeepPeriods = absl::Hours(24 * 70);

std::string DayOf(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

DecisionRecord ToRecord(const pg::Row& row) {
  return {.key = {row.GetId<TaskId>(0), row.Int64(1)},
          .decision = row.GetId<DecisionId>(2),
          .create_time = row.Time(3),
          .project = std::string(row.Text(4)),
          .model = std::string(row.Text(5)),
          .state = static_cast<DecisionState>(row.Int64(6)),
          .fallback = row.Bool(7),
          .mismatch = row.Bool(8),
          .explanation = std::string(row.Bytes(9)),
          .routing = std::string(row.Bytes(10)),
          .usage = std::string(row.Bytes(11)),
          .outcome = static_cast<AttemptOutcome>(row.Int64(12)),
          .reserved_micros = row.Int64(13),
          .settled_micros = row.Int64(14),
          .settle_time = row.OptionalTime(15)};
}

struct Counted {
  absl::Time start;
  std::int64_t spent = 0;
  std::int64_t held = 0;
  bool warned = false;
};

absl::StatusOr<std::map<BudgetId, Counted>> ListPeriods(pg::Session& session) {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kListPeriods));
  std::map<BudgetId, Counted> counted;
  for (const pg::Row row : rows) {
    counted[row.GetId<BudgetId>(0)] = {row.Time(1), row.Int64(2), row.Int64(3), row.Bool(4)};
  }
  return counted;
}

}  // namespace

absl::StatusOr<StoredBudget> PostgresRouteStore::SetBudget(const BudgetSpec& budget, const Uuid& fresh,
                                                           std::size_t most, std::string_view by, absl::Time now) {
  StoredBudget stored;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockBudgets).status());
    pg::Params name;
    name.Add(budget.name);
    SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindBudget, name));
    const pg::Row row = found[0];
    const bool there = !row.IsNull(0);
    if (!there && row.Int64(5) >= static_cast<std::int64_t>(most)) return TooManyBudgets(most);
    BudgetId id(fresh);
    if (there) {
      const BudgetSpec before{.name = budget.name,
                              .project = std::string(row.Text(1)),
                              .provider = std::string(row.Text(2)),
                              .model = std::string(row.Text(3)),
                              .period = static_cast<BudgetPeriod>(row.Int64(4))};
      if (CountsTheSame(before, budget)) id = row.GetId<BudgetId>(0);
    }
    pg::Params params;
    params.Add(budget.name)
        .Add(id)
        .Add(budget.project)
        .Add(budget.provider)
        .Add(budget.model)
        .Add(static_cast<std::int32_t>(budget.period))
        .Add(budget.limit_micros)
        .Add(static_cast<std::int32_t>(budget.policy))
        .Add(static_cast<std::int32_t>(budget.warn_percent == 0 ? 80 : budget.warn_percent))
        .Add(now)
        .Add(by);
    SY_RETURN_IF_ERROR(session.Execute(sql::kSetBudget, params).status());
    pg::Params rearm;
    rearm.Add(id);
    SY_RETURN_IF_ERROR(session.Execute(sql::kRearmWarnings, rearm).status());
    SY_ASSIGN_OR_RETURN(const auto counted, ListPeriods(session));
    stored = {.state = {.spec = budget, .bounds = BoundsOf(budget.period, now)}};
    if (const auto period = counted.find(id);
        period != counted.end() && period->second.start == stored.state.bounds.start) {
      stored.state.spent_micros = period->second.spent;
      stored.state.held_micros = period->second.held;
    }
    return absl::OkStatus();
  }));
  return stored;
}

absl::Status PostgresRouteStore::RemoveBudget(std::string_view name) {
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockBudgets).status());
    pg::Params params;
    params.Add(name);
    SY_ASSIGN_OR_RETURN(const pg::Result removed, session.Execute(sql::kRemoveBudget, params));
    return removed.affected() > 0 ? absl::OkStatus() : BudgetNotFound(name);
  });
}

absl::StatusOr<std::vector<StoredBudget>> PostgresRouteStore::ListBudgets(absl::Time now) {
  SY_ASSIGN_OR_RETURN(const pg::Pool::Lease session, pool_.Acquire());
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session->Execute(sql::kListBudgets));
  SY_ASSIGN_OR_RETURN(const auto counted, ListPeriods(*session));
  std::vector<StoredBudget> budgets;
  for (const pg::Row row : rows) {
    BudgetState state{.spec = {.name = std::string(row.Text(1)),
                               .project = std::string(row.Text(2)),
                               .provider = std::string(row.Text(3)),
                               .model = std::string(row.Text(4)),
                               .period = static_cast<BudgetPeriod>(row.Int64(5)),
                               .limit_micros = row.Int64(6),
                               .policy = static_cast<BudgetPolicy>(row.Int64(7)),
                               .warn_percent = static_cast<int>(row.Int64(8))}};
    state.bounds = BoundsOf(state.spec.period, now);
    bool warned = false;
    if (const auto period = counted.find(row.GetId<BudgetId>(0));
        period != counted.end() && period->second.start == state.bounds.start) {
      state.spent_micros = period->second.spent;
      state.held_micros = period->second.held;
      warned = period->second.warned;
    }
    budgets.push_back({std::move(state), warned});
  }
  return budgets;
}

absl::StatusOr<std::vector<DecisionRecord>> PostgresRouteStore::ListDecisions(const DecisionQuery& query) {
  pg::Params params;
  params.Add(query.before_time)
      .Add(query.before)
      .Add(query.task.has_value() ? std::optional(query.task->uuid()) : std::nullopt);
  params.Add(query.project).Add(query.model).Add(query.fallbacks_only).Add(query.mismatches_only);
  params.Add(static_cast<std::int64_t>(query.limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kListDecisions, params));
  std::vector<DecisionRecord> records;
  for (const pg::Row row : rows) records.push_back(ToRecord(row));
  return records;
}

absl::Status PostgresRouteStore::Maintain(absl::Time now, absl::Duration ahead, absl::Time retain_from) {
  for (absl::Time day = now - kDay; day <= now + ahead; day += kDay) {
    pg::Params params;
    params.Add(DayOf(day));
    SY_RETURN_IF_ERROR(pool_.Execute(sql::kMakeDecisionPartition, params).status());
  }
  pg::Params eldest;
  eldest.Add(DayOf(retain_from));
  SY_ASSIGN_OR_RETURN(const pg::Result partitions, pool_.Execute(sql::kListDecisionPartitions, eldest));
  for (const pg::Row row : partitions) SY_RETURN_IF_ERROR(DropPartition(std::string(row.Text(0)), row.Bool(1)));
  pg::Params charges;
  charges.Add(now - kKeepCharges);
  SY_RETURN_IF_ERROR(pool_.Execute(sql::kForgetCharges, charges).status());
  pg::Params periods;
  periods.Add(now - kKeepPeriods);
  return pool_.Execute(sql::kForgetPeriods, periods).status();
}

absl::Status PostgresRouteStore::DropPartition(const std::string& child, bool attached) {
  SY_ASSIGN_OR_RETURN(pg::Pool::Lease session, pool_.Acquire());
  pg::Params name;
  name.Add(child);
  if (attached) {
    SY_ASSIGN_OR_RETURN(const pg::Result detach, session->Execute(sql::kDetachDecisionPartitionText, name));
    if (absl::Status status = session->RunScript(detach[0].Text(0)); !status.ok()) {
      // A run that was interrupted left it half detached.
      SY_ASSIGN_OR_RETURN(const pg::Result finalize, session->Execute(sql::kFinalizeDecisionPartitionText, name));
      if (!session->RunScript(finalize[0].Text(0)).ok()) return status;
    }
  }
  SY_ASSIGN_OR_RETURN(const pg::Result drop, session->Execute(sql::kDropDecisionPartitionText, name));
  SY_RETURN_IF_ERROR(session->RunScript(drop[0].Text(0)));
  LogInfo("decisions were dropped after their retention", {{"partition", child}});
  return absl::OkStatus();
}

}  // namespace switchyard::router
