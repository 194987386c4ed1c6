#pragma once

#include "libs/pg/pool.h"
#include "services/model_registry/registry_store.h"

namespace switchyard::model_registry {

// In the schema `model_registry`. Thread-safe.
class PostgresRegistryStore final : public RegistryStore {
 public:
  // Borrows.
  explicit PostgresRegistryStore(pg::Pool& pool) : pool_(pool) {}

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

 private:
  pg::Pool& pool_;
};

}  // namespace switchyard::model_registry
