#pragma once

#include <functional>

#include "absl/status/status.h"
#include "services/task_queue/task.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {

// Stores `count` tasks as the service would have left them at that stage (ready in `lane`, or done), each with ids,
// keys, specification and history of its own, by plain SQL. The service must be stopped.
absl::Status FillHistory(const Installation& installation, task_queue::Lane lane, task_queue::Stage stage, int count);

// Vacuum and a checkpoint, so that what was filled in is at rest as it would be after hours.
absl::Status Settle(const Installation& installation);

}  // namespace switchyard::bench
