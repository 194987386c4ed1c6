#include "services/verification/postgres_verification_store.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "libs/base/status_macros.h"
#include "services/verification/sql/statements.h"
#include "services/verification/verification_errors.h"

namespace switchyard::verification {
namespace {

constexpr int kReportColumn = 23;

Record ToRecord(const pg::Row& row) {
  Record record;
  record.key = {row.GetId<TaskId>(0), row.Int64(1)};
  record.state = static_cast<RecordState>(row.Int64(2));
  record.verdict = static_cast<Verdict>(row.Int64(3));
  record.reason = std::string(row.Text(4));
  record.permanent = row.Bool(5);
  record.create_time = row.Time(6);
  record.decide_time = row.OptionalTime(7);
  record.project = std::string(row.Text(8));
  record.model = std::string(row.Text(9));
  record.tier = static_cast<Tier>(row.Int64(10));
  record.cost_micros = row.Int64(11);
  record.cost_unknown = row.Bool(12);
  record.judge_state = static_cast<JudgeState>(row.Int64(13));
  record.judge_model = std::string(row.Text(14));
  record.judge_confidence = row.Double(15);
  record.same_family = row.Bool(16);
  record.judge_task = TaskId(row.OptionalUuid(17).value_or(Uuid()));
  record.judge_due = row.Time(18);
  record.body = std::string(row.Bytes(19));
  record.policy = std::string(row.Bytes(20));
  record.spec = std::string(row.Bytes(21));
  record.watched = row.Bool(22);
  return record;
}

// Parallel arrays of keys, for unnest.
struct KeyArrays {
  void Append(const WorkKey& key) {
    tasks.Append(key.task);
    generations.Append(key.generation);
  }
  pg::UuidArray tasks;
  pg::Int64Array generations;
};

std::set<WorkKey> KeysOf(const pg::Result& rows) {
  std::set<WorkKey> keys;
  for (const pg::Row row : rows) keys.insert({row.GetId<TaskId>(0), row.Int64(1)});
  return keys;
}

// What was written now, and what stood there, in the order of `records`. A row that a concurrent transaction inserted
// is seen by the statement that follows.
absl::StatusOr<std::vector<KeptRecord>> ReadBack(pg::Session& session, absl::Span<const Record> records,
                                                 const std::set<WorkKey>& fresh) {
  KeyArrays keys;
  for (const Record& record : records) keys.Append(record.key);
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kFindRecords, params));
  std::map<WorkKey, Record> found;
  for (const pg::Row row : rows) {
    Record record = ToRecord(row);
    const WorkKey key = record.key;
    found.emplace(key, std::move(record));
  }
  std::vector<KeptRecord> kept;
  for (const Record& record : records) {
    const auto one = found.find(record.key);
    if (one != found.end()) kept.push_back({std::move(one->second), fresh.count(record.key) > 0});
  }
  return kept;
}

std::vector<const Record*> Sorted(absl::Span<const Record> records) {
  std::vector<const Record*> sorted;
  for (const Record& record : records) sorted.push_back(&record);
  std::sort(sorted.begin(), sorted.end(), [](const Record* a, const Record* b) { return a->key < b->key; });
  return sorted;
}

absl::StatusOr<std::map<TaskId, std::vector<Mark>>> FindMarks(pg::Session& session, const std::set<TaskId>& tasks) {
  pg::UuidArray ids;
  for (const TaskId& task : tasks) ids.Append(task);
  pg::Params params;
  params.Add(ids);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(sql::kFindMarks, params));
  std::map<TaskId, std::vector<Mark>> marks;
  for (const pg::Row row : rows) {
    marks[row.GetId<TaskId>(0)].push_back({.kind = static_cast<OutcomeKind>(row.Int64(1)),
                                           .source = std::string(row.Text(2)),
                                           .note = std::string(row.Text(3)),
                                           .time = row.Time(4)});
  }
  return marks;
}

}  // namespace

