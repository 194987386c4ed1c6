#pragma once

#include <cstdint>

#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::bench {

// Writes a moment of SteadyNanos() into a specification, so that whoever gets the task can tell how long it took
// without knowing its id. Fits into the title; replaces it.
void SetStamp(std::int64_t nanos, task_queue::v1::TaskSpec& spec);
// 0: it has none.
std::int64_t ParseStamp(const task_queue::v1::TaskSpec& spec);

}  // namespace switchyard::bench
