#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/verification/work.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::verification {

// The submission of a judge for what was read: a task of its own that goes to no model of `families`, is asked to find
// what is wrong, gets everything that others wrote as data, and never waits for a judge itself. The same for the same
// arguments, so that it may be submitted again.
task_queue::v1::SubmitTaskRequest JudgeTask(const WorkKey& key, const task_queue::v1::ReadVerifyingResponse& read,
                                            const std::vector<std::string>& families, absl::Time due);

}  // namespace switchyard::verification
