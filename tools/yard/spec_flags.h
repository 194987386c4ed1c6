#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/parse.h"

namespace switchyard::yard {

// Sets what the flags of `task submit` say, over what `spec` holds. `prompt_text` is the instruction after "@FILE" and
// "-" were read.
absl::Status ApplySpecFlags(const Invocation& invocation, std::string_view prompt_text, absl::Time now,
                            task_queue::v1::TaskSpec& spec);

// "command_succeeds: make test", "file_contains: README.md Usage", "git_clean"; a leading "optional" as in
// "optional no_secrets" makes the step optional.
absl::StatusOr<task_queue::v1::VerificationStep> ParseCheck(std::string_view text);

// Words as a shell would split them, with quotes and backslashes; nothing is expanded.
absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view text);

// From the flags of lists and bulk verbs. Empty when no filter flag was given.
task_queue::v1::TaskFilter FilterFromFlags(const Invocation& invocation, absl::Time now);
bool HasFilter(const Invocation& invocation);

}  // namespace switchyard::yard
