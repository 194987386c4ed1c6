#include "services/model_registry/in_memory_registry_store.h"

#include <algorithm>

#include "services/model_registry/registry_errors.h"

namespace switchyard::model_registry {

absl::StatusOr<std::int64_t> InMemoryRegistryStore::Revision() {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  return revision_;
}

absl::StatusOr<StoredConfiguration> InMemoryRegistryStore::Load() {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  StoredConfiguration out{
      .revision = revision_, .endpoints = {}, .disabled = {disabled_.begin(), disabled_.end()}, .models = {}};
  for (const auto& [id, kept] : endpoints_) out.endpoints.push_back(kept.record);
  for (const auto& [name, model] : models_) out.models.push_back(model);
  std::sort(out.endpoints.begin(), out.endpoints.end(),
            [](const EndpointRecord& a, const EndpointRecord& b) { return a.spec.name < b.spec.name; });
  return out;
}

bool InMemoryRegistryStore::NameTaken(const EndpointId& id, const std::string& name) const {
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [&](const auto& entry) { return entry.first != id && entry.second.record.spec.name == name; });
}

absl::StatusOr<InsertOutcome> InMemoryRegistryStore::Insert(const NewEndpoint& endpoint, std::size_t max_endpoints) {
  using Kind = InsertOutcome::Kind;
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  for (const auto& [id, kept] : endpoints_) {
    if (endpoint.request_id.empty() || kept.request.requester != endpoint.requester ||
        kept.request.request_id != endpoint.request_id) {
      continue;
    }
    if (kept.request.content_hash != endpoint.content_hash) return InsertOutcome{Kind::kRequestIdReused, {}};
    return InsertOutcome{Kind::kReplayed, kept.record};
  }
  if (endpoints_.size() >= max_endpoints) return InsertOutcome{Kind::kTooMany, {}};
  if (NameTaken(endpoint.record.id, endpoint.record.spec.name)) return InsertOutcome{Kind::kNameTaken, {}};
  Kept kept{endpoint.record, endpoint};
  kept.record.revision = 1;
  ++revision_;
  endpoints_.emplace(kept.record.id, kept);
  return InsertOutcome{Kind::kInserted, kept.record};
}

absl::StatusOr<EndpointRecord> InMemoryRegistryStore::Change(const EndpointId& id, absl::Time now,
                                                             absl::FunctionRef<absl::Status(EndpointRecord&)> change) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return EndpointNotFound(id.ToString());
  EndpointRecord record = found->second.record;
  if (const absl::Status status = change(record); !status.ok()) return status;
  EndpointRecord& kept = found->second.record;
  if (record.spec == kept.spec) return kept;
  if (NameTaken(id, record.spec.name)) return EndpointNameTaken(record.spec.name);
  kept.spec = record.spec;
  kept.update_time = now;
  ++kept.revision;
  ++revision_;
  return kept;
}

absl::StatusOr<EndpointRecord> InMemoryRegistryStore::Remove(const EndpointId& id) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return EndpointNotFound(id.ToString());
  EndpointRecord record = std::move(found->second.record);
  endpoints_.erase(found);
  std::erase_if(disabled_, [&](const ModelSwitch& off) { return off.endpoint == id; });
  ++revision_;
  return record;
}

absl::Status InMemoryRegistryStore::SetDisabled(const ModelSwitch& model, bool disabled, std::string_view, absl::Time) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const bool changed = disabled ? disabled_.insert(model).second : disabled_.erase(model) > 0;
  if (changed) ++revision_;
  return absl::OkStatus();
}

absl::Status InMemoryRegistryStore::SetModel(const ModelInfo& model, std::string_view, absl::Time) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  models_[model.model] = model;
  models_[model.model].origin = Origin::kApi;
  ++revision_;
  return absl::OkStatus();
}

absl::Status InMemoryRegistryStore::RemoveModel(std::string_view model) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  if (models_.erase(std::string(model)) == 0) return PriceNotFound(model);
  ++revision_;
  return absl::OkStatus();
}

absl::Status InMemoryRegistryStore::Reserve(
    absl::Span<const EndpointId> endpoints, absl::Time now,
    absl::FunctionRef<std::vector<Reservation>(const std::vector<Reservation>&)> decide) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  std::vector<Reservation> live;
  for (const auto& [key, reservation] : reservations_) {
    if (reservation.expire_time <= now) continue;
    if (std::find(endpoints.begin(), endpoints.end(), key.endpoint) != endpoints.end()) live.push_back(reservation);
  }
  for (Reservation& reservation : decide(live)) reservations_[reservation.key] = std::move(reservation);
  return absl::OkStatus();
}

absl::StatusOr<int> InMemoryRegistryStore::Release(absl::Span<const ReservationKey> keys) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  int released = 0;
  for (const ReservationKey& key : keys) released += static_cast<int>(reservations_.erase(key));
  return released;
}

absl::StatusOr<std::vector<ReservationKey>> InMemoryRegistryStore::Renew(absl::Span<const ReservationKey> keys,
                                                                         absl::Time expire_time, absl::Time now) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  std::vector<ReservationKey> lost;
  for (const ReservationKey& key : keys) {
    const auto found = reservations_.find(key);
    if (found == reservations_.end() || found->second.expire_time <= now) {
      lost.push_back(key);
    } else {
      found->second.expire_time = std::max(found->second.expire_time, expire_time);
    }
  }
  return lost;
}

absl::StatusOr<std::vector<Reservation>> InMemoryRegistryStore::ListReservations(absl::Time now) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  std::vector<Reservation> live;
  for (const auto& [key, reservation] : reservations_) {
    if (reservation.expire_time > now) live.push_back(reservation);
  }
  std::stable_sort(live.begin(), live.end(),
                   [](const Reservation& a, const Reservation& b) { return a.create_time < b.create_time; });
  return live;
}

absl::StatusOr<bool> InMemoryRegistryStore::ClaimProbe(const EndpointId& id, absl::Time until, absl::Time now) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const auto [found, fresh] = probes_.try_emplace(id, until);
  if (!fresh && found->second > now) return false;
  found->second = until;
  return true;
}

absl::Status InMemoryRegistryStore::Forget(absl::Time now) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  std::erase_if(reservations_, [&](const auto& entry) { return entry.second.expire_time <= now; });
  std::erase_if(probes_, [&](const auto& entry) { return entry.second <= now; });
  return absl::OkStatus();
}

void InMemoryRegistryStore::FailWith(absl::Status status) {
  MutexLock lock(mutex_);
  failure_ = std::move(status);
}

}  // namespace switchyard::model_registry
