#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/verification/policy.h"
#include "services/verification/work.h"

namespace switchyard::verification {

inline constexpr std::size_t kMostFindings = 64;
inline constexpr std::size_t kMostFindingBytes = 1'024;

// What the checks say, before anybody judges.
struct Assessment {
  Verdict verdict = Verdict::kFailed;
  // UPPER_SNAKE_CASE; see docs/verification.md.
  std::string reason;
  // For people, the decisive ones first; within the bounds above.
  std::vector<std::string> findings;
  // The same task fails again whoever works on it.
  bool permanent = false;
  // Every compulsory step passed, as far as the report can be believed.
  bool passed = false;
  // Steps by what can be believed of them; one that is not reported is of the last kind.
  int steps_passed = 0;
  int steps_failed = 0;
  int steps_other = 0;
  // Checks of which every step passed: "test_passes".
  std::vector<std::string> passed_checks;
};

// An executor may lie: what does not fit what was asked, or contradicts itself, passes nothing. Optional steps never
// fail the work. Deterministic.
Assessment Assess(const Work& work, const Policy& policy);

}  // namespace switchyard::verification
