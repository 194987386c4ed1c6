#include "services/agent_hub/hub_meter.h"

#include <string>

namespace switchyard::agent_hub {
namespace {

constexpr std::array<const char*, 8> kReceived = {"unknown", "hello",   "heartbeat",     "reports",
                                                  "logs",    "confirm", "route_request", "pong"};
constexpr std::array<const char*, 13> kSent = {"unknown", "welcome", "assign",         "ack",         "reconcile",
                                               "cancel",  "answer",  "confirm_result", "route_grant", "status",
                                               "drain",   "ping",    "goodbye"};
constexpr std::array<const char*, 12> kStates = {"",         "offline",  "connecting",   "idle",
                                                 "assigned", "working",  "verifying",    "blocked",
                                                 "draining", "degraded", "unresponsive", "quarantined"};

}  // namespace

HubMeter::HubMeter(telemetry::Metrics& metrics)
    : assigned_(metrics.AddCounter("switchyard_agent_hub_assigned_total", "Assignments sent for the first time.")),
      redelivered_(metrics.AddCounter("switchyard_agent_hub_redelivered_total", "Assignments sent again.")),
      accepted_(metrics.AddCounter("switchyard_agent_hub_accepted_total", "Assignments accepted.")),
      ended_(metrics.AddCounter("switchyard_agent_hub_lives_total", "Final reports that the task queue took.")),
      refused_(metrics.AddCounter("switchyard_agent_hub_reports_refused_total", "Reports that changed nothing.")),
      accept_timeouts_(
          metrics.AddCounter("switchyard_agent_hub_accept_timeouts_total", "Assignments not accepted in time.")),
      breakers_(metrics.AddCounter("switchyard_agent_hub_breakers_opened_total", "Breakers of agents that opened.")),
      log_bytes_(metrics.AddCounter("switchyard_agent_hub_log_bytes_total", "Output of tasks that was taken.")),
      logs_dropped_(
          metrics.AddCounter("switchyard_agent_hub_log_chunks_dropped_total",
                             "Chunks of output that were not kept: too many, or not of a task of the agent.")),
      violations_(metrics.Counters("switchyard_agent_hub_violations_total", "Agents cut off.", {"reason"})),
      accept_seconds_(metrics.AddHistogram("switchyard_agent_hub_accept_seconds",
                                           "From an assignment's sending to its acceptance.",
                                           telemetry::LatencyBuckets())),
      agents_(metrics.Gauges("switchyard_agent_hub_agents", "Agents known to this hub.", {"state"})),
      streams_(metrics.AddGauge("switchyard_agent_hub_streams", "Streams of agents.")),
      pending_(metrics.AddGauge("switchyard_agent_hub_pending_reports", "Reports that wait for their commit.")),
      schedulers_(metrics.AddGauge("switchyard_agent_hub_schedulers", "Open watches of capacity.")) {
  auto& messages =
      metrics.Counters("switchyard_agent_hub_messages_total", "Messages on agents' streams.", {"direction", "kind"});
  auto& bytes = metrics.Counters("switchyard_agent_hub_bytes_total", "Bytes of these messages.", {"direction", "kind"});
  for (int kind = 0; kind < kKinds; ++kind) {
    const auto at = static_cast<std::size_t>(kind);
    const std::string received = at < kReceived.size() ? kReceived[at] : "unknown";
    const std::string sent = at < kSent.size() ? kSent[at] : "unknown";
    in_.messages[at] = &messages.With({"in", received});
    in_.bytes[at] = &bytes.With({"in", received});
    out_.messages[at] = &messages.With({"out", sent});
    out_.bytes[at] = &bytes.With({"out", sent});
  }
}

void HubMeter::Received(int kind, std::size_t bytes) {
  const std::size_t at = kind < kKinds ? static_cast<std::size_t>(kind) : 0;
  in_.messages[at]->Add();
  in_.bytes[at]->Add(bytes);
}

void HubMeter::Sent(int kind, std::size_t bytes, bool joined) {
  const std::size_t at = kind < kKinds ? static_cast<std::size_t>(kind) : 0;
  if (!joined) out_.messages[at]->Add();
  out_.bytes[at]->Add(bytes);
}

void HubMeter::Add(const HubTally& tally) {
  assigned_.Add(tally.assigned);
  redelivered_.Add(tally.redelivered);
  accepted_.Add(tally.accepted);
  ended_.Add(tally.ended);
  refused_.Add(tally.refused);
  accept_timeouts_.Add(tally.accept_timeouts);
  breakers_.Add(tally.breakers_opened);
  for (const auto& [reason, count] : tally.violations) violations_.With({reason}).Add(count);
  for (const absl::Duration took : tally.accept_times) accept_seconds_.Observe(took);
}

void HubMeter::Set(const std::map<AgentState, int>& states, std::size_t streams, std::size_t pending_reports,
                   std::size_t schedulers) {
  for (std::size_t state = 1; state < kStates.size(); ++state) {
    const auto found = states.find(static_cast<AgentState>(state));
    agents_.With({kStates[state]}).Set(found == states.end() ? 0 : found->second);
  }
  streams_.Set(static_cast<double>(streams));
  pending_.Set(static_cast<double>(pending_reports));
  schedulers_.Set(static_cast<double>(schedulers));
}

}  // namespace switchyard::agent_hub
