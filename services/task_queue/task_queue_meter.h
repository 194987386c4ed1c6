#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/telemetry/metrics.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// What operators see of the task queue, beside the lanes and the calls. Thread-safe.
class TaskQueueMeter final {
 public:
  explicit TaskQueueMeter(telemetry::Metrics& metrics);

  // From the arrival of a call to its answer.
  void Submitted(absl::Duration took) { submit_seconds_.Observe(took); }
  void Assigned(absl::Duration took) { assign_seconds_.Observe(took); }
  void Reported(absl::Duration took) { report_seconds_.Observe(took); }

  // Of a written record: counts what its last event says.
  void Changed(const TaskRecord& record);
  // A command that was not taken.
  void Refused(const absl::Status& status);

  void SetCounts(const std::vector<StageCounts>& counts, absl::Time now);
  void SetWatch(std::size_t watchers, std::size_t buffered_bytes, absl::Duration lag);
  void SetCache(std::size_t entries, std::size_t bytes);

 private:
  telemetry::Metrics& metrics_;
  telemetry::Histogram& submit_seconds_;
  telemetry::Histogram& assign_seconds_;
  telemetry::Histogram& report_seconds_;
  telemetry::Counter& retries_;
  telemetry::Counter& losses_;
  telemetry::Family<telemetry::Counter>& dead_letters_;
  telemetry::Family<telemetry::Counter>& refused_;
  telemetry::Counter& refused_stale_;
  // By lane, then by stage.
  std::array<std::array<telemetry::Gauge*, kStageCount>, kLaneCount + 1> depth_;
  std::array<telemetry::Gauge*, kLaneCount + 1> oldest_;
  telemetry::Gauge& watchers_;
  telemetry::Gauge& watch_buffered_;
  telemetry::Gauge& watch_lag_;
  telemetry::Gauge& cached_tasks_;
  telemetry::Gauge& cached_bytes_;
};

}  // namespace switchyard::task_queue
