#pragma once

#include <array>

#include "services/task_queue/task.h"

namespace switchyard::task_queue {

// A lane with twice the weight is offered twice as often while both have tasks; see docs/lanes.md.
struct LaneWeights {
  // By the lane's number; the first entry is unused.
  std::array<int, kLaneCount + 1> by_lane = {0, 8, 4, 2, 1};
};

}  // namespace switchyard::task_queue
