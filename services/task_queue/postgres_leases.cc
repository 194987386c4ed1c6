// Sessions of agents and shards of schedulers.
#include <optional>
#include <utility>

#include "libs/base/status_macros.h"
#include "services/task_queue/postgres_task_store.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {

absl::StatusOr<Session> PostgresTaskStore::OpenSession(std::string_view agent, std::string_view hub, absl::Time expire,
                                                       std::int64_t connection) {
  pg::Params params;
  params.Add(agent).Add(hub).Add(expire).Add(connection);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kOpenSession, params));
  if (rows.empty()) {
    pg::Params which;
    which.Add(agent);
    SY_ASSIGN_OR_RETURN(const pg::Result latest, Query(kSessionConnection, which));
    return StaleConnection(agent, connection, latest.empty() ? connection : latest[0].Int64(0));
  }
  return Session{
      .agent = std::string(agent), .epoch = rows[0].Int64(0), .hub = std::string(hub), .expire_time = expire};
}

absl::StatusOr<std::vector<std::string>> PostgresTaskStore::RenewSessions(
    absl::Span<const std::pair<std::string, std::int64_t>> sessions, absl::Time expire) {
  pg::TextArray agents;
  pg::Int64Array epochs;
  for (const auto& [agent, epoch] : sessions) {
    agents.Append(agent);
    epochs.Append(epoch);
  }
  pg::Params params;
  params.Add(agents).Add(epochs).Add(expire);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kRenewSessions, params));
  std::vector<std::string> renewed;
  for (const pg::Row row : rows) renewed.emplace_back(row.Text(0));
  return renewed;
}

absl::StatusOr<std::vector<Session>> PostgresTaskStore::ExpiredSessions(absl::Time now, int limit) {
  pg::Params params;
  params.Add(now).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kExpiredSessions, params));
  std::vector<Session> sessions;
  for (const pg::Row row : rows) {
    sessions.push_back({std::string(row.Text(0)), row.Int64(1), std::string(row.Text(2)), row.Time(3)});
  }
  return sessions;
}

absl::StatusOr<bool> PostgresTaskStore::FenceSession(std::string_view agent, std::int64_t epoch) {
  pg::Params params;
  params.Add(agent).Add(epoch);
  SY_ASSIGN_OR_RETURN(const pg::Result fenced, Query(kFenceSession, params));
  return fenced.affected() > 0;
}

absl::Status PostgresTaskStore::CloseSession(std::string_view agent, std::int64_t epoch) {
  pg::Params params;
  params.Add(agent).Add(epoch);
  return Query(kCloseSession, params).status();
}

absl::StatusOr<std::vector<StoredTask>> PostgresTaskStore::OwnedTasks(const pg::Result& rows) {
  std::vector<StoredTask> tasks;
  for (const pg::Row row : rows) {
    std::optional<TaskRecord> record = Readable(row.GetId<TaskId>(0), row.Bytes(1));
    if (record.has_value()) tasks.push_back({.record = *std::move(record)});
  }
  SY_RETURN_IF_ERROR(AttachTasks(absl::MakeSpan(tasks), {}));
  return tasks;
}

absl::StatusOr<std::vector<StoredTask>> PostgresTaskStore::OwnedBy(absl::Span<const std::string> agents) {
  pg::TextArray names;
  for (const std::string& agent : agents) names.Append(agent);
  pg::Params params;
  params.Add(names);
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kOwnedBy, params));
  return OwnedTasks(rows);
}

absl::StatusOr<std::vector<TaskRecord>> PostgresTaskStore::WithDirectives(const TaskId& after, int limit) {
  pg::Params params;
  params.Add(after.uuid()).Add(static_cast<std::int64_t>(limit));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, Query(kWithDirectives, params));
  std::vector<TaskRecord> records;
  for (const pg::Row row : rows) {
    std::optional<TaskRecord> record = Readable(row.GetId<TaskId>(0), row.Bytes(1));
    if (record.has_value()) records.push_back(*std::move(record));
  }
  return records;
}

absl::StatusOr<std::vector<ShardLease>> PostgresTaskStore::AcquireShards(std::string_view owner, int want,
                                                                         absl::Time now, absl::Time expire) {
  std::vector<ShardLease> leases;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params renew, surplus, take, held;
    renew.Add(owner).Add(expire);
    SY_RETURN_IF_ERROR(session.Execute(kRenewShards, renew).status());
    surplus.Add(owner).Add(static_cast<std::int64_t>(want));
    SY_RETURN_IF_ERROR(session.Execute(kDropSurplusShards, surplus).status());
    take.Add(owner).Add(static_cast<std::int64_t>(want)).Add(now).Add(expire);
    SY_RETURN_IF_ERROR(session.Execute(kTakeShards, take).status());
    held.Add(owner);
    SY_ASSIGN_OR_RETURN(const pg::Result rows, session.Execute(kHeldShards, held));
    leases.clear();
    for (const pg::Row row : rows) leases.push_back({static_cast<int>(row.Int64(0)), row.Int64(1)});
    return absl::OkStatus();
  }));
  return leases;
}

absl::Status PostgresTaskStore::ReleaseShards(std::string_view owner) {
  pg::Params params;
  params.Add(owner);
  return Query(kReleaseShards, params).status();
}

}  // namespace switchyard::task_queue
