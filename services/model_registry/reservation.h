#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/model_registry/endpoint.h"

namespace switchyard::model_registry {

// The primary key of a reservation.
struct ReservationKey {
  EndpointId endpoint;
  TaskId task;
  std::int64_t generation = 0;

  friend bool operator==(const ReservationKey&, const ReservationKey&) = default;
  friend auto operator<=>(const ReservationKey&, const ReservationKey&) = default;
};

struct Reservation {
  ReservationKey key;
  std::string model;
  bool urgent = false;
  absl::Time create_time;
  absl::Time expire_time;

  friend bool operator==(const Reservation&, const Reservation&) = default;
};

// The numbers are the contract's.
enum class RefusalReason {
  kEndpointNotFound = 1,
  kEndpointClosed = 2,
  kRateLimited = 3,
  kNoCapacity = 4,
  kModelAbsent = 5,
  kModelDisabled = 6,
  kInvalid = 7,
};

struct Refusal {
  RefusalReason reason = RefusalReason::kInvalid;
  std::string message;
  std::optional<absl::Time> retry_time;
  std::optional<Reservation> preempt;
};

// What an endpoint and a model there may take at this moment.
struct ReserveLimits {
  // As the endpoint calls it; what counts.
  std::string model;
  int capacity = 0;
  int urgent_slots = 0;
  int model_capacity = 0;
};

// Nothing when there is room for `wanted` beside `held`, which are the live reservations of that endpoint without its
// own. A request that is not urgent leaves the urgent slots alone. Pure.
std::optional<Refusal> Refuse(const Reservation& wanted, const ReserveLimits& limits,
                              const std::vector<Reservation>& held);

}  // namespace switchyard::model_registry