absl::StatusOr<std::vector<KeptRecord>> PostgresVerificationStore::Add(absl::Span<const Record> records,
                                                                       absl::Time look_after) {
  if (records.empty()) return std::vector<KeptRecord>();
  KeyArrays keys;
  pg::Int16Array states, verdicts, tiers, judge_states;
  pg::TextArray reasons, projects, models, judge_models;
  pg::BoolArray permanents, unknowns, families, watched;
  pg::TimeArray times, dues;
  pg::Int64Array costs;
  pg::DoubleArray confidences;
  pg::BytesArray bodies, policies, specs, reports;
  // In one order by everyone, so that two never wait for each other.
  for (const Record* record : Sorted(records)) {
    keys.Append(record->key);
    states.Append(static_cast<std::int16_t>(record->state));
    verdicts.Append(static_cast<std::int16_t>(record->verdict));
    reasons.Append(record->reason);
    permanents.Append(record->permanent);
    times.Append(record->create_time);
    projects.Append(record->project);
    models.Append(record->model);
    tiers.Append(static_cast<std::int16_t>(record->tier));
    costs.Append(record->cost_micros);
    unknowns.Append(record->cost_unknown);
    judge_states.Append(static_cast<std::int16_t>(record->judge_state));
    judge_models.Append(record->judge_model);
    confidences.Append(record->judge_confidence);
    families.Append(record->same_family);
    dues.Append(record->judge_due);
    bodies.Append(record->body);
    policies.Append(record->policy);
    specs.Append(record->spec);
    reports.Append(record->report);
    watched.Append(record->watched);
  }
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations).Add(states).Add(verdicts).Add(reasons).Add(permanents).Add(times);
  params.Add(projects).Add(models).Add(tiers).Add(costs).Add(unknowns).Add(judge_states).Add(judge_models);
  params.Add(confidences)
      .Add(families)
      .Add(dues)
      .Add(bodies)
      .Add(policies)
      .Add(specs)
      .Add(reports)
      .Add(look_after)
      .Add(watched);
  std::vector<KeptRecord> kept;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(const pg::Result added, session.Execute(sql::kAddRecords, params));
    if (static_cast<std::size_t>(added.size()) == records.size()) {
      kept.clear();
      for (const Record& record : records) {
        kept.push_back({record, true});
        kept.back().record.report.clear();
      }
      return absl::OkStatus();
    }
    SY_ASSIGN_OR_RETURN(kept, ReadBack(session, records, KeysOf(added)));
    return absl::OkStatus();
  }));
  return kept;
}

absl::StatusOr<std::vector<KeptRecord>> PostgresVerificationStore::Decide(absl::Span<const Record> records,
                                                                          absl::Time look_after) {
  if (records.empty()) return std::vector<KeptRecord>();
  KeyArrays keys;
  pg::Int16Array verdicts, judge_states;
  pg::TextArray reasons, judge_models;
  pg::BoolArray permanents, families;
  pg::TimeArray times;
  pg::DoubleArray confidences;
  pg::BytesArray bodies;
  for (const Record* record : Sorted(records)) {
    keys.Append(record->key);
    verdicts.Append(static_cast<std::int16_t>(record->verdict));
    reasons.Append(record->reason);
    permanents.Append(record->permanent);
    times.Append(record->decide_time.value_or(record->create_time));
    judge_states.Append(static_cast<std::int16_t>(record->judge_state));
    judge_models.Append(record->judge_model);
    confidences.Append(record->judge_confidence);
    families.Append(record->same_family);
    bodies.Append(record->body);
  }
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations).Add(verdicts).Add(reasons).Add(permanents).Add(times);
  params.Add(judge_states).Add(judge_models).Add(confidences).Add(families).Add(bodies).Add(look_after);
  std::vector<KeptRecord> kept;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(const pg::Result decided, session.Execute(sql::kDecideRecords, params));
    SY_ASSIGN_OR_RETURN(kept, ReadBack(session, records, KeysOf(decided)));
    return absl::OkStatus();
  }));
  return kept;
}

absl::Status PostgresVerificationStore::SetJudgeTask(const WorkKey& key, const TaskId& judge) {
  pg::Params params;
  params.Add(key.task).Add(key.generation).Add(judge);
  return pool_.Execute(sql::kSetJudgeTask, params).status();
}

