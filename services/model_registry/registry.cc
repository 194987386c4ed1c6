#include "services/model_registry/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/model_registry/registry_errors.h"

namespace switchyard::model_registry {
namespace {

// A switch may name a model by its alias, or an endpoint's own name by the table's.
bool Names(const ModelTable& table, EndpointKind kind, std::string_view switched, std::string_view model) {
  if (SameModel(kind, switched, model)) return true;
  const ModelInfo* const info = table.Find(model);
  return info != nullptr && info == table.Find(switched);
}

}  // namespace

const EndpointView* Snapshot::Find(std::string_view endpoint) const {
  const absl::StatusOr<EndpointId> id = EndpointId::Parse(endpoint);
  if (id.ok()) return Find(*id);
  const auto found =
      std::lower_bound(endpoints.begin(), endpoints.end(), endpoint,
                       [](const auto& view, std::string_view name) { return view->record.spec.name < name; });
  return found == endpoints.end() || (*found)->record.spec.name != endpoint ? nullptr : found->get();
}

const EndpointView* Snapshot::Find(const EndpointId& id) const {
  for (const auto& view : endpoints) {
    if (view->record.id == id) return view.get();
  }
  return nullptr;
}

Registry::Registry(const Clock& clock, HealthRules rules)
    : clock_(clock),
      rules_(rules),
      hosts_("no agent hub is configured: machines are not looked at"),
      table_(std::make_shared<const ModelTable>()),
      profiles_(std::make_shared<const RoleProfiles>()),
      snapshot_(std::make_shared<const Snapshot>(Snapshot{clock.Now(), {}, table_, profiles_, {}})) {}

absl::StatusOr<ModelTable> Registry::MakeTable(std::vector<ModelInfo> base) const {
  std::vector<ModelInfo> over = stored_.models;
  for (std::vector<ModelInfo>* list : {&base, &over}) {
    for (ModelInfo& model : *list) model.disabled = disabled_.count({EndpointId(), model.model}) > 0;
  }
  return ModelTable::Make(std::move(base), std::move(over));
}

void Registry::SetStored(StoredConfiguration stored) {
  MutexLock lock(mutex_);
  if (stored.revision < stored_.revision) return;
  stored_ = std::move(stored);
  loaded_ = true;
  disabled_ = {stored_.disabled.begin(), stored_.disabled.end()};
  // What the API may store has been checked; a clash of its aliases leaves the table as it is.
  if (auto table = MakeTable(files_.models); table.ok()) {
    table_ = std::make_shared<const ModelTable>(*std::move(table));
  }
  Rebuild();
}

absl::StatusOr<std::vector<std::string>> Registry::SetFiles(FileConfiguration files) {
  // Profiles go by the file's own table: what the API adds may not be there yet.
  SY_ASSIGN_OR_RETURN(const ModelTable file_table, ModelTable::Make(files.models, {}));
  SY_ASSIGN_OR_RETURN(RoleProfiles profiles, RoleProfiles::Make(files.profiles, file_table));
  MutexLock lock(mutex_);
  SY_ASSIGN_OR_RETURN(ModelTable table, MakeTable(files.models));
  table_ = std::make_shared<const ModelTable>(std::move(table));
  profiles_ = std::make_shared<const RoleProfiles>(std::move(profiles));
  files_ = std::move(files);
  Rebuild();
  std::vector<std::string> left_out;
  for (const EndpointRecord& record : files_.endpoints) {
    if (entries_.count(record.id) == 0) left_out.push_back(record.spec.name);
  }
  return left_out;
}

void Registry::Rebuild() {
  std::map<EndpointId, const EndpointRecord*> wanted;
  std::set<std::string> names;
  for (const EndpointRecord& record : stored_.endpoints) {
    wanted.emplace(record.id, &record);
    names.insert(record.spec.name);
  }
  for (const EndpointRecord& record : files_.endpoints) {
    if (names.insert(record.spec.name).second) wanted.emplace(record.id, &record);
  }
  std::erase_if(entries_, [&](const auto& entry) { return wanted.count(entry.first) == 0; });
  const absl::Time now = clock_.Now();
  for (const auto& [id, record] : wanted) {
    std::unique_ptr<Entry>& entry = entries_[id];
    if (entry == nullptr || entry->record.spec != record->spec) {
      entry = std::make_unique<Entry>(Entry{*record, EndpointHealth(record->spec, rules_, now)});
    } else {
      entry->record = *record;
    }
    entry->host = hosts_.Find(record->spec);
  }
  CountReservations();
}

void Registry::SetReservations(const std::vector<Reservation>& live) {
  MutexLock lock(mutex_);
  reservations_ = live;
  CountReservations();
}

void Registry::SetHosts(HostReports hosts) {
  MutexLock lock(mutex_);
  hosts_ = std::move(hosts);
  for (auto& [id, entry] : entries_) entry->host = hosts_.Find(entry->record.spec);
}

std::vector<Reservation> Registry::ReservationsAt(const EndpointId& endpoint) const {
  MutexLock lock(mutex_);
  std::vector<Reservation> held;
  for (const Reservation& reservation : reservations_) {
    if (reservation.key.endpoint == endpoint) held.push_back(reservation);
  }
  return held;
}

void Registry::CountReservations() {
  std::map<EndpointId, std::map<std::string, int>> counts;
  for (const Reservation& reservation : reservations_) ++counts[reservation.key.endpoint][reservation.model];
  for (auto& [id, entry] : entries_) entry->health.SetInFlight(counts[id]);
}

Registry::Entry* Registry::Find(const EndpointId& id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

void Registry::Observe(const EndpointId& endpoint, const Observation& observation) {
  MutexLock lock(mutex_);
  if (Entry* const entry = Find(endpoint)) entry->health.Observe(observation, clock_.Now());
}

void Registry::CheckDone(const EndpointRecord& endpoint, CheckKind kind, const CheckResult& result, absl::Time began) {
  MutexLock lock(mutex_);
  Entry* const entry = Find(endpoint.id);
  if (entry == nullptr || !entry->health.checking() || entry->record.spec != endpoint.spec) return;
  entry->health.CheckDone(kind, result, began, clock_.Now());
}

void Registry::AgentReported(const EndpointId& endpoint, std::string_view agent, const CheckResult& result) {
  MutexLock lock(mutex_);
  Entry* const entry = Find(endpoint);
  if (entry == nullptr || agent.empty() || entry->record.spec.agent != agent) return;
  entry->health.Reported(result, clock_.Now());
}

void Registry::Mend(const EndpointId& endpoint) {
  MutexLock lock(mutex_);
  if (Entry* const entry = Find(endpoint)) entry->health.Mend(clock_.Now());
}

std::optional<DueCheck> Registry::TakeDueCheck() {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  Entry* eldest = nullptr;
  for (auto& [id, entry] : entries_) {
    if (!entry->health.DueCheck(now).has_value()) continue;
    if (eldest == nullptr || entry->health.next_check() < eldest->health.next_check()) eldest = entry.get();
  }
  if (eldest == nullptr) return std::nullopt;
  const CheckKind kind = *eldest->health.DueCheck(now);
  eldest->health.BeginCheck(kind, now);
  return DueCheck{eldest->record, kind};
}

absl::StatusOr<DueCheck> Registry::TakeManualCheck(const EndpointId& endpoint) {
  MutexLock lock(mutex_);
  Entry* const entry = Find(endpoint);
  if (entry == nullptr) return EndpointNotFound(endpoint.ToString());
  const EndpointSpec& spec = entry->record.spec;
  if (!spec.agent.empty()) return EndpointAgentOnly(spec.name, spec.agent);
  if (spec.disabled) return EndpointDisabled(spec.name);
  if (entry->health.checking()) return ProbeUnderWay(spec.name);
  entry->health.BeginCheck(CheckKind::kManual, clock_.Now());
  return DueCheck{entry->record, CheckKind::kManual};
}

void Registry::SkipProbe(const EndpointId& endpoint) {
  MutexLock lock(mutex_);
  if (Entry* const entry = Find(endpoint)) entry->health.SkipProbe(clock_.Now());
}

std::optional<DueKeepWarm> Registry::TakeDueKeepWarm() {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  for (auto& [id, entry] : entries_) {
    const std::optional<std::string> model = entry->health.DueKeepWarm(now);
    if (!model.has_value() || Disabled(id, entry->record.spec.kind, *model)) continue;
    if (!loading_hosts_.insert(HostOf(entry->record.spec)).second) continue;
    entry->health.BeginKeepWarm(*model, now);
    return DueKeepWarm{entry->record, *model};
  }
  return std::nullopt;
}

void Registry::KeepWarmDone(const EndpointRecord& endpoint, const std::string& model, const absl::Status& status) {
  MutexLock lock(mutex_);
  loading_hosts_.erase(HostOf(endpoint.spec));
  Entry* const entry = Find(endpoint.id);
  if (entry == nullptr || entry->record.spec != endpoint.spec) return;
  entry->health.KeepWarmDone(model, status, clock_.Now());
}

bool Registry::Disabled(const EndpointId& endpoint, EndpointKind kind, std::string_view model) const {
  const ModelTable& table = *table_;
  return std::any_of(disabled_.begin(), disabled_.end(), [&](const ModelSwitch& off) {
    return (off.endpoint.is_nil() || off.endpoint == endpoint) && Names(table, kind, off.model, model);
  });
}

EndpointView Registry::ViewOf(Entry& entry, absl::Time now) {
  EndpointView view{entry.record, entry.health.Status(now), entry.host};
  view.host.aged = view.host.report != nullptr && now - view.host.report->time > rules_.host_fresh;
  for (PlacedModel& placed : view.status.models) {
    placed.disabled = Disabled(entry.record.id, entry.record.spec.kind, placed.model);
    placed.free = entry.record.spec.free && !placed.remote;
    const ModelInfo* const info = table_->Find(placed.model);
    if (info == nullptr) continue;
    placed.priced_as = info->model;
    placed.free = placed.free || info->free;
    if (placed.context_window == 0 && entry.record.spec.kind != EndpointKind::kOllama) {
      placed.context_window = info->context_window;
    }
  }
  return view;
}

std::variant<ReserveLimits, Refusal> Registry::LimitsFor(const EndpointId& endpoint, std::string_view model) {
  MutexLock lock(mutex_);
  const auto refuse = [](RefusalReason reason, std::string_view message) {
    return Refusal{.reason = reason, .message = std::string(message), .retry_time = {}, .preempt = {}};
  };
  Entry* const entry = Find(endpoint);
  if (entry == nullptr) return refuse(RefusalReason::kEndpointNotFound, "there is no such endpoint");
  const EndpointView view = ViewOf(*entry, clock_.Now());
  const EndpointStatus& status = view.status;
  if (status.state == EndpointState::kRateLimited) {
    Refusal refusal = refuse(RefusalReason::kRateLimited, status.cause);
    refusal.retry_time = status.retry_time;
    return refusal;
  }
  if (status.state == EndpointState::kDisabled || status.state == EndpointState::kMisconfigured ||
      status.state == EndpointState::kOpen || status.state == EndpointState::kUnknown) {
    return refuse(RefusalReason::kEndpointClosed,
                  absl::StrCat(std::string(NameOf(status.state)), status.cause.empty() ? "" : ": ", status.cause));
  }
  for (const PlacedModel& placed : status.models) {
    if (!SameModel(view.record.spec.kind, placed.model, model)) continue;
    if (placed.warmth == Warmth::kAbsent) break;
    if (placed.disabled) return refuse(RefusalReason::kModelDisabled, "disabled by a person");
    return ReserveLimits{placed.model, status.capacity, status.urgent_slots, placed.capacity};
  }
  return refuse(RefusalReason::kModelAbsent, "the endpoint does not have this model");
}

bool Registry::Refresh() {
  MutexLock lock(mutex_);
  const absl::Time now = clock_.Now();
  auto next = std::make_shared<Snapshot>(Snapshot{now, {}, table_, profiles_, stored_.disabled});
  std::map<EndpointId, std::shared_ptr<const EndpointView>> before;
  for (const auto& view : snapshot_->endpoints) before.emplace(view->record.id, view);
  bool changed =
      next->table != snapshot_->table || next->profiles != snapshot_->profiles || before.size() != entries_.size();
  for (auto& [id, entry] : entries_) {
    EndpointView view = ViewOf(*entry, now);
    const auto old = before.find(id);
    if (old != before.end() && *old->second == view) {
      next->endpoints.push_back(old->second);
    } else {
      next->endpoints.push_back(std::make_shared<const EndpointView>(std::move(view)));
      changed = true;
    }
  }
  std::sort(next->endpoints.begin(), next->endpoints.end(),
            [](const auto& a, const auto& b) { return a->record.spec.name < b->record.spec.name; });
  snapshot_ = std::move(next);
  return changed;
}

std::shared_ptr<const Snapshot> Registry::snapshot() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

bool Registry::loaded() const {
  MutexLock lock(mutex_);
  return loaded_;
}

int Registry::checked_endpoints() const {
  MutexLock lock(mutex_);
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [](const auto& entry) {
    return !entry.second->record.spec.disabled && entry.second->record.spec.agent.empty();
  }));
}

}  // namespace switchyard::model_registry
