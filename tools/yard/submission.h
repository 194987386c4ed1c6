#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

// What the command line asks for: one task from the flags, or those of -f with the flags over each of them. Every one
// has a request id. An instruction is taken from --prompt or, where the command has it, from the argument PROMPT.
absl::StatusOr<std::vector<task_queue::v1::SubmitTaskRequest>> RequestsFromFlags(Session& session);

// The same of a command line that was changed first.
absl::StatusOr<std::vector<task_queue::v1::SubmitTaskRequest>> RequestsFrom(Session& session, Invocation invocation);

// A file as it is, or standard input for "-".
absl::StatusOr<std::string> ReadInput(Session& session, const std::string& name);

// What --dry-run prints; it can be submitted with -f as it is.
Answer DryRunAnswer(const std::vector<task_queue::v1::SubmitTaskRequest>& requests);

}  // namespace switchyard::yard
