#include "services/verification/policy.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/glob.h"

namespace switchyard::verification {
namespace {

constexpr std::size_t kMostProject = 100;
constexpr std::size_t kMostGlobs = 100;
constexpr int kMostNumber = 1'000'000;
constexpr absl::Duration kLongestJudge = absl::Hours(24);

// How much it names; -1 when it does not fit.
int Fit(const Policy& policy, std::string_view project, Tier tier) {
  if (!policy.project.empty() && policy.project != project) return -1;
  if (policy.tier != Tier::kAny && policy.tier != tier) return -1;
  return (policy.project.empty() ? 0 : 2) + (policy.tier == Tier::kAny ? 0 : 1);
}

std::string_view WordOf(Tier tier) {
  switch (tier) {
    case Tier::kSmall:
      return "small";
    case Tier::kMedium:
      return "medium";
    case Tier::kLarge:
      return "large";
    case Tier::kAny:
      break;
  }
  return "*";
}

void CheckChecks(const std::vector<std::string>& checks, const std::string& field,
                 std::vector<FieldViolation>& faults) {
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const std::string at = absl::StrCat(field, "[", i, "]");
    if (std::find(kChecks.begin(), kChecks.end(), checks[i]) == kChecks.end()) {
      faults.push_back({at, "is not a check; one of the fields of VerificationStep.check, such as no_secrets"});
    } else if (std::find(checks.begin(), checks.begin() + static_cast<std::ptrdiff_t>(i), checks[i]) !=
               checks.begin() + static_cast<std::ptrdiff_t>(i)) {
      faults.push_back({at, "comes twice"});
    }
  }
}

void CheckGlobs(const std::vector<std::string>& globs, const std::string& field, std::vector<FieldViolation>& faults) {
  if (globs.size() > kMostGlobs) faults.push_back({field, absl::StrCat("must be at most ", kMostGlobs, " items")});
  for (std::size_t i = 0; i < globs.size() && i < kMostGlobs; ++i) {
    if (const absl::Status status = text::ValidateGlob(globs[i]); !status.ok()) {
      faults.push_back({absl::StrCat(field, "[", i, "]"), std::string(status.message())});
    }
  }
}

void CheckNumber(int number, const std::string& field, std::vector<FieldViolation>& faults) {
  if (number < 0 || number > kMostNumber) faults.push_back({field, absl::StrCat("must be 0 to ", kMostNumber)});
}

bool IsProject(std::string_view project) {
  return project.size() <= kMostProject && std::all_of(project.begin(), project.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
         });
}

}  // namespace

const Policy& BuiltInPolicy() {
  static const auto& policy = *new Policy();
  return policy;
}

const Policy& ChoosePolicy(absl::Span<const Policy> policies, std::string_view project, Tier tier) {
  const Policy* best = &BuiltInPolicy();
  int most = -1;
  for (const Policy& policy : policies) {
    if (const int fit = Fit(policy, project, tier); fit > most) {
      best = &policy;
      most = fit;
    }
  }
  return *best;
}

std::string NameOf(const Policy& policy) {
  if (policy.version == 0) return "built-in";
  return absl::StrCat(policy.project.empty() ? "*" : policy.project, "/", ToAbsl(WordOf(policy.tier)));
}

std::vector<FieldViolation> FaultsOf(const Policy& policy, std::string_view prefix) {
  std::vector<FieldViolation> faults;
  const std::string at = prefix.empty() ? "" : absl::StrCat(ToAbsl(prefix), ".");
  if (!IsProject(policy.project)) {
    faults.push_back({at + "project", "must be at most 100 bytes of a-z, 0-9, '-', '_', '.' and '/'"});
  }
  CheckChecks(policy.required_checks, at + "required_checks", faults);
  if (!std::isfinite(policy.least_confidence) || policy.least_confidence < 0 || policy.least_confidence > 1) {
    faults.push_back({at + "least_confidence", "must be 0 to 1"});
  }
  if (policy.judge_timeout < absl::Seconds(1) || policy.judge_timeout > kLongestJudge) {
    faults.push_back({at + "judge_timeout", "must be 1 s to 1 day, or nothing for 15 minutes"});
  }
  CheckNumber(policy.merge.max_files, at + "merge.max_files", faults);
  CheckNumber(policy.merge.max_lines, at + "merge.max_lines", faults);
  CheckNumber(policy.merge.max_base_behind, at + "merge.max_base_behind", faults);
  CheckGlobs(policy.merge.paths, at + "merge.paths", faults);
  CheckGlobs(policy.merge.forbidden_paths, at + "merge.forbidden_paths", faults);
  CheckChecks(policy.merge.required_checks, at + "merge.required_checks", faults);
  return faults;
}

}  // namespace switchyard::verification
