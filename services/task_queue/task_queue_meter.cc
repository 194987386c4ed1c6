#include "services/task_queue/task_queue_meter.h"

#include <algorithm>

#include "libs/base/status.h"

namespace switchyard::task_queue {
namespace {

constexpr std::array<const char*, kLaneCount + 1> kLaneNames = {"", "urgent", "high", "normal", "low"};
constexpr std::array<const char*, kStageCount> kStageNames = {"ready", "held", "running", "judging", "dead", "done"};

telemetry::Histogram& Latency(telemetry::Metrics& metrics, const char* operation) {
  return metrics
      .Histograms("switchyard_task_queue_operation_seconds", "From the arrival of a call to its committed answer.",
                  {"operation"}, telemetry::LatencyBuckets())
      .With({operation});
}

}  // namespace

TaskQueueMeter::TaskQueueMeter(telemetry::Metrics& metrics)
    : metrics_(metrics),
      submit_seconds_(Latency(metrics, "submit")),
      assign_seconds_(Latency(metrics, "assign")),
      report_seconds_(Latency(metrics, "report")),
      retries_(metrics.Counters("switchyard_task_queue_retries_total", "Attempts that failed and are tried again.", {})
                   .With({})),
      losses_(metrics
                  .Counters("switchyard_task_queue_losses_total",
                            "Assignments that ended without a charge: lost, rejected, not accepted.", {})
                  .With({})),
      dead_letters_(metrics.Counters("switchyard_task_queue_dead_letters_total",
                                     "Tasks given up, by the model that last worked on them.", {"model"})),
      refused_(metrics.Counters("switchyard_task_queue_refused_total", "Commands that were not taken.", {"reason"})),
      refused_stale_(refused_.With({"STALE_GENERATION"})),
      watchers_(metrics.Gauges("switchyard_task_queue_watchers", "Open WatchTasks streams.", {}).With({})),
      watch_buffered_(
          metrics.Gauges("switchyard_task_queue_watch_buffered_bytes", "What waits for slow readers of WatchTasks.", {})
              .With({})),
      watch_lag_(metrics
                     .Gauges("switchyard_task_queue_watch_lag_seconds",
                             "How far watchers are behind what is committed: this process reads slowly, or an older "
                             "transaction holds it back.",
                             {})
                     .With({})),
      cached_tasks_(
          metrics.Gauges("switchyard_task_queue_cached_tasks", "Live tasks remembered as last seen.", {}).With({})),
      cached_bytes_(
          metrics.Gauges("switchyard_task_queue_cached_bytes", "What the remembered tasks take.", {}).With({})) {
  auto& depth = metrics.Gauges("switchyard_task_queue_depth", "Tasks by lane and stage.", {"lane", "stage"});
  auto& oldest = metrics.Gauges("switchyard_task_queue_oldest_seconds", "Age of the oldest ready task.", {"lane"});
  for (int lane = 1; lane <= kLaneCount; ++lane) {
    for (int stage = 0; stage < kStageCount; ++stage) {
      depth_[lane][stage] = &depth.With({kLaneNames[lane], kStageNames[stage]});
    }
    oldest_[lane] = &oldest.With({kLaneNames[lane]});
  }
}

void TaskQueueMeter::Changed(const TaskRecord& record) {
  if (record.timeline.empty()) return;
  const TaskEvent& last = record.timeline.back();
  if (last.kind == EventKind::kReturned) {
    const bool charged = !record.history.empty() && record.history.back().charged;
    (charged ? retries_ : losses_).Add();
  } else if (last.kind == EventKind::kFinished && last.state == TaskState::kDeadLetter) {
    dead_letters_.With({record.model.empty() ? "none" : record.model}).Add();
  }
}

void TaskQueueMeter::Refused(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "STALE_GENERATION") {
    refused_stale_.Add();
  } else {
    refused_.With({reason.empty() ? "INTERNAL" : reason}).Add();
  }
}

void TaskQueueMeter::SetCounts(const std::vector<StageCounts>& counts, absl::Time now) {
  for (int lane = 1; lane <= kLaneCount; ++lane) {
    for (int stage = 0; stage < kStageCount; ++stage) {
      depth_[lane][stage]->Set(static_cast<double>(counts[lane - 1].by_stage[stage]));
    }
    const absl::Time oldest = counts[lane - 1].oldest_ready;
    oldest_[lane]->Set(oldest == absl::InfiniteFuture() ? 0 : std::max(0.0, absl::ToDoubleSeconds(now - oldest)));
  }
}

void TaskQueueMeter::SetWatch(std::size_t watchers, std::size_t buffered_bytes, absl::Duration lag) {
  watchers_.Set(static_cast<double>(watchers));
  watch_buffered_.Set(static_cast<double>(buffered_bytes));
  watch_lag_.Set(absl::ToDoubleSeconds(lag));
}

void TaskQueueMeter::SetCache(std::size_t entries, std::size_t bytes) {
  cached_tasks_.Set(static_cast<double>(entries));
  cached_bytes_.Set(static_cast<double>(bytes));
}

}  // namespace switchyard::task_queue
