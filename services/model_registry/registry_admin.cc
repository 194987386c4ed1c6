#include "services/model_registry/registry_admin.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/model_registry/endpoint_rules.h"
#include "services/model_registry/registry_errors.h"

namespace switchyard::model_registry {
namespace {

// Of everything that a person says, so that the same request is known again.
std::string ContentHash(const EndpointSpec& spec) {
  std::string text = absl::StrCat(spec.name, "\n", static_cast<int>(spec.kind), "\n", spec.url, "\n", spec.credential,
                                  "\n", spec.local, spec.free, spec.disabled, "\n", spec.host, "\n", spec.agent, "\n",
                                  spec.capacity, ",", spec.max_capacity);
  for (const ModelSettings& model : spec.models) {
    absl::StrAppend(&text, "\n", model.model, "\n", model.keep_warm, ",", model.capacity);
    for (const auto& [name, value] : model.options) absl::StrAppend(&text, "\n", name, "=", value);
  }
  const auto hash = Sha256(text);
  return std::string(hash.begin(), hash.end());
}

}  // namespace

RegistryAdmin::RegistryAdmin(RegistryStore& store, Registry& registry, const Clock& clock, IdSource& ids,
                             std::size_t max_endpoints)
    : store_(store), registry_(registry), clock_(clock), ids_(ids), max_endpoints_(max_endpoints) {}

absl::Time RegistryAdmin::Now() const { return absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now())); }

absl::StatusOr<EndpointView> RegistryAdmin::Find(std::string_view endpoint) const {
  const std::shared_ptr<const Snapshot> snapshot = registry_.snapshot();
  const EndpointView* const view = snapshot->Find(endpoint);
  if (view == nullptr) return EndpointNotFound(endpoint);
  return *view;
}

absl::StatusOr<EndpointView> RegistryAdmin::FindStored(std::string_view endpoint) const {
  SY_ASSIGN_OR_RETURN(EndpointView view, Find(endpoint));
  if (view.record.origin == Origin::kFile) {
    return EndpointFromFile(view.record.spec.name, view.record.origin_detail);
  }
  return view;
}

EndpointId RegistryAdmin::IdOf(std::string_view endpoint) const {
  const std::shared_ptr<const Snapshot> snapshot = registry_.snapshot();
  if (const EndpointView* const view = snapshot->Find(endpoint)) return view->record.id;
  return EndpointId::Parse(endpoint).value_or(EndpointId());
}

absl::Status RegistryAdmin::Reload() {
  SY_ASSIGN_OR_RETURN(StoredConfiguration stored, store_.Load());
  {
    MutexLock lock(mutex_);
    loaded_ = std::max(loaded_.value_or(0), stored.revision);
  }
  registry_.SetStored(std::move(stored));
  registry_.Refresh();
  return absl::OkStatus();
}

absl::Status RegistryAdmin::SyncReservations() {
  SY_ASSIGN_OR_RETURN(const std::vector<Reservation> live, store_.ListReservations(Now()));
  registry_.SetReservations(live);
  return absl::OkStatus();
}

absl::Status RegistryAdmin::Sync() {
  SY_ASSIGN_OR_RETURN(const std::int64_t revision, store_.Revision());
  bool behind = false;
  {
    MutexLock lock(mutex_);
    behind = !loaded_.has_value() || *loaded_ < revision;
  }
  if (behind) SY_RETURN_IF_ERROR(Reload());
  return SyncReservations();
}

absl::StatusOr<EndpointView> RegistryAdmin::Add(const EndpointSpec& spec, const Requester& requester,
                                                std::string_view request_id) {
  std::vector<FieldViolation> faults = FaultsOf(spec, "spec");
  if (request_id.size() > 128) faults.push_back({"request_id", "must be at most 128 bytes"});
  if (!faults.empty()) return InvalidFields(std::move(faults));
  const absl::StatusOr<EndpointView> taken = Find(spec.name);
  if (taken.ok() && taken->record.origin == Origin::kFile) return EndpointNameTaken(spec.name);
  NewEndpoint made;
  made.record.id = ids_.New<EndpointId>();
  made.record.spec = spec;
  made.record.create_time = made.record.update_time = Now();
  made.record.created_by = requester.name;
  made.requester = requester.id;
  made.request_id = std::string(request_id);
  made.content_hash = ContentHash(spec);
  SY_ASSIGN_OR_RETURN(const InsertOutcome outcome, store_.Insert(made, max_endpoints_));
  switch (outcome.kind) {
    case InsertOutcome::Kind::kRequestIdReused:
      return RequestIdReused(request_id);
    case InsertOutcome::Kind::kNameTaken:
      return EndpointNameTaken(spec.name);
    case InsertOutcome::Kind::kTooMany:
      return TooManyEndpoints(max_endpoints_);
    case InsertOutcome::Kind::kInserted:
    case InsertOutcome::Kind::kReplayed:
      break;
  }
  SY_RETURN_IF_ERROR(Reload());
  return Find(outcome.record.id.ToString());
}

