#pragma once

#include <string>

#include "absl/time/time.h"
#include "services/task_queue/task.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::bench {

inline constexpr char kAgentPrefix[] = "bench-agent-";
inline constexpr char kPrincipal[] = "bench";
inline constexpr char kSummary[] = "done";

// What every load submits: a command of a few words, about 120 bytes.
void FillSpec(task_queue::v1::TaskSpec& spec);

// One task as the service would store it at each station of an uneventful life.
struct SampleLife {
  task_queue::TaskRecord queued, running, done;
};
SampleLife MakeSampleLife(const task_queue::TaskId& id, task_queue::Lane lane, absl::Time now);

}  // namespace switchyard::bench
