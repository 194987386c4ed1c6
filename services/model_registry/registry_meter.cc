#include "services/model_registry/registry_meter.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"

namespace switchyard::model_registry {
namespace {

constexpr EndpointState kStates[] = {
    EndpointState::kUnknown,     EndpointState::kHealthy,       EndpointState::kLoading, EndpointState::kBusy,
    EndpointState::kRateLimited, EndpointState::kMisconfigured, EndpointState::kFailing, EndpointState::kOpen,
    EndpointState::kRecovering,  EndpointState::kDisabled};

bool IsBad(EndpointState state) {
  return state == EndpointState::kMisconfigured || state == EndpointState::kOpen || state == EndpointState::kFailing;
}

// What comes and goes with work is no news.
bool IsNews(EndpointState from, EndpointState to) {
  const auto calm = [](EndpointState state) {
    return state == EndpointState::kHealthy || state == EndpointState::kBusy || state == EndpointState::kLoading;
  };
  return !(calm(from) && calm(to));
}

}  // namespace

RegistryMeter::RegistryMeter(telemetry::Metrics& metrics)
    : endpoints_(metrics.Gauges("switchyard_model_registry_endpoints", "Endpoints, by their state.", {"state"})),
      changes_(metrics.Counters("switchyard_model_registry_state_changes_total",
                                "Changes of an endpoint's state, by the state it came to.", {"endpoint", "state"})),
      in_flight_(metrics.AddGauge("switchyard_model_registry_reservations", "Reservations of capacity that are held.")),
      capacity_(metrics.AddGauge("switchyard_model_registry_capacity",
                                 "Requests that all endpoints together take now, breakers and limits considered.")),
      lag_(metrics.AddGauge("switchyard_model_registry_check_lag_seconds",
                            "How late the most overdue check of an endpoint is.")),
      files_good_(metrics.AddGauge("switchyard_model_registry_files_good",
                                   "1 while the files of models, roles and endpoints were read without a fault.")) {}

void RegistryMeter::FilesRead(bool good) { files_good_.Set(good ? 1 : 0); }

void RegistryMeter::Saw(const Snapshot& snapshot) {
  std::map<EndpointState, int> counts;
  std::map<EndpointId, EndpointState> states;
  double in_flight = 0;
  double capacity = 0;
  absl::Duration lag;
  for (const auto& view : snapshot.endpoints) {
    const EndpointStatus& status = view->status;
    ++counts[status.state];
    in_flight += status.in_flight;
    capacity += status.capacity;
    if (status.next_check_time.has_value()) lag = std::max(lag, snapshot.time - *status.next_check_time);
    states.emplace(view->record.id, status.state);
    const auto before = states_.find(view->record.id);
    const EndpointState from = before == states_.end() ? EndpointState::kUnknown : before->second;
    if (from == status.state) continue;
    changes_.With({view->record.spec.name, std::string(NameOf(status.state))}).Add();
    if (!IsNews(from, status.state)) continue;
    Log(IsBad(status.state) ? LogLevel::kWarning : LogLevel::kInfo, "endpoint changed its state",
        {{"endpoint", view->record.spec.name},
         {"from", NameOf(from)},
         {"to", NameOf(status.state)},
         {"cause", status.cause}});
  }
  for (const EndpointState state : kStates) endpoints_.With({std::string(NameOf(state))}).Set(counts[state]);
  in_flight_.Set(in_flight);
  capacity_.Set(capacity);
  lag_.Set(absl::ToDoubleSeconds(lag));
  states_ = std::move(states);
}

}  // namespace switchyard::model_registry
