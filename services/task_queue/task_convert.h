// From what is stored to what the contract shows. Infinite times are absent messages.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/task_queue/task.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::task_queue {

enum class TaskView {
  kFull,
  // For lists: no output, no evidence and what else is long of the result.
  kList,
};

// DATA_LOSS, STORED_DATA_CORRUPT, when a part that is opaque to the core cannot be read; `out` is then unusable.
absl::Status ToProto(const StoredTask& task, TaskView view, v1::Task* out);
// What an agent is given, all but the error.
absl::Status ToProto(const StoredTask& task, absl::Time accept_by, v1::AssignResult* out);
absl::Status ToProto(const StoredTask& task, absl::Time accept_by, v1::AssignedTask* out);
absl::Status ToProto(const TaskRecord& record, v1::ReadyTask* out);

// For who tries the task next: what the verdict held against the last attempt that counted; empty when none did.
std::string FindingsAgainst(const TaskRecord& record);

void ToProto(const PublishedEvent& event, v1::TaskEvent* out);
// The events of one record.
void ToProto(const TaskRecord& record, const TaskEvent& event, v1::TaskEvent* out);
// INVALID_ARGUMENT for enumerators, ids and times that do not exist.
absl::StatusOr<PublishedEvent> FromProto(const v1::TaskEvent& event);

void ToProto(const Failure& failure, v1::TaskFailure* out);
absl::Status ToProto(const Attempt& attempt, v1::Attempt* out);

// Cancel wins over an answer. False when there is nothing to tell.
bool ToProto(const TaskRecord& record, v1::Directive* out);

void ToProto(Lane lane, const StageCounts& counts, bool paused, int weight, absl::Time now, v1::LaneStats* out);
void ToProto(const PauseEntry& entry, v1::Pause* out);
absl::StatusOr<PauseEntry> FromProto(const v1::Pause& pause);
void ToProto(absl::Span<const PauseEntry> entries, v1::PauseSet* out);

// LANE_UNSPECIFIED when the entry's key is no lane's number.
v1::Lane LaneOf(const PauseEntry& entry);

}  // namespace switchyard::task_queue
