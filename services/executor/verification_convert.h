// What a task asks to be checked, out of its contract; nothing else.
#pragma once

#include <vector>

#include "services/executor/backend.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::executor {

// In order. INVALID_ARGUMENT, reason UNSUPPORTED, when a step is of a kind that is not known here: it could never be
// reported.
absl::StatusOr<std::vector<checks::Step>> ToSteps(const task_queue::v1::TaskSpec& spec);

// Where the work is, what becomes of it.
RepositoryWork ToRepository(const task_queue::v1::TaskSpec& spec);

}  // namespace switchyard::executor
