#include "services/scheduler/scheduler_meter.h"

#include <string>

namespace switchyard::scheduler {
namespace {

constexpr std::string_view kWaiting = "switchyard_scheduler_waiting_tasks";
constexpr std::string_view kWaitingHelp = "Tasks in line, by what they wait for.";

telemetry::Gauge& Waiting(telemetry::Metrics& metrics, const char* reason) {
  return metrics.Gauges(kWaiting, kWaitingHelp, {"reason"}).With({reason});
}

}  // namespace

SchedulerMeter::SchedulerMeter(telemetry::Metrics& metrics)
    : match_(metrics.AddHistogram("switchyard_scheduler_match_seconds", "Time of one run of the matching core.",
                                  telemetry::LatencyBuckets())),
      batch_(metrics.AddHistogram("switchyard_scheduler_batch_tasks", "Assignments in one call to the task queue.",
                                  telemetry::CountBuckets())),
      waited_(metrics.AddHistogram("switchyard_scheduler_wait_seconds", "From hearing of a task until it was assigned.",
                                   telemetry::LatencyBuckets())),
      assign_(metrics.AddHistogram("switchyard_scheduler_assign_seconds", "Time of one AssignTasks.",
                                   telemetry::LatencyBuckets())),
      dispatch_(metrics.AddHistogram("switchyard_scheduler_dispatch_seconds", "Time of one Dispatch.",
                                     telemetry::LatencyBuckets())),
      feed_lag_(metrics.AddHistogram("switchyard_scheduler_feed_lag_seconds",
                                     "Age of fresh tasks when the ready feed told of them.",
                                     telemetry::LatencyBuckets())),
      assigned_(metrics.AddCounter("switchyard_scheduler_assigned_total", "Tasks assigned.")),
      snapshot_routed_(metrics.AddCounter("switchyard_scheduler_snapshot_routes_total",
                                          "Tasks sent to free endpoints while the router was away.")),
      refused_(metrics.Counters("switchyard_scheduler_refused_total", "Assignments that the task queue refused.",
                                {"reason"}, 32)),
      dispatch_refused_(metrics.Counters("switchyard_scheduler_dispatch_refused_total",
                                         "Assigned tasks that a hub did not take.", {"reason"}, 32)),
      feed_ends_(metrics.Counters("switchyard_scheduler_feed_ends_total", "Feeds that ended and were opened again.",
                                  {"feed"}, 32)),
      unserved_(Waiting(metrics, "no_agent")),
      paused_(Waiting(metrics, "paused")),
      busy_(Waiting(metrics, "busy")),
      in_line_(Waiting(metrics, "in_line")) {}

void SchedulerMeter::Matched(absl::Duration took, int tasks) {
  match_.Observe(took);
  if (tasks > 0) batch_.Observe(tasks);
}

void SchedulerMeter::Refused(std::string_view reason) { refused_.With({std::string(reason)}).Add(); }
void SchedulerMeter::DispatchRefused(std::string_view reason) { dispatch_refused_.With({std::string(reason)}).Add(); }
void SchedulerMeter::FeedEnded(std::string_view feed) { feed_ends_.With({std::string(feed)}).Add(); }

void SchedulerMeter::SetWaiting(int unserved, int paused, int busy, int in_line) {
  unserved_.Set(unserved);
  paused_.Set(paused);
  busy_.Set(busy);
  in_line_.Set(in_line);
}

}  // namespace switchyard::scheduler
