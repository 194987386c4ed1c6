#pragma once

#include <cstdint>

#include "libs/base/id.h"

namespace switchyard::task_queue {

using TaskId = Id<struct TaskIdTag>;

// Counts assignments of one task. Only reports of the current one count.
enum class Generation : std::int64_t {};
constexpr std::int64_t ToInt(Generation generation) { return static_cast<std::int64_t>(generation); }
constexpr Generation Next(Generation generation) { return Generation(ToInt(generation) + 1); }

}  // namespace switchyard::task_queue
