#include "services/verification/verification_errors.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::verification {
namespace {

absl::Status Make(absl::StatusCode code, std::string_view reason, std::string_view message,
                  std::vector<std::pair<std::string, std::string>> metadata = {}) {
  return MakeError(
      code, message,
      {.reason = std::string(reason), .metadata = std::move(metadata), .violations = {}, .retry_after = {}});
}

}  // namespace

absl::Status VerificationNotFound(std::string_view task) {
  return Make(absl::StatusCode::kNotFound, "VERIFICATION_NOT_FOUND",
              absl::StrCat("nothing was verified of task ", ToAbsl(task), ", or not under this generation"),
              {{"task_id", std::string(task)}});
}

absl::Status PolicyNotFound() {
  return Make(absl::StatusCode::kNotFound, "POLICY_NOT_FOUND", "there is no policy for this project and tier");
}

absl::Status TooManyPolicies(std::size_t bound) {
  return Make(absl::StatusCode::kResourceExhausted, "TOO_MANY_POLICIES",
              absl::StrCat("there are already ", bound, " policies; remove some"), {{"bound", absl::StrCat(bound)}});
}

}  // namespace switchyard::verification
