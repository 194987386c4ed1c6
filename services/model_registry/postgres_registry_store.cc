#include "services/model_registry/postgres_registry_store.h"

#include <set>

#include "libs/base/status_macros.h"
#include "services/model_registry/registry_convert.h"
#include "services/model_registry/registry_errors.h"
#include "services/model_registry/sql/statements.h"

namespace switchyard::model_registry {
namespace {

// Where the columns of every query of endpoints end.
constexpr int kContentHashColumn = 6;

EndpointRecord ToRecord(const pg::Row& row) {
  EndpointRecord record;
  record.id = row.GetId<EndpointId>(0);
  record.spec = ParseStoredSpec(row.Bytes(1));
  record.create_time = row.Time(2);
  record.update_time = row.Time(3);
  record.created_by = std::string(row.Text(4));
  record.revision = row.Int64(5);
  return record;
}

Reservation ToReservation(const pg::Row& row) {
  return {.key = {row.GetId<EndpointId>(0), row.GetId<TaskId>(1), row.Int64(2)},
          .model = std::string(row.Text(3)),
          .urgent = row.Bool(4),
          .create_time = row.Time(5),
          .expire_time = row.Time(6)};
}

std::vector<Reservation> ToReservations(const pg::Result& result) {
  std::vector<Reservation> out;
  for (const pg::Row row : result) out.push_back(ToReservation(row));
  return out;
}

// The keys as one array per column.
struct KeyArrays {
  explicit KeyArrays(absl::Span<const ReservationKey> keys) {
    for (const ReservationKey& key : keys) {
      endpoints.Append(key.endpoint);
      tasks.Append(key.task);
      generations.Append(key.generation);
    }
  }
  pg::UuidArray endpoints, tasks;
  pg::Int64Array generations;
};

absl::Status BeginChange(pg::Session& session) { return session.Execute(sql::kLockConfiguration).status(); }
absl::Status RaiseRevision(pg::Session& session) { return session.Execute(sql::kRaiseRevision).status(); }

absl::StatusOr<EndpointRecord> FindRecord(pg::Session& session, const EndpointId& id) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindEndpoint, params));
  if (found.empty()) return EndpointNotFound(id.ToString());
  return ToRecord(found[0]);
}

absl::StatusOr<std::optional<InsertOutcome>> FindRequest(pg::Session& session, const NewEndpoint& endpoint) {
  if (endpoint.request_id.empty()) return std::nullopt;
  pg::Params params;
  params.Add(endpoint.requester).Add(endpoint.request_id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindRequest, params));
  if (found.empty()) return std::nullopt;
  using Kind = InsertOutcome::Kind;
  if (found[0].Bytes(kContentHashColumn) != endpoint.content_hash) return InsertOutcome{Kind::kRequestIdReused, {}};
  return InsertOutcome{Kind::kReplayed, ToRecord(found[0])};
}

}  // namespace

absl::StatusOr<std::int64_t> PostgresRegistryStore::Revision() {
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kReadRevision));
  return found.empty() ? 0 : found[0].Int64(0);
}

absl::StatusOr<StoredConfiguration> PostgresRegistryStore::Load() {
  StoredConfiguration out;
  // First: what changes between the reads is read again.
  SY_ASSIGN_OR_RETURN(out.revision, Revision());
  SY_ASSIGN_OR_RETURN(const pg::Result endpoints, pool_.Execute(sql::kListEndpoints));
  for (const pg::Row row : endpoints) out.endpoints.push_back(ToRecord(row));
  SY_ASSIGN_OR_RETURN(const pg::Result disabled, pool_.Execute(sql::kListDisabledModels));
  for (const pg::Row row : disabled) out.disabled.push_back({row.GetId<EndpointId>(0), std::string(row.Text(1))});
  SY_ASSIGN_OR_RETURN(const pg::Result models, pool_.Execute(sql::kListModels));
  for (const pg::Row row : models) out.models.push_back(ParseStoredModel(row.Bytes(0)));
  return out;
}

