// Requests of TaskQueueService as a whole: all faults at once, never more than FaultList keeps. The caller turns what
// is not empty into InvalidFields().
#pragma once

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/status.h"
#include "services/task_queue/faults.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::task_queue {

inline constexpr int kMaxBatch = 1000;
inline constexpr int kMaxSelectedIds = 1000;
inline constexpr int kMaxSelected = 10000;
inline constexpr int kMaxPageSize = 1000;
inline constexpr int kUsualPageSize = 50;

using Violations = std::vector<FieldViolation>;

Violations ValidateRequestId(std::string_view request_id, std::string_view field);
Violations ValidateFilter(const v1::TaskFilter& filter, std::string_view prefix);
Violations ValidateSelection(const v1::TaskSelection& selection, std::string_view prefix);

// Request ids and whole specifications too; `now` as in ValidateSpec.
Violations Validate(const v1::SubmitTaskRequest& request, absl::Time now);
Violations Validate(const v1::SubmitTasksRequest& request, absl::Time now);
Violations Validate(const v1::GetTaskRequest& request);
Violations Validate(const v1::ListTasksRequest& request);
Violations Validate(const v1::ListTaskEventsRequest& request);
Violations Validate(const v1::WatchTasksRequest& request);
Violations Validate(const v1::CancelTasksRequest& request);
Violations Validate(const v1::RetryTasksRequest& request);
Violations Validate(const v1::PauseQueueRequest& request);
Violations Validate(const v1::ResumeQueueRequest& request);
Violations Validate(const v1::AnswerTaskRequest& request);
Violations Validate(const v1::ListDeadLettersRequest& request);
Violations Validate(const v1::DiscardDeadLettersRequest& request);

}  // namespace switchyard::task_queue
