#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/model_registry/endpoint.h"
#include "services/model_registry/health.h"
#include "services/model_registry/host_resources.h"
#include "services/model_registry/model_table.h"
#include "services/model_registry/reservation.h"
#include "services/model_registry/role_profile.h"

namespace switchyard::model_registry {

// A model that is not to be chosen: at one endpoint, or everywhere.
struct ModelSwitch {
  // Nil: everywhere.
  EndpointId endpoint;
  std::string model;

  friend bool operator==(const ModelSwitch&, const ModelSwitch&) = default;
  friend auto operator<=>(const ModelSwitch&, const ModelSwitch&) = default;
};

// What the store keeps of the configuration.
struct StoredConfiguration {
  std::int64_t revision = 0;
  std::vector<EndpointRecord> endpoints;
  std::vector<ModelSwitch> disabled;
  std::vector<ModelInfo> models;
};

// What files say.
struct FileConfiguration {
  std::vector<EndpointRecord> endpoints;
  std::vector<ModelInfo> models;
  std::vector<RoleProfile> profiles;
};

struct EndpointView {
  EndpointRecord record;
  EndpointStatus status;
  EndpointHost host;

  friend bool operator==(const EndpointView&, const EndpointView&) = default;
};

// Everything at one moment. Immutable; what did not change since the snapshot before is the same object.
struct Snapshot {
  absl::Time time;
  // By name.
  std::vector<std::shared_ptr<const EndpointView>> endpoints;
  std::shared_ptr<const ModelTable> table;
  std::shared_ptr<const RoleProfiles> profiles;
  std::vector<ModelSwitch> disabled;

  // By id or name. Null when there is none.
  const EndpointView* Find(std::string_view endpoint) const;
  const EndpointView* Find(const EndpointId& id) const;
};

struct DueCheck {
  EndpointRecord endpoint;
  CheckKind kind = CheckKind::kLists;
};

struct DueKeepWarm {
  EndpointRecord endpoint;
  std::string model;
};

// The endpoints in memory: configuration in, evidence in, snapshots out. Lookups never wait for anything but a lock.
// Thread-safe.
class Registry {
 public:
  // Borrows the clock.
  Registry(const Clock& clock, HealthRules rules);

  // Replaces that part; health is kept of endpoints whose specification did not change. An older revision than the one
  // that is held is passed over.
  void SetStored(StoredConfiguration stored);
  // Endpoints of a file whose name the store has already are left out; their names are returned. INVALID_FIELD, and
  // nothing changes, when models or profiles contradict each other.
  absl::StatusOr<std::vector<std::string>> SetFiles(FileConfiguration files);
  // All that are live.
  void SetReservations(const std::vector<Reservation>& live);

  // Of the endpoints' machines; until the first call, nobody is asked of them.
  void SetHosts(HostReports hosts);

  // Held there, as of the last SetReservations, in their order.
  std::vector<Reservation> ReservationsAt(const EndpointId& endpoint) const;

  // Evidence; unknown endpoints are passed over.
  void Observe(const EndpointId& endpoint, const Observation& observation);
  // Passed over when the specification has changed since the check was taken.
  void CheckDone(const EndpointRecord& endpoint, CheckKind kind, const CheckResult& result, absl::Time began);
  // Of the one agent that reaches it; others are not believed.
  void AgentReported(const EndpointId& endpoint, std::string_view agent, const CheckResult& result);
  void Mend(const EndpointId& endpoint);

  // The check that has been due longest, which counts as begun; CheckDone or SkipProbe ends it.
  std::optional<DueCheck> TakeDueCheck();
  // Begins a check whatever is due. ENDPOINT_NOT_FOUND, ENDPOINT_AGENT_ONLY, ENDPOINT_DISABLED, PROBE_UNDER_WAY.
  absl::StatusOr<DueCheck> TakeManualCheck(const EndpointId& endpoint);
  void SkipProbe(const EndpointId& endpoint);
  // A model to keep warm, on a host where none is being loaded by us; KeepWarmDone ends it.
  std::optional<DueKeepWarm> TakeDueKeepWarm();
  void KeepWarmDone(const EndpointRecord& endpoint, const std::string& model, const absl::Status& status);

  // What a reservation may take there, or why it may not.
  // As it is now, not as the last snapshot has it: a breaker may have opened since.
  std::variant<ReserveLimits, Refusal> LimitsFor(const EndpointId& endpoint, std::string_view model);

  // Judges everything anew at this moment; true when anything changed that can be seen.
  bool Refresh();
  // As of the last Refresh.
  std::shared_ptr<const Snapshot> snapshot() const;
  // Once the stored configuration was seen: before, endpoints may be missing.
  bool loaded() const;
  // How many endpoints there are to check.
  int checked_endpoints() const;

 private:
  struct Entry {
    EndpointRecord record;
    EndpointHealth health;
    // Its `aged` is not set.
    EndpointHost host = {};
  };

  absl::StatusOr<ModelTable> MakeTable(std::vector<ModelInfo> base) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Rebuild() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Entry* Find(const EndpointId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Disabled(const EndpointId& endpoint, EndpointKind kind, std::string_view model) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  EndpointView ViewOf(Entry& entry, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountReservations() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const HealthRules rules_;
  mutable Mutex mutex_;
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  StoredConfiguration stored_ ABSL_GUARDED_BY(mutex_);
  FileConfiguration files_ ABSL_GUARDED_BY(mutex_);
  std::set<ModelSwitch> disabled_ ABSL_GUARDED_BY(mutex_);
  std::map<EndpointId, std::unique_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<Reservation> reservations_ ABSL_GUARDED_BY(mutex_);
  HostReports hosts_ ABSL_GUARDED_BY(mutex_);
  // Hosts where a model is being loaded by us.
  std::set<std::string> loading_hosts_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const ModelTable> table_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const RoleProfiles> profiles_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::model_registry
