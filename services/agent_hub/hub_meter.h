#pragma once

#include <array>
#include <cstddef>
#include <map>

#include "libs/telemetry/metrics.h"
#include "services/agent_hub/hub.h"

namespace switchyard::agent_hub {

// What operators see of the hub. With the messages and bytes of both directions and the lives ended, what coordination
// costs per task can be told. Thread-safe.
class HubMeter final {
 public:
  explicit HubMeter(telemetry::Metrics& metrics);

  // By the number of the field in AgentMessage and HubMessage.
  void Received(int kind, std::size_t bytes);
  // `joined`: as part of a message that was counted already.
  void Sent(int kind, std::size_t bytes, bool joined = false);
  void LogBytes(std::size_t bytes) { log_bytes_.Add(bytes); }
  void LogsDropped(std::size_t chunks) { logs_dropped_.Add(chunks); }

  void Add(const HubTally& tally);
  void Set(const std::map<AgentState, int>& states, std::size_t streams, std::size_t pending_reports,
           std::size_t schedulers);

 private:
  static constexpr int kKinds = 16;
  struct Direction {
    std::array<telemetry::Counter*, kKinds> messages{};
    std::array<telemetry::Counter*, kKinds> bytes{};
  };

  Direction in_;
  Direction out_;
  telemetry::Counter& assigned_;
  telemetry::Counter& redelivered_;
  telemetry::Counter& accepted_;
  telemetry::Counter& ended_;
  telemetry::Counter& refused_;
  telemetry::Counter& accept_timeouts_;
  telemetry::Counter& breakers_;
  telemetry::Counter& log_bytes_;
  telemetry::Counter& logs_dropped_;
  telemetry::Family<telemetry::Counter>& violations_;
  telemetry::Histogram& accept_seconds_;
  telemetry::Family<telemetry::Gauge>& agents_;
  telemetry::Gauge& streams_;
  telemetry::Gauge& pending_;
  telemetry::Gauge& schedulers_;
};

}  // namespace switchyard::agent_hub
