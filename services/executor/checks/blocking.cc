#include "services/executor/checks/blocking.h"

#include <type_traits>
#include <variant>

#include "libs/base/strings.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {

StepResult Result(StepStatus status, std::string_view evidence) {
  StepResult result{.status = status};
  result.evidence = ToEvidence(evidence, result.omitted_bytes);
  return result;
}

StepResult Patience::Ended() const {
  if (stopped()) return Result(StepStatus::kSkipped, "the work ended before the check had");
  return Result(StepStatus::kTimedOut, "the check's time is over");
}

StepResult Obstacle(const absl::Status& status, const Patience& patience, bool missing_fails) {
  if (absl::IsDeadlineExceeded(status) || absl::IsCancelled(status)) return patience.Ended();
  const bool failed = missing_fails && (absl::IsNotFound(status) || absl::IsFailedPrecondition(status));
  return Result(failed ? StepStatus::kFailed : StepStatus::kError, ToStd(status.message()));
}

StepResult LookAt(const Check& check, const Place& place, const LookLimits& limits, const Patience& patience) {
  if (patience.over()) return patience.Ended();
  return std::visit(
      [&](const auto& one) {
        using Kind = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Kind, FileExists> || std::is_same_v<Kind, FileContains> ||
                      std::is_same_v<Kind, JsonValid> || std::is_same_v<Kind, NoSecrets>) {
          return Look(one, place, limits, patience);
        } else if constexpr (std::is_same_v<Kind, TestPasses> || std::is_same_v<Kind, CommandSucceeds> ||
                             std::is_same_v<Kind, HttpOk>) {
          return Result(StepStatus::kError, "the check cannot be made by looking");
        } else {
          return Look(one, place, patience);
        }
      },
      check);
}

}  // namespace switchyard::executor::checks
