// What other services and people ask for, as commands for the rules. Items are validated on the way: INVALID_ARGUMENT,
// INVALID_FIELD, with paths relative to the item.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/task_queue/commands.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"

namespace switchyard::task_queue {

absl::StatusOr<Command> ToCommand(const v1::Assignment& item);
// A result loses its usage, which is kept apart and comes back with ToProto(StoredTask).
absl::StatusOr<Command> ToCommand(const v1::TaskReport& item);
absl::StatusOr<Command> ToCommand(const v1::Conclusion& item);
absl::StatusOr<Command> ToCommand(const v1::Hold& item);

// These expect what validation passed.
TaskFilter ToFilter(const v1::TaskFilter& filter);
// What is unrestricted stays absent.
void ToProto(const TaskFilter& filter, v1::TaskFilter* out);
// A target that is one task is not an entry: INVALID_ARGUMENT.
absl::StatusOr<PauseEntry> ToPauseEntry(const v1::QueueTarget& target, std::string_view reason,
                                        std::string_view principal, absl::Time now);

// Nothing for OK. The reason is INTERNAL when the status carries none.
void ToProto(const absl::Status& status, v1::ItemError* out);

}  // namespace switchyard::task_queue
