// Results of checks, as the contract has them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "services/executor/checks/step.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::checks {

inline constexpr std::size_t kReportBytes = 256 * 1024;

// One entry for each step; `results` may be shorter: the rest is skipped. A loop adds its iterations and the change.
verification::v1::CheckReport ToReport(const std::vector<Step>& steps, const std::vector<StepResult>& results);

// The bytes, at most kReportBytes: the longest pieces of evidence are shortened first, then paths and facts go.
std::string Serialise(verification::v1::CheckReport report);

// The same in one.
std::string SerialiseReport(const std::vector<Step>& steps, const std::vector<StepResult>& results);

}  // namespace switchyard::executor::checks
