// Requests of TaskLedgerService. Validate() is about a call as a whole: how many items, whose session. What is wrong
// with one item of a batch refuses that item alone, so items are checked one by one, with paths relative to the item.
#pragma once

#include "services/task_queue/faults.h"
#include "services/task_queue/request_validation.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::task_queue {

inline constexpr int kMaxHeld = 10000;

Violations Validate(const v1::WatchReadyRequest& request);
Violations Validate(const v1::ReadReadyRequest& request);
Violations Validate(const v1::DescribeTaskRequest& request);
Violations Validate(const v1::ReadTaskRequest& request);
Violations Validate(const v1::WatchDirectivesRequest& request);
Violations Validate(const v1::AssignTasksRequest& request);
Violations Validate(const v1::ReportTasksRequest& request);
Violations Validate(const v1::ReadVerifyingRequest& request);
Violations Validate(const v1::ConcludeTasksRequest& request);
Violations Validate(const v1::HoldTasksRequest& request);
Violations Validate(const v1::ConfirmGenerationRequest& request);
// Also every held task: a set that cannot be read cannot be reconciled.
Violations Validate(const v1::OpenSessionRequest& request);
Violations Validate(const v1::RenewSessionsRequest& request);
Violations Validate(const v1::ListAssignedRequest& request);
Violations Validate(const v1::AcquireShardsRequest& request);

// One item of a batch.
void CheckItem(const v1::Assignment& item, FaultList& faults);
void CheckItem(const v1::TaskReport& item, FaultList& faults);
void CheckItem(const v1::Conclusion& item, FaultList& faults);
void CheckItem(const v1::Hold& item, FaultList& faults);

}  // namespace switchyard::task_queue
