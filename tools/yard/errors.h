// What a failure means to whoever called yard: an exit code, a stable code, and what to do next.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::yard {

enum class ExitCode {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kNotFound = 3,
  kAuthentication = 4,
  kConflict = 5,
  kWaitingForApproval = 6,
  kDeniedByPolicy = 7,
  kBudgetExhausted = 8,
  kWaitTimedOut = 9,
  kTaskFailed = 10,
  kUnreachable = 11,
  kInterrupted = 130,
};

// The command line itself is wrong. `next` is what to type instead; may be empty.
absl::Status UsageError(std::string_view reason, std::string_view message, std::string_view next = "");
// A failure of yard's own with advice.
absl::Status LocalError(absl::StatusCode code, std::string_view reason, std::string_view message,
                        std::string_view next = "");

ExitCode ExitCodeOf(const absl::Status& status);

struct ErrorReport {
  // The reason in lower case, its first word set off by a dot: "token.missing", "task.not_found".
  std::string code;
  std::string message;
  // A command or a sentence; may be empty.
  std::string next;
  std::string request_id;
  // The same call may succeed later.
  bool retryable = false;
};
ErrorReport DescribeError(const absl::Status& status, std::string_view request_id);

// {"error":{...}} on one line; field violations and the server's metadata go along when there are any.
std::string ErrorAsJson(const absl::Status& status, std::string_view request_id);
// "yard: ..." with one line per field violation and a line "next: ...". Escaped for a terminal.
std::string ErrorAsText(const absl::Status& status, std::string_view request_id, bool color);

}  // namespace switchyard::yard
