#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::scheduler {

// What Prometheus learns of the match loop. Thread-safe.
class SchedulerMeter {
 public:
  explicit SchedulerMeter(telemetry::Metrics& metrics);

  void Matched(absl::Duration took, int tasks);
  // From when the scheduler knew of a task until the ledger had given it away.
  void Assigned(absl::Duration waited) {
    assigned_.Add();
    waited_.Observe(waited);
  }
  void AssignAnswered(absl::Duration took) { assign_.Observe(took); }
  void Refused(std::string_view reason);
  void DispatchAnswered(absl::Duration took) { dispatch_.Observe(took); }
  void DispatchRefused(std::string_view reason);
  // How old a fresh task was when the feed told of it; as far as both hosts' clocks agree.
  void Heard(absl::Duration age) { feed_lag_.Observe(age); }
  void FeedEnded(std::string_view feed);
  // A task runs on a free endpoint since the router is away.
  void SnapshotRouted() { snapshot_routed_.Add(); }
  void SetWaiting(int unserved, int paused, int busy, int in_line);

 private:
  telemetry::Histogram& match_;
  telemetry::Histogram& batch_;
  telemetry::Histogram& waited_;
  telemetry::Histogram& assign_;
  telemetry::Histogram& dispatch_;
  telemetry::Histogram& feed_lag_;
  telemetry::Counter& assigned_;
  telemetry::Counter& snapshot_routed_;
  telemetry::Family<telemetry::Counter>& refused_;
  telemetry::Family<telemetry::Counter>& dispatch_refused_;
  telemetry::Family<telemetry::Counter>& feed_ends_;
  telemetry::Gauge& unserved_;
  telemetry::Gauge& paused_;
  telemetry::Gauge& busy_;
  telemetry::Gauge& in_line_;
};

}  // namespace switchyard::scheduler
