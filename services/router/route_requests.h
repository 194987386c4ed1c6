// Between the contract's keys and those of the domain.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "services/router/route_store.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "switchyard/router/v1/router_service.pb.h"

namespace switchyard::router {

RouteKey KeyOf(const std::string& task, std::int64_t generation);
// Each once, in order.
std::vector<RouteKey> KeysOf(const google::protobuf::RepeatedPtrField<v1::RouteKey>& keys);
// Capacity for one assignment.
void AddItem(const RouteKey& key, std::string_view endpoint_id, std::string_view model, bool urgent,
             absl::Duration hold, model_registry::v1::ReserveCapacityRequest& request);
void Fill(const Reservation& reservation, model_registry::v1::ReservationKey& out);

}  // namespace switchyard::router
