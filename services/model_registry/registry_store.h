#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/model_registry/registry.h"

namespace switchyard::model_registry {

struct NewEndpoint {
  // Of origin kApi.
  EndpointRecord record;
  // Whose request it was; together with `request_id` the key of idempotence. Empty request id: not idempotent.
  std::string requester;
  std::string request_id;
  // SHA-256 of what was asked.
  std::string content_hash;
};

struct InsertOutcome {
  enum class Kind { kInserted, kReplayed, kRequestIdReused, kNameTaken, kTooMany } kind = Kind::kInserted;
  // The stored one, when inserted or replayed.
  EndpointRecord record;
};

// What is kept of endpoints, models and reservations. Every call is atomic, blocks, and may fail with UNAVAILABLE, in
// which case it is unknown whether a change was made. Each change of configuration raises its revision. Thread-safe.
class RegistryStore {
 public:
  virtual ~RegistryStore() = default;

  // Cheap: for a look whether Load is worth it.
  virtual absl::StatusOr<std::int64_t> Revision() = 0;
  // At least as new as its revision says.
  virtual absl::StatusOr<StoredConfiguration> Load() = 0;

  // kTooMany when there are `max_endpoints` already. The id of a removed endpoint is free for a replay no more.
  virtual absl::StatusOr<InsertOutcome> Insert(const NewEndpoint& endpoint, std::size_t max_endpoints) = 0;
  // `change` decides on the record as it stands, under a lock, and its `spec` is stored as it left it, unless it fails;
  // an unchanged one keeps its revision. It may run several times and has no other effects. ENDPOINT_NOT_FOUND,
  // ENDPOINT_NAME_TAKEN.
  virtual absl::StatusOr<EndpointRecord> Change(const EndpointId& id, absl::Time now,
                                                absl::FunctionRef<absl::Status(EndpointRecord&)> change) = 0;
  // Answers with the endpoint as it was; what was disabled there is forgotten. ENDPOINT_NOT_FOUND.
  virtual absl::StatusOr<EndpointRecord> Remove(const EndpointId& id) = 0;
  // Setting what is so already changes nothing.
  virtual absl::Status SetDisabled(const ModelSwitch& model, bool disabled, std::string_view by, absl::Time now) = 0;
  // Replaces the entry of that name.
  virtual absl::Status SetModel(const ModelInfo& model, std::string_view by, absl::Time now) = 0;
  // PRICE_NOT_FOUND.
  virtual absl::Status RemoveModel(std::string_view model) = 0;

  // `decide` is given what is live at these endpoints, under a lock, and returns what to store: new ones, and held ones
  // with another end. It may run several times and has no other effects.
  virtual absl::Status Reserve(
      absl::Span<const EndpointId> endpoints, absl::Time now,
      absl::FunctionRef<std::vector<Reservation>(const std::vector<Reservation>& live)> decide) = 0;
  // How many were held; what is not held is passed over.
  virtual absl::StatusOr<int> Release(absl::Span<const ReservationKey> keys) = 0;
  // Those that are not live any more; the others end at `expire_time`, or later if they did before.
  virtual absl::StatusOr<std::vector<ReservationKey>> Renew(absl::Span<const ReservationKey> keys,
                                                            absl::Time expire_time, absl::Time now) = 0;
  // Oldest first.
  virtual absl::StatusOr<std::vector<Reservation>> ListReservations(absl::Time now) = 0;

  // True for one caller until `until`: the live probe of an open endpoint is one for all replicas.
  virtual absl::StatusOr<bool> ClaimProbe(const EndpointId& id, absl::Time until, absl::Time now) = 0;
  // Drops what ended before `now`.
  virtual absl::Status Forget(absl::Time now) = 0;
};

}  // namespace switchyard::model_registry
