#pragma once

#include <compare>
#include <cstdint>
#include <utility>

#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

// One assignment.
struct TaskRef {
  TaskId task;
  std::int64_t generation = 0;

  friend bool operator==(const TaskRef&, const TaskRef&) = default;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
  template <class H>
  friend H AbslHashValue(H h, const TaskRef& ref) {
    return H::combine(std::move(h), ref.task, ref.generation);
  }
};

}  // namespace switchyard::agent_hub