absl::Status PostgresVerificationStore::End(absl::Span<const Finish> finishes) {
  if (finishes.empty()) return absl::OkStatus();
  std::vector<Finish> sorted(finishes.begin(), finishes.end());
  std::sort(sorted.begin(), sorted.end(), [](const Finish& a, const Finish& b) { return a.key < b.key; });
  KeyArrays keys;
  pg::Int16Array states;
  for (const Finish& finish : sorted) {
    keys.Append(finish.key);
    states.Append(static_cast<std::int16_t>(finish.state));
  }
  pg::Params params;
  params.Add(keys.tasks).Add(keys.generations).Add(states);
  return pool_.Execute(sql::kEndRecords, params).status();
}

absl::StatusOr<std::vector<Record>> PostgresVerificationStore::Claim(absl::Time now, absl::Duration least,
                                                                     absl::Duration most, int limit) {
  pg::Params params;
  params.Add(now).Add(absl::ToInt64Microseconds(least)).Add(absl::ToInt64Microseconds(most));
  params.Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kClaimRecords, params));
  std::vector<Record> records;
  for (const pg::Row row : rows) records.push_back(ToRecord(row));
  return records;
}

absl::StatusOr<Backlog> PostgresVerificationStore::CountUnfinished() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kCountUnfinished));
  return Backlog{rows[0].Int64(0), rows[0].Int64(1)};
}

absl::StatusOr<FoundRecord> PostgresVerificationStore::Find(const TaskId& task, std::int64_t generation) {
  SY_ASSIGN_OR_RETURN(const pg::Pool::Lease session, pool_.Acquire());
  pg::Params params;
  params.Add(task).Add(generation);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, session->Execute(sql::kFindRecord, params));
  if (rows.empty()) return VerificationNotFound(task.ToString());
  FoundRecord found{ToRecord(rows[0]), {}};
  found.record.report = std::string(rows[0].Bytes(kReportColumn));
  SY_ASSIGN_OR_RETURN(auto marks, FindMarks(*session, {task}));
  found.marks = std::move(marks[task]);
  return found;
}

absl::StatusOr<std::vector<FoundRecord>> PostgresVerificationStore::List(const RecordQuery& query) {
  SY_ASSIGN_OR_RETURN(const pg::Pool::Lease session, pool_.Acquire());
  pg::Params params;
  params.Add(query.before_time).Add(query.before.task).Add(query.before.generation);
  params.Add(query.task.has_value() ? std::optional(query.task->uuid()) : std::nullopt);
  params.Add(query.project).Add(query.model);
  params.Add(static_cast<std::int64_t>(query.state.has_value() ? static_cast<int>(*query.state) : 0));
  params.Add(static_cast<std::int64_t>(query.verdict.has_value() ? static_cast<int>(*query.verdict) : -1));
  params.Add(static_cast<std::int64_t>(query.limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows,
                      session->Execute(query.task.has_value() ? sql::kListTaskRecords : sql::kListRecords, params));
  std::vector<FoundRecord> found;
  std::set<TaskId> tasks;
  for (const pg::Row row : rows) {
    found.push_back({ToRecord(row), {}});
    tasks.insert(found.back().record.key.task);
  }
  if (found.empty()) return found;
  SY_ASSIGN_OR_RETURN(const auto marks, FindMarks(*session, tasks));
  for (FoundRecord& one : found) {
    if (const auto its = marks.find(one.record.key.task); its != marks.end()) one.marks = its->second;
  }
  return found;
}

absl::StatusOr<StoredPolicy> PostgresVerificationStore::SetPolicy(const StoredPolicy& policy, std::size_t most,
                                                                  std::string_view by) {
  StoredPolicy stored = policy;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockPolicies).status());
    pg::Params key;
    key.Add(policy.project).Add(static_cast<std::int64_t>(policy.tier));
    SY_ASSIGN_OR_RETURN(const pg::Result others, session.Execute(sql::kCountOtherPolicies, key));
    if (others[0].Int64(0) >= static_cast<std::int64_t>(most)) return TooManyPolicies(most);
    pg::Params params;
    params.Add(policy.project).Add(static_cast<std::int64_t>(policy.tier)).Add(policy.update_time).Add(by);
    params.Add(pg::Bytes{policy.body});
    SY_ASSIGN_OR_RETURN(const pg::Result set, session.Execute(sql::kSetPolicy, params));
    stored.version = set[0].Int64(0);
    return absl::OkStatus();
  }));
  return stored;
}

