#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/model_registry/registry_store.h"

namespace switchyard::model_registry {

// For tests. Thread-safe.
class InMemoryRegistryStore final : public RegistryStore {
 public:
  absl::StatusOr<std::int64_t> Revision() override;
  absl::StatusOr<StoredConfiguration> Load() override;
  absl::StatusOr<InsertOutcome> Insert(const NewEndpoint& endpoint, std::size_t max_endpoints) override;
  absl::StatusOr<EndpointRecord> Change(const EndpointId& id, absl::Time now,
                                        absl::FunctionRef<absl::Status(EndpointRecord&)> change) override;
  absl::StatusOr<EndpointRecord> Remove(const EndpointId& id) override;
  absl::Status SetDisabled(const ModelSwitch& model, bool disabled, std::string_view by, absl::Time now) override;
  absl::Status SetModel(const ModelInfo& model, std::string_view by, absl::Time now) override;
  absl::Status RemoveModel(std::string_view model) override;
  absl::Status Reserve(absl::Span<const EndpointId> endpoints, absl::Time now,
                       absl::FunctionRef<std::vector<Reservation>(const std::vector<Reservation>&)> decide) override;
  absl::StatusOr<int> Release(absl::Span<const ReservationKey> keys) override;
  absl::StatusOr<std::vector<ReservationKey>> Renew(absl::Span<const ReservationKey> keys, absl::Time expire_time,
                                                    absl::Time now) override;
  absl::StatusOr<std::vector<Reservation>> ListReservations(absl::Time now) override;
  absl::StatusOr<bool> ClaimProbe(const EndpointId& id, absl::Time until, absl::Time now) override;
  absl::Status Forget(absl::Time now) override;

  // Every later call fails with it; OK ends that.
  void FailWith(absl::Status status);

 private:
  struct Kept {
    EndpointRecord record;
    NewEndpoint request;
  };

  bool NameTaken(const EndpointId& id, const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<EndpointId, Kept> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::set<ModelSwitch> disabled_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, ModelInfo> models_ ABSL_GUARDED_BY(mutex_);
  std::map<ReservationKey, Reservation> reservations_ ABSL_GUARDED_BY(mutex_);
  std::map<EndpointId, absl::Time> probes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::model_registry
