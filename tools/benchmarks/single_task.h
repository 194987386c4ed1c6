// One task at a time, as its submitter sees it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "switchyard/task_queue/v1/spec.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "tools/benchmarks/client.h"

namespace switchyard::bench {

// Its id.
absl::StatusOr<std::string> SubmitSingle(Client& client, const v1::TaskSpec& spec);
// Asks until the task has succeeded, with a pause after each question: without, they would take the processors from
// what is measured. Any other end is an error.
absl::StatusOr<v1::Task> AwaitSucceeded(Client& client, const std::string& task_id, absl::Duration pause);

}  // namespace switchyard::bench