absl::Status PostgresVerificationStore::RemovePolicy(std::string_view project, Tier tier) {
  pg::Params params;
  params.Add(project).Add(static_cast<std::int64_t>(tier));
  SY_ASSIGN_OR_RETURN(const pg::Result removed, pool_.Execute(sql::kRemovePolicy, params));
  return removed.affected() > 0 ? absl::OkStatus() : PolicyNotFound();
}

absl::StatusOr<std::vector<StoredPolicy>> PostgresVerificationStore::ListPolicies() {
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kListPolicies));
  std::vector<StoredPolicy> policies;
  for (const pg::Row row : rows) {
    policies.push_back({.project = std::string(row.Text(0)),
                        .tier = static_cast<Tier>(row.Int64(1)),
                        .version = row.Int64(2),
                        .update_time = row.Time(3),
                        .body = std::string(row.Bytes(4))});
  }
  return policies;
}

absl::StatusOr<std::vector<Record>> PostgresVerificationStore::ListWatched(const TaskId& after, absl::Time since,
                                                                           int limit) {
  pg::Params params;
  params.Add(after).Add(since).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kListWatched, params));
  std::vector<Record> records;
  for (const pg::Row row : rows) {
    records.push_back(ToRecord(row));
    records.back().report = std::string(row.Bytes(kReportColumn));
  }
  return records;
}

absl::Status PostgresVerificationStore::AddMark(const TaskId& task, const Mark& mark) {
  pg::Params params;
  params.Add(task).Add(static_cast<std::int64_t>(mark.kind)).Add(mark.source).Add(mark.note).Add(mark.time);
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_ASSIGN_OR_RETURN(const pg::Result added, session.Execute(sql::kAddMark, params));
    if (added.affected() == 0) return VerificationNotFound(task.ToString());
    if (mark.source != kForgeSource) return absl::OkStatus();
    pg::Params watch;
    watch.Add(task);
    return session.Execute(sql::kEndWatch, watch).status();
  });
}

absl::StatusOr<std::vector<CalibrationGroup>> PostgresVerificationStore::Calibrate(std::string_view project,
                                                                                   absl::Time since) {
  pg::Params params;
  params.Add(project).Add(since).Add(since - kLongestDecision);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(sql::kCalibrate, params));
  std::vector<CalibrationGroup> groups;
  for (const pg::Row row : rows) {
    groups.push_back({.model = std::string(row.Text(0)),
                      .tier = static_cast<Tier>(row.Int64(1)),
                      .verdict = static_cast<Verdict>(row.Int64(2)),
                      .quality = static_cast<Quality>(row.Int64(3)),
                      .judge_model = std::string(row.Text(4)),
                      .judge_state = static_cast<JudgeState>(row.Int64(5)),
                      .count = row.Int64(6),
                      .cost_micros = row.Int64(7),
                      .cost_unknown = row.Int64(8),
                      .same_family = row.Int64(9),
                      .sum_good = row.Double(10),
                      .sum_good_squared = row.Double(11)});
  }
  return groups;
}

absl::StatusOr<int> PostgresVerificationStore::Forget(absl::Time before, int limit) {
  int dropped = 0;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params params;
    params.Add(before).Add(static_cast<std::int64_t>(limit));
    SY_ASSIGN_OR_RETURN(const pg::Result gone, session.Execute(sql::kForgetRecords, params));
    dropped = static_cast<int>(gone.affected());
    if (dropped == 0) return absl::OkStatus();
    pg::UuidArray tasks;
    for (const pg::Row row : gone) tasks.Append(row.GetId<TaskId>(0));
    pg::Params marks;
    marks.Add(tasks);
    return session.Execute(sql::kForgetMarks, marks).status();
  }));
  return dropped;
}

}  // namespace switchyard::verification
