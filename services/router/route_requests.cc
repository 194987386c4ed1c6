#include "services/router/route_requests.h"

#include <algorithm>
#include <set>

#include "services/router/proto_time.h"

namespace switchyard::router {

namespace mr = model_registry::v1;
namespace tq = task_queue::v1;

RouteKey KeyOf(const std::string& task, std::int64_t generation) {
  return {TaskId::Parse(task).value_or(TaskId()), generation};
}

std::vector<RouteKey> KeysOf(const google::protobuf::RepeatedPtrField<v1::RouteKey>& keys) {
  std::set<RouteKey> sorted;
  for (const v1::RouteKey& key : keys) sorted.insert(KeyOf(key.task_id(), key.generation()));
  return {sorted.begin(), sorted.end()};
}

void AddItem(const RouteKey& key, std::string_view endpoint_id, std::string_view model, bool urgent,
             absl::Duration hold, mr::ReserveCapacityRequest& request) {
  mr::ReserveItem& item = *request.add_items();
  item.set_task_id(key.task.ToString());
  item.set_generation(key.generation);
  item.set_endpoint(std::string(endpoint_id));
  item.set_model(std::string(model));
  item.set_urgent(urgent);
  Set(hold, item.mutable_hold());
}

bool Runs(const tq::Task& task, std::int64_t generation) {
  return task.generation() == generation &&
         (task.state() == tq::TASK_STATE_ASSIGNED || task.state() == tq::TASK_STATE_RUNNING ||
          task.state() == tq::TASK_STATE_VERIFYING);
}

bool MayEnd(const absl::StatusOr<tq::Task>& task, std::int64_t generation) {
  return task.ok() ? !Runs(*task, generation) : task.status().code() == absl::StatusCode::kNotFound;
}

bool SameAgent(std::string_view a, std::string_view b) { return a.empty() || b.empty() || a == b; }

bool Serves(const Reservation& held, const v1::ReserveItem& item) {
  v1::Routing routing;
  return routing.ParseFromString(held.routing) && SameAgent(held.agent, item.agent_id()) &&
         std::all_of(routing.endpoint().needs().begin(), routing.endpoint().needs().end(),
                     [&](const std::string& need) {
                       return std::find(item.offered().begin(), item.offered().end(), need) != item.offered().end();
                     });
}

void Fill(const Reservation& reservation, mr::ReservationKey& out) {
  out.set_endpoint(reservation.endpoint_id);
  out.set_task_id(reservation.key.task.ToString());
  out.set_generation(reservation.key.generation);
}

}  // namespace switchyard::router
