// Task specifications as people write them, in YAML or JSON, to messages of the contract.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "libs/base/status.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/output.h"

namespace switchyard::yard {

// One request per document. A document is a TaskSpec, or a SubmitTaskRequest (has "spec"), or a SubmitTasksRequest (has
// "tasks"), or a JSON array of these. Beyond protobuf JSON: enum values may be short ("lane: high"), spans may be "5m",
// scalars of YAML take the type of their field. INVALID_ARGUMENT names every fault with its path, all at once.
absl::StatusOr<std::vector<task_queue::v1::SubmitTaskRequest>> ParseTasks(std::string_view text,
                                                                          std::string_view file_name);

// Rewrites `json` into canonical protobuf JSON of `type`, as above. Appends one entry per fault.
Json Normalise(const Json& json, const google::protobuf::Descriptor& type, const std::string& path,
               std::vector<FieldViolation>& faults);

}  // namespace switchyard::yard
