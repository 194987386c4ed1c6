// Between the contract's keys and those of the domain.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "services/router/route_store.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "switchyard/router/v1/router_service.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::router {

RouteKey KeyOf(const std::string& task, std::int64_t generation);
// Each once, in order.
std::vector<RouteKey> KeysOf(const google::protobuf::RepeatedPtrField<v1::RouteKey>& keys);
// Capacity for one assignment.
void AddItem(const RouteKey& key, std::string_view endpoint_id, std::string_view model, bool urgent,
             absl::Duration hold, model_registry::v1::ReserveCapacityRequest& request);
// Whether the task is with an agent under this very generation.
bool Runs(const task_queue::v1::Task& task, std::int64_t generation);
// Whether the assignment is known not to stand: only then may what it holds be taken from it.
bool MayEnd(const absl::StatusOr<task_queue::v1::Task>& task, std::int64_t generation);
// Whether two names may be one agent's; an empty one says nothing.
bool SameAgent(std::string_view a, std::string_view b);
// Whether what is held serves the agent that asks: it was reserved for that one, which still offers what it needs.
bool Serves(const Reservation& held, const v1::ReserveItem& item);
void Fill(const Reservation& reservation, model_registry::v1::ReservationKey& out);

}  // namespace switchyard::router
