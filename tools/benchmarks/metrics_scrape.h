#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace switchyard::bench {

// By name and labels as exposed: `switchyard_task_queue_batch_size_sum{lane="submit"}`.
using MetricValues = std::map<std::string, double>;

// GET /metrics of a process on this host.
absl::StatusOr<MetricValues> ScrapeMetrics(int port);

}  // namespace switchyard::bench
