#pragma once

#include <map>
#include <string>

#include "libs/telemetry/metrics.h"
#include "services/model_registry/registry.h"

namespace switchyard::model_registry {

// Turns snapshots into metrics, and changes of state into lines of the log. Not thread-safe.
class RegistryMeter {
 public:
  explicit RegistryMeter(telemetry::Metrics& metrics);

  // Each new snapshot, in order.
  void Saw(const Snapshot& snapshot);
  void FilesRead(bool good);

 private:
  telemetry::Family<telemetry::Gauge>& endpoints_;
  telemetry::Family<telemetry::Counter>& changes_;
  telemetry::Gauge& in_flight_;
  telemetry::Gauge& capacity_;
  telemetry::Gauge& lag_;
  telemetry::Gauge& files_good_;
  std::map<EndpointId, EndpointState> states_;
};

}  // namespace switchyard::model_registry