absl::StatusOr<InsertOutcome> PostgresRegistryStore::Insert(const NewEndpoint& endpoint, std::size_t max_endpoints) {
  using Kind = InsertOutcome::Kind;
  InsertOutcome outcome;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    SY_ASSIGN_OR_RETURN(const std::optional<InsertOutcome> known, FindRequest(session, endpoint));
    if (known.has_value()) {
      outcome = *known;
      return absl::OkStatus();
    }
    const EndpointRecord& record = endpoint.record;
    pg::Params name;
    name.Add(record.spec.name);
    SY_ASSIGN_OR_RETURN(const pg::Result counts, session.Execute(sql::kCountEndpoints, name));
    if (static_cast<std::size_t>(counts[0].Int64(0)) >= max_endpoints || counts[0].Int64(1) > 0) {
      outcome = {counts[0].Int64(1) > 0 ? Kind::kNameTaken : Kind::kTooMany, {}};
      return absl::OkStatus();
    }
    const std::string spec = Serialize(record.spec);
    pg::Params params;
    params.Add(record.id)
        .Add(record.spec.name)
        .Add(pg::Bytes{spec})
        .Add(record.create_time)
        .Add(record.created_by)
        .Add(endpoint.requester)
        .Add(endpoint.request_id)
        .Add(pg::Bytes{endpoint.content_hash});
    SY_RETURN_IF_ERROR(session.Execute(sql::kInsertEndpoint, params).status());
    outcome = {Kind::kInserted, record};
    outcome.record.revision = 1;
    return RaiseRevision(session);
  }));
  return outcome;
}

absl::StatusOr<EndpointRecord> PostgresRegistryStore::Change(const EndpointId& id, absl::Time now,
                                                             absl::FunctionRef<absl::Status(EndpointRecord&)> change) {
  EndpointRecord out;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    SY_ASSIGN_OR_RETURN(out, FindRecord(session, id));
    EndpointRecord changed = out;
    SY_RETURN_IF_ERROR(change(changed));
    if (changed.spec == out.spec) return absl::OkStatus();
    pg::Params name;
    name.Add(changed.spec.name).Add(id);
    SY_ASSIGN_OR_RETURN(const pg::Result taken, session.Execute(sql::kNameIsTaken, name));
    if (taken[0].Bool(0)) return EndpointNameTaken(changed.spec.name);
    const std::string spec = Serialize(changed.spec);
    pg::Params params;
    params.Add(id).Add(changed.spec.name).Add(pg::Bytes{spec}).Add(now);
    SY_ASSIGN_OR_RETURN(const pg::Result stored, session.Execute(sql::kChangeEndpoint, params));
    if (stored.empty()) return absl::InternalError("an endpoint went under the lock of the configuration");
    out = ToRecord(stored[0]);
    return RaiseRevision(session);
  }));
  return out;
}

absl::StatusOr<EndpointRecord> PostgresRegistryStore::Remove(const EndpointId& id) {
  EndpointRecord out;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    pg::Params params;
    params.Add(id);
    SY_ASSIGN_OR_RETURN(const pg::Result removed, session.Execute(sql::kRemoveEndpoint, params));
    if (removed.empty()) return EndpointNotFound(id.ToString());
    out = ToRecord(removed[0]);
    SY_RETURN_IF_ERROR(session.Execute(sql::kEnableAllModels, params).status());
    return RaiseRevision(session);
  }));
  return out;
}

absl::Status PostgresRegistryStore::SetDisabled(const ModelSwitch& model, bool disabled, std::string_view by,
                                                absl::Time now) {
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    pg::Params params;
    params.Add(model.endpoint).Add(model.model);
    if (disabled) params.Add(now).Add(by);
    SY_ASSIGN_OR_RETURN(const pg::Result done,
                        session.Execute(disabled ? sql::kDisableModel : sql::kEnableModel, params));
    return done.affected() > 0 ? RaiseRevision(session) : absl::OkStatus();
  });
}

absl::Status PostgresRegistryStore::SetModel(const ModelInfo& model, std::string_view by, absl::Time now) {
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    const std::string spec = Serialize(model);
    pg::Params params;
    params.Add(model.model).Add(pg::Bytes{spec}).Add(now).Add(by);
    SY_RETURN_IF_ERROR(session.Execute(sql::kSetModel, params).status());
    return RaiseRevision(session);
  });
}

