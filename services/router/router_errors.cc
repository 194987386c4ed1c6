#include "services/router/router_errors.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::router {
namespace {

absl::Status Make(absl::StatusCode code, std::string_view reason, std::string_view message,
                  std::vector<std::pair<std::string, std::string>> metadata = {}) {
  return MakeError(
      code, message,
      {.reason = std::string(reason), .metadata = std::move(metadata), .violations = {}, .retry_after = {}});
}

}  // namespace

absl::Status RouteNotHeld(std::string_view task, std::int64_t generation) {
  return Make(absl::StatusCode::kNotFound, "ROUTE_NOT_HELD",
              absl::StrCat("nothing is held for task ", ToAbsl(task), " generation ", generation),
              {{"task_id", std::string(task)}, {"generation", absl::StrCat(generation)}});
}

absl::Status ChainExhausted(std::string_view message) {
  return Make(absl::StatusCode::kFailedPrecondition, "CHAIN_EXHAUSTED", message);
}

absl::Status GrantRefused(std::string_view message) {
  return Make(absl::StatusCode::kFailedPrecondition, "GRANT_REFUSED", message);
}

absl::Status BudgetNotFound(std::string_view name) {
  return Make(absl::StatusCode::kNotFound, "BUDGET_NOT_FOUND",
              absl::StrCat("there is no budget with the name ", ToAbsl(name)), {{"name", std::string(name)}});
}

absl::Status TooManyBudgets(std::size_t bound) {
  return Make(absl::StatusCode::kResourceExhausted, "TOO_MANY_BUDGETS",
              absl::StrCat("there are already ", bound, " budgets; remove some"), {{"bound", absl::StrCat(bound)}});
}

absl::Status RegistryUnknown() {
  return Make(absl::StatusCode::kUnavailable, "REGISTRY_UNKNOWN",
              "this process has heard nothing of the model registry, or nothing new for too long; try again");
}

}  // namespace switchyard::router