absl::StatusOr<EndpointView> RegistryAdmin::Update(std::string_view endpoint, const EndpointSpec& spec,
                                                   std::int64_t revision) {
  if (std::vector<FieldViolation> faults = FaultsOf(spec, "spec"); !faults.empty()) {
    return InvalidFields(std::move(faults));
  }
  SY_ASSIGN_OR_RETURN(const EndpointView view, FindStored(endpoint));
  const absl::StatusOr<EndpointView> other = Find(spec.name);
  if (other.ok() && other->record.id != view.record.id) return EndpointNameTaken(spec.name);
  SY_RETURN_IF_ERROR(store_
                         .Change(view.record.id, Now(),
                                 [&](EndpointRecord& record) -> absl::Status {
                                   if (revision != 0 && record.revision != revision) {
                                     return RevisionChanged(record.spec.name);
                                   }
                                   record.spec = spec;
                                   return absl::OkStatus();
                                 })
                         .status());
  registry_.Mend(view.record.id);
  SY_RETURN_IF_ERROR(Reload());
  return Find(view.record.id.ToString());
}

absl::StatusOr<EndpointView> RegistryAdmin::Remove(std::string_view endpoint) {
  SY_ASSIGN_OR_RETURN(const EndpointView view, FindStored(endpoint));
  SY_RETURN_IF_ERROR(store_.Remove(view.record.id).status());
  SY_RETURN_IF_ERROR(Reload());
  return view;
}

absl::StatusOr<EndpointView> RegistryAdmin::SetEnabled(std::string_view endpoint, bool enabled) {
  SY_ASSIGN_OR_RETURN(const EndpointView view, FindStored(endpoint));
  SY_RETURN_IF_ERROR(store_
                         .Change(view.record.id, Now(),
                                 [&](EndpointRecord& record) {
                                   record.spec.disabled = !enabled;
                                   return absl::OkStatus();
                                 })
                         .status());
  if (enabled) registry_.Mend(view.record.id);
  SY_RETURN_IF_ERROR(Reload());
  return Find(view.record.id.ToString());
}

absl::StatusOr<std::string> RegistryAdmin::SetModelEnabled(std::string_view model, std::string_view endpoint,
                                                           bool enabled, std::string_view by) {
  const std::shared_ptr<const Snapshot> snapshot = registry_.snapshot();
  ModelSwitch off{.endpoint = {}, .model = std::string(model)};
  const EndpointView* where = nullptr;
  if (!endpoint.empty()) {
    where = snapshot->Find(endpoint);
    if (where == nullptr) return EndpointNotFound(endpoint);
    off.endpoint = where->record.id;
  }
  const ModelInfo* const info = snapshot->table->Find(model);
  bool known = info != nullptr;
  if (info != nullptr) off.model = info->model;
  for (const auto& view : snapshot->endpoints) {
    if (known || (where != nullptr && view.get() != where)) continue;
    for (const PlacedModel& placed : view->status.models) {
      if (!SameModel(view->record.spec.kind, placed.model, model)) continue;
      off.model = placed.model;
      known = true;
      break;
    }
  }
  // What has gone meanwhile can still be enabled.
  if (!known && !enabled) return ModelNotFound(model, snapshot->table->Suggest(model));
  SY_RETURN_IF_ERROR(store_.SetDisabled(off, !enabled, by, Now()));
  SY_RETURN_IF_ERROR(Reload());
  return off.model;
}

absl::StatusOr<ModelInfo> RegistryAdmin::SetPrice(ModelInfo model, std::string_view by) {
  model.origin = Origin::kApi;
  if (std::vector<FieldViolation> faults = FaultsOf(model, "model"); !faults.empty()) {
    return InvalidFields(std::move(faults));
  }
  SY_ASSIGN_OR_RETURN(const StoredConfiguration stored, store_.Load());
  std::vector<ModelInfo> all = stored.models;
  std::erase_if(all, [&](const ModelInfo& other) { return other.model == model.model; });
  all.push_back(model);
  SY_RETURN_IF_ERROR(ModelTable::Make({}, std::move(all)).status());
  SY_RETURN_IF_ERROR(store_.SetModel(model, by, Now()));
  SY_RETURN_IF_ERROR(Reload());
  return model;
}

