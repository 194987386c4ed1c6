// Work as honest executors report it, for tests to tamper with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "services/verification/work.h"

namespace switchyard::verification {

inline ReportedStep Passed(const std::vector<AskedStep>& asked, int step) {
  const AskedStep& one = asked.at(static_cast<std::size_t>(step));
  ReportedStep reported{.step = step,
                        .name = one.name,
                        .check = one.check,
                        .status = StepStatus::kPassed,
                        .has_evidence = true,
                        .duration = absl::Seconds(1),
                        .exit_code = std::nullopt};
  if (one.check == "test_passes" || one.check == "command_succeeds") reported.exit_code = 0;
  return reported;
}

// By a model of the family qwen; all passed.
inline Work HonestWork(std::vector<AskedStep> asked) {
  Work work;
  work.asked = std::move(asked);
  Report& report = work.report.emplace();
  for (std::size_t i = 0; i < work.asked.size(); ++i) report.steps.push_back(Passed(work.asked, static_cast<int>(i)));
  work.project = "web";
  work.complexity = Complexity::kComplex;
  work.tier = Tier::kSmall;
  work.uses_model = work.loops = true;
  work.repository = "https://forge.example/a/b";
  work.base_branch = "main";
  work.models = {"qwen2.5-coder:7b"};
  return work;
}

// A test, a file, and one that may fail.
inline Work HonestWork() {
  return HonestWork({{.name = "tests", .check = "test_passes", .optional = false},
                     {.name = "file", .check = "file_exists", .optional = false},
                     {.name = "lint", .check = "command_succeeds", .optional = true}});
}

}  // namespace switchyard::verification