absl::Status PostgresRegistryStore::RemoveModel(std::string_view model) {
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(BeginChange(session));
    pg::Params params;
    params.Add(model);
    SY_ASSIGN_OR_RETURN(const pg::Result removed, session.Execute(sql::kRemoveModel, params));
    if (removed.affected() == 0) return PriceNotFound(model);
    return RaiseRevision(session);
  });
}

absl::Status PostgresRegistryStore::Reserve(
    absl::Span<const EndpointId> endpoints, absl::Time now,
    absl::FunctionRef<std::vector<Reservation>(const std::vector<Reservation>&)> decide) {
  pg::UuidArray ids;
  for (const EndpointId& id : endpoints) ids.Append(id);
  return pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params lock;
    lock.Add(ids);
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockEndpoints, lock).status());
    pg::Params held;
    held.Add(ids).Add(now);
    SY_ASSIGN_OR_RETURN(const pg::Result live, session.Execute(sql::kListHeld, held));
    const std::vector<Reservation> wanted = decide(ToReservations(live));
    if (wanted.empty()) return absl::OkStatus();
    pg::UuidArray endpoint_ids, tasks;
    pg::Int64Array generations;
    pg::TextArray models;
    pg::BoolArray urgents;
    pg::TimeArray created, expires;
    for (const Reservation& reservation : wanted) {
      endpoint_ids.Append(reservation.key.endpoint);
      tasks.Append(reservation.key.task);
      generations.Append(reservation.key.generation);
      models.Append(reservation.model);
      urgents.Append(reservation.urgent);
      created.Append(reservation.create_time);
      expires.Append(reservation.expire_time);
    }
    pg::Params params;
    params.Add(endpoint_ids).Add(tasks).Add(generations).Add(models).Add(urgents).Add(created).Add(expires);
    return session.Execute(sql::kPutReservations, params).status();
  });
}

absl::StatusOr<int> PostgresRegistryStore::Release(absl::Span<const ReservationKey> keys) {
  const KeyArrays arrays(keys);
  int released = 0;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params params;
    params.Add(arrays.endpoints).Add(arrays.tasks).Add(arrays.generations);
    SY_ASSIGN_OR_RETURN(const pg::Result done, session.Execute(sql::kReleaseReservations, params));
    released = static_cast<int>(done.affected());
    return absl::OkStatus();
  }));
  return released;
}

absl::StatusOr<std::vector<ReservationKey>> PostgresRegistryStore::Renew(absl::Span<const ReservationKey> keys,
                                                                         absl::Time expire_time, absl::Time now) {
  const KeyArrays arrays(keys);
  std::set<ReservationKey> renewed;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    pg::Params params;
    params.Add(arrays.endpoints).Add(arrays.tasks).Add(arrays.generations).Add(expire_time).Add(now);
    SY_ASSIGN_OR_RETURN(const pg::Result done, session.Execute(sql::kRenewReservations, params));
    renewed.clear();
    for (const pg::Row row : done) {
      renewed.insert({row.GetId<EndpointId>(0), row.GetId<TaskId>(1), row.Int64(2)});
    }
    return absl::OkStatus();
  }));
  std::vector<ReservationKey> lost;
  for (const ReservationKey& key : keys) {
    if (renewed.count(key) == 0) lost.push_back(key);
  }
  return lost;
}

absl::StatusOr<std::vector<Reservation>> PostgresRegistryStore::ListReservations(absl::Time now) {
  pg::Params params;
  params.Add(now);
  SY_ASSIGN_OR_RETURN(const pg::Result live, pool_.Execute(sql::kListReservations, params));
  return ToReservations(live);
}

absl::StatusOr<bool> PostgresRegistryStore::ClaimProbe(const EndpointId& id, absl::Time until, absl::Time now) {
  pg::Params params;
  params.Add(id).Add(until).Add(now);
  SY_ASSIGN_OR_RETURN(const pg::Result claimed, pool_.Execute(sql::kClaimProbe, params));
  return claimed.affected() > 0;
}

absl::Status PostgresRegistryStore::Forget(absl::Time now) {
  pg::Params params;
  params.Add(now);
  SY_RETURN_IF_ERROR(pool_.Execute(sql::kForgetReservations, params).status());
  return pool_.Execute(sql::kForgetProbeClaims, params).status();
}

}  // namespace switchyard::model_registry