absl::Status RegistryAdmin::RemovePrice(std::string_view model) {
  const std::shared_ptr<const Snapshot> snapshot = registry_.snapshot();
  const ModelInfo* const info = snapshot->table->Find(model);
  SY_RETURN_IF_ERROR(store_.RemoveModel(info == nullptr ? model : std::string_view(info->model)));
  return Reload();
}

absl::StatusOr<std::vector<ReserveResult>> RegistryAdmin::Reserve(const std::vector<ReserveItem>& items) {
  const absl::Time now = Now();
  std::vector<EndpointId> ids(items.size());
  std::vector<EndpointId> endpoints;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ids[i] = IdOf(items[i].endpoint);
    if (!ids[i].is_nil()) endpoints.push_back(ids[i]);
  }
  std::sort(endpoints.begin(), endpoints.end());
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end()), endpoints.end());

  std::vector<ReserveResult> results;
  const auto decide = [&](const std::vector<Reservation>& live) {
    results.assign(items.size(), {});
    std::map<EndpointId, std::vector<Reservation>> held;
    for (const Reservation& reservation : live) held[reservation.key.endpoint].push_back(reservation);
    // Two items for the same assignment are one row.
    std::map<ReservationKey, Reservation> stored;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const ReserveItem& item = items[i];
      const std::variant<ReserveLimits, Refusal> verdict = registry_.LimitsFor(ids[i], item.model);
      const auto* const limits = std::get_if<ReserveLimits>(&verdict);
      Reservation wanted{.key = {ids[i], item.task, item.generation},
                         .model = limits == nullptr ? item.model : limits->model,
                         .urgent = item.urgent,
                         .create_time = now,
                         .expire_time = now + item.hold};
      std::vector<Reservation>& there = held[ids[i]];
      const auto same =
          std::find_if(there.begin(), there.end(), [&](const Reservation& other) { return other.key == wanted.key; });
      if (same != there.end() && same->model == wanted.model) {
        same->expire_time = std::max(same->expire_time, wanted.expire_time);
        results[i].reservation = *same;
        stored[same->key] = *same;
      } else if (same != there.end()) {
        results[i].refusal = Refusal{.reason = RefusalReason::kInvalid,
                                     .message = absl::StrCat("this assignment holds ", same->model, " there"),
                                     .retry_time = {},
                                     .preempt = {}};
      } else if (limits == nullptr) {
        results[i].refusal = std::get<Refusal>(verdict);
      } else if (std::optional<Refusal> full = Refuse(wanted, *limits, there)) {
        results[i].refusal = std::move(full);
      } else {
        there.push_back(wanted);
        stored[wanted.key] = wanted;
        results[i].reservation = std::move(wanted);
      }
    }
    std::vector<Reservation> rows;
    for (auto& [key, reservation] : stored) rows.push_back(std::move(reservation));
    return rows;
  };
  if (endpoints.empty()) {
    decide({});
    return results;
  }
  SY_RETURN_IF_ERROR(store_.Reserve(endpoints, now, decide));
  // What this process shows catches up by itself when that fails.
  SyncReservations().IgnoreError();
  return results;
}

absl::StatusOr<int> RegistryAdmin::Release(const std::vector<NamedKey>& keys) {
  std::vector<ReservationKey> found;
  for (const NamedKey& key : keys) found.push_back({IdOf(key.endpoint), key.task, key.generation});
  SY_ASSIGN_OR_RETURN(const int released, store_.Release(found));
  SyncReservations().IgnoreError();
  return released;
}

absl::StatusOr<std::vector<NamedKey>> RegistryAdmin::Renew(const std::vector<NamedKey>& keys, absl::Duration hold) {
  std::vector<ReservationKey> found;
  for (const NamedKey& key : keys) found.push_back({IdOf(key.endpoint), key.task, key.generation});
  const absl::Time now = Now();
  SY_ASSIGN_OR_RETURN(const std::vector<ReservationKey> gone, store_.Renew(found, now + hold, now));
  std::vector<NamedKey> lost;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (std::find(gone.begin(), gone.end(), found[i]) != gone.end()) lost.push_back(keys[i]);
  }
  return lost;
}

}  // namespace switchyard::model_registry
