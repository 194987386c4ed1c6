#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "services/model_registry/registry.h"
#include "services/model_registry/registry_store.h"

namespace switchyard::model_registry {

// Who asks for a change. `id` keys idempotence, `name` goes into the record.
struct Requester {
  std::string id;
  std::string name;
};

struct ReserveItem {
  TaskId task;
  std::int64_t generation = 0;
  // Id or name.
  std::string endpoint;
  std::string model;
  bool urgent = false;
  absl::Duration hold = absl::Seconds(60);
};

// Either.
struct ReserveResult {
  std::optional<Reservation> reservation;
  std::optional<Refusal> refusal;
};

struct NamedKey {
  // Id or name; a removed endpoint by its id.
  std::string endpoint;
  TaskId task;
  std::int64_t generation = 0;
};

// The use cases that change something: over the store, and seen in the registry of this process once they return. All
// block on the store. Thread-safe.
class RegistryAdmin {
 public:
  // Borrows all.
  RegistryAdmin(RegistryStore& store, Registry& registry, const Clock& clock, IdSource& ids, std::size_t max_endpoints);

  // INVALID_FIELD, ENDPOINT_NAME_TAKEN, REQUEST_ID_REUSED, TOO_MANY_ENDPOINTS.
  absl::StatusOr<EndpointView> Add(const EndpointSpec& spec, const Requester& requester, std::string_view request_id);
  // Of these and the next two: ENDPOINT_NOT_FOUND, ENDPOINT_FROM_FILE. INVALID_FIELD, ENDPOINT_NAME_TAKEN,
  // REVISION_CHANGED unless `revision` is 0.
  absl::StatusOr<EndpointView> Update(std::string_view endpoint, const EndpointSpec& spec, std::int64_t revision);
  // As it was.
  absl::StatusOr<EndpointView> Remove(std::string_view endpoint);
  absl::StatusOr<EndpointView> SetEnabled(std::string_view endpoint, bool enabled);

  // `endpoint` may be empty: everywhere. MODEL_NOT_FOUND when nobody knows the model, ENDPOINT_NOT_FOUND. Answers with
  // the name of the model as the table or the endpoint has it.
  absl::StatusOr<std::string> SetModelEnabled(std::string_view model, std::string_view endpoint, bool enabled,
                                              std::string_view by);
  // INVALID_FIELD.
  absl::StatusOr<ModelInfo> SetPrice(ModelInfo model, std::string_view by);
  // PRICE_NOT_FOUND.
  absl::Status RemovePrice(std::string_view model);

  // Item by item, in order.
  absl::StatusOr<std::vector<ReserveResult>> Reserve(const std::vector<ReserveItem>& items);
  absl::StatusOr<int> Release(const std::vector<NamedKey>& keys);
  // Those that are held no more.
  absl::StatusOr<std::vector<NamedKey>> Renew(const std::vector<NamedKey>& keys, absl::Duration hold);

  // Takes over what other replicas changed. The first success makes the registry whole.
  absl::Status Sync();

  // The endpoint of that id or name at this moment. ENDPOINT_NOT_FOUND.
  absl::StatusOr<EndpointView> Find(std::string_view endpoint) const;

 private:
  absl::Time Now() const;
  absl::Status Reload();
  absl::Status SyncReservations();
  // One that the API may change.
  absl::StatusOr<EndpointView> FindStored(std::string_view endpoint) const;
  EndpointId IdOf(std::string_view endpoint) const;

  RegistryStore& store_;
  Registry& registry_;
  const Clock& clock_;
  IdSource& ids_;
  const std::size_t max_endpoints_;
  Mutex mutex_;
  std::optional<std::int64_t> loaded_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::model_registry
