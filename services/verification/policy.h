#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/status.h"
#include "services/verification/work.h"

namespace switchyard::verification {

// The numbers are the contract's.
enum class JudgeRule { kNever = 1, kComplex = 2, kAlways = 3 };
enum class Severity { kNone = 0, kLow = 1, kMedium = 2, kHigh = 3 };

struct MergeRules {
  bool enabled = false;
  // 0: kDefaultMergeFiles, kDefaultMergeLines.
  int max_files = 0;
  int max_lines = 0;
  bool allow_deletions = false;
  // Empty: documentation and added tests; configuration and infrastructure; test_passes.
  std::vector<std::string> paths;
  std::vector<std::string> forbidden_paths;
  std::vector<std::string> required_checks;
  int max_base_behind = 0;
};

inline constexpr double kDefaultConfidence = 0.6;
inline constexpr absl::Duration kDefaultJudgeTimeout = absl::Minutes(15);
inline constexpr std::size_t kMostPolicies = 1'000;

// What holds for a project's tasks of a tier.
struct Policy {
  // Empty: every project.
  std::string project;
  // kAny: every tier.
  Tier tier = Tier::kAny;
  std::vector<std::string> required_checks;
  JudgeRule judge = JudgeRule::kNever;
  double least_confidence = kDefaultConfidence;
  Severity least_severity = Severity::kMedium;
  bool judge_required = false;
  absl::Duration judge_timeout = kDefaultJudgeTimeout;
  bool partial = true;
  MergeRules merge;
  // 0: built in.
  std::int64_t version = 0;
};

// The fields of VerificationStep.check.
inline constexpr std::array<std::string_view, 11> kChecks = {
    "file_exists",  "file_contains", "test_passes",    "command_succeeds", "git_clean", "diff_not_empty",
    "changed_only", "json_valid",    "max_diff_lines", "http_ok",          "no_secrets"};

// No compulsory checks but the task's own, no judge, partial success where it is honest, nothing merged by itself.
const Policy& BuiltInPolicy();
// The one that names more: project and tier, project, tier, built-in. Borrows from `policies`.
const Policy& ChoosePolicy(absl::Span<const Policy> policies, std::string_view project, Tier tier);
// "web/large", "web/*", "*/small", "*/*", "built-in".
std::string NameOf(const Policy& policy);
// What is wrong with it, by field under `prefix`.
std::vector<FieldViolation> FaultsOf(const Policy& policy, std::string_view prefix);

}  // namespace switchyard::verification
