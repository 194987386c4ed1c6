#include "tools/yard/errors.h"

#include <cctype>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/terminal.h"
#include "nlohmann/json.hpp"

namespace switchyard::yard {
namespace {

constexpr std::string_view kNextKey = "next";

struct Advice {
  std::string_view reason;
  ExitCode exit;
  std::string_view next;
};

constexpr Advice kAdvice[] = {
    {"TOKEN_MISSING", ExitCode::kAuthentication, "give --token-file FILE, or set token_file in the context"},
    {"TOKEN_INVALID", ExitCode::kAuthentication,
     "the token is unknown, expired or revoked: yard token issue PRINCIPAL"},
    {"TOKEN_FILE_MODE", ExitCode::kAuthentication, ""},
    {"SCOPE_MISSING", ExitCode::kAuthentication, "ask an admin for a token with that scope: yard token issue --scope"},
    {"TASK_NOT_FOUND", ExitCode::kNotFound, "yard task list"},
    {"DEPENDENCY_NOT_FOUND", ExitCode::kNotFound, "yard ps --all"},
    {"BUDGET_NOT_FOUND", ExitCode::kNotFound, "yard budget list"},
    {"ROUTER_AWAY", ExitCode::kUnreachable, ""},
    {"VERIFICATION_AWAY", ExitCode::kUnreachable, ""},
    {"VERIFICATION_NOT_FOUND", ExitCode::kNotFound, "yard verify list"},
    {"POLICY_NOT_FOUND", ExitCode::kNotFound, "yard verify policy list"},
    {"REGISTRY_UNKNOWN", ExitCode::kUnreachable,
     "the router has not heard of the model registry yet: yard endpoint list"},
    {"TOKEN_NOT_FOUND", ExitCode::kNotFound, "yard token list"},
    {"CONTEXT_NOT_FOUND", ExitCode::kNotFound, "yard context list"},
    {"COUNT_CHANGED", ExitCode::kConflict, "run the command again and look at the new count"},
    {"REQUEST_ID_REUSED", ExitCode::kConflict, "that key was used for other content: choose another --idempotency-key"},
    {"APPROVAL_REQUIRED", ExitCode::kWaitingForApproval, ""},
    {"POLICY_DENIED", ExitCode::kDeniedByPolicy, ""},
    {"BUDGET_EXHAUSTED", ExitCode::kBudgetExhausted, ""},
    {"WAIT_TIMED_OUT", ExitCode::kWaitTimedOut, ""},
    {"TASK_FAILED", ExitCode::kTaskFailed, ""},
    {"INTERRUPTED", ExitCode::kInterrupted, ""},
    {"DATABASE_UNAVAILABLE", ExitCode::kUnreachable, "the service answers, its database does not: yard admin doctor"},
    {"QUEUE_FULL", ExitCode::kError, "try again later, or look what waits: yard queue list"},
    {"SERVER_UNREACHABLE", ExitCode::kUnreachable, "is it running? yard admin doctor"},
    {"RESUME_TOKEN_EXPIRED", ExitCode::kConflict, "yard task list, then follow again"},
};

const Advice* FindAdvice(std::string_view reason) {
  for (const Advice& advice : kAdvice) {
    if (advice.reason == reason) return &advice;
  }
  return nullptr;
}

// For failures that no service of ours made, such as a refused connection.
std::string EffectiveReason(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) return reason;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "SERVER_UNREACHABLE";
    case absl::StatusCode::kDeadlineExceeded:
      return "SERVER_TIMED_OUT";
    case absl::StatusCode::kUnauthenticated:
      return "TOKEN_INVALID";
    case absl::StatusCode::kUnimplemented:
      return "SERVER_TOO_OLD";
    default:
      return std::string(ToStd(absl::StatusCodeToString(status.code())));
  }
}

std::string CodeOf(std::string_view reason) {
  std::string code;
  bool dotted = false;
  for (char c : reason) {
    if (c == '_' && !dotted) {
      code += '.';
      dotted = true;
    } else {
      code += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return code;
}

std::string NextOf(const absl::Status& status, const ErrorDetails& details, std::string_view reason) {
  for (const auto& [key, value] : details.metadata) {
    if (key == kNextKey) return value;
  }
  if (const Advice* advice = FindAdvice(reason); advice != nullptr && !advice->next.empty()) {
    return std::string(advice->next);
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "give it longer with --timeout, or: yard admin doctor";
    case absl::StatusCode::kUnimplemented:
      return "the server does not know this call: compare versions with yard admin status";
    case absl::StatusCode::kUnavailable:
      return "yard admin doctor";
    default:
      return "";
  }
}

bool Retryable(const absl::Status& status, const ErrorDetails& details) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded ||
         details.retry_after > absl::ZeroDuration();
}

}  // namespace

absl::Status UsageError(std::string_view reason, std::string_view message, std::string_view next) {
  return LocalError(absl::StatusCode::kInvalidArgument, absl::StrCat("USAGE_", ToAbsl(reason)), message, next);
}

absl::Status LocalError(absl::StatusCode code, std::string_view reason, std::string_view message,
                        std::string_view next) {
  ErrorDetails details;
  details.reason = std::string(reason);
  if (!next.empty()) details.metadata.emplace_back(kNextKey, std::string(next));
  return MakeError(code, message, std::move(details));
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (const Advice* advice = FindAdvice(EffectiveReason(status)); advice != nullptr) return advice->exit;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kAuthentication;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return ExitCode::kConflict;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kError;
  }
}

ErrorReport DescribeError(const absl::Status& status, std::string_view request_id) {
  const ErrorDetails details = DetailsOf(status);
  const std::string reason = EffectiveReason(status);
  ErrorReport report;
  report.code = CodeOf(reason);
  report.message = std::string(ToStd(status.message()));
  report.next = NextOf(status, details, reason);
  report.request_id = std::string(request_id);
  report.retryable = Retryable(status, details);
  return report;
}

std::string ErrorAsJson(const absl::Status& status, std::string_view request_id) {
  const ErrorReport report = DescribeError(status, request_id);
  const ErrorDetails details = DetailsOf(status);
  nlohmann::ordered_json error = {{"code", report.code},
                                  {"message", report.message},
                                  {"next", report.next},
                                  {"request_id", report.request_id},
                                  {"retryable", report.retryable}};
  for (const FieldViolation& violation : details.violations) {
    error["violations"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  for (const auto& [key, value] : details.metadata) {
    if (key != kNextKey) error["metadata"][key] = value;
  }
  const nlohmann::ordered_json envelope = {{"error", error}};
  return absl::StrCat(envelope.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "\n");
}

std::string ErrorAsText(const absl::Status& status, std::string_view request_id, bool color) {
  const ErrorReport report = DescribeError(status, request_id);
  const ErrorDetails details = DetailsOf(status);
  std::string text = absl::StrCat(color ? "\033[31myard:\033[0m " : "yard: ", text::EscapeForTerminal(report.message),
                                  " (", report.code, ")\n");
  for (const FieldViolation& violation : details.violations) {
    absl::StrAppend(&text, "  ", text::EscapeForTerminal(violation.field), ": ",
                    text::EscapeForTerminal(violation.description), "\n");
  }
  if (!report.next.empty()) absl::StrAppend(&text, "  next: ", text::EscapeForTerminal(report.next), "\n");
  return text;
}

}  // namespace switchyard::yard
