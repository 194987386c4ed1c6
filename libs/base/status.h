// Failures that a caller can see carry a reason from a closed set, metadata, and, where they apply, violations of
// fields and a delay before a retry. They ride as payloads on absl::Status, so that cores stay free of gRPC and
// protobuf; libs/rpc turns them into google.rpc details and back.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace switchyard {

struct FieldViolation {
  // Path from the request's root: "tasks[3].spec.command.argv".
  std::string field;
  std::string description;

  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

struct ErrorDetails {
  // UPPER_SNAKE_CASE; stable, part of the contract.
  std::string reason;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FieldViolation> violations;
  // Zero when there is nothing to say.
  absl::Duration retry_after;
};

absl::Status MakeError(absl::StatusCode code, std::string_view message, ErrorDetails details);
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message);

// Empty details when the status was not made by MakeError.
ErrorDetails DetailsOf(const absl::Status& status);
// "" when the status was not made by MakeError.
std::string ReasonOf(const absl::Status& status);

// INVALID_ARGUMENT, reason INVALID_FIELD, one violation per fault, all at once.
absl::Status InvalidFields(std::vector<FieldViolation> violations);

// The same failure with `prefix` and ": " before its message; code and details are kept.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

}  // namespace switchyard
