#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/verification/policy.h"
#include "services/verification/verdict.h"
#include "services/verification/work.h"

namespace switchyard::verification {

// The numbers are the contract's.
enum class JudgeState { kNotAsked = 1, kPending = 2, kPassed = 3, kRejected = 4, kInconclusive = 5, kUnjudged = 6 };

struct JudgeIssue {
  Severity severity = Severity::kLow;
  std::string where;
  std::string description;

  friend bool operator==(const JudgeIssue&, const JudgeIssue&) = default;
};

// What a judge answered, as it stands there.
struct JudgeAnswer {
  bool passed = false;
  std::vector<JudgeIssue> issues;
  // In the verdict, 0 to 1.
  double confidence = 0;
};

struct Judgement {
  JudgeState state = JudgeState::kNotAsked;
  // As reported, and its family beside the author's.
  std::string model;
  std::string family;
  std::string author_family;
  double confidence = 0;
  std::vector<JudgeIssue> issues;
  // Why it does not count, or what else is to be known.
  std::string message;
  std::int64_t cost_micros = 0;
  // It was of the author's own family, and refused for that.
  bool same_family = false;
};

struct Decision {
  Verdict verdict = Verdict::kFailed;
  std::string reason;
  std::vector<std::string> findings;
  bool permanent = false;
};

// Never of work without a model, of trivial work, or of work that failed its checks.
bool NeedsJudge(const Work& work, const Policy& policy, const Assessment& assessment);

// Of all that took part; each once, sorted. Nothing when one of them is not known, so that no judge can be shown to be
// of another one.
std::optional<std::vector<std::string>> AuthorFamilies(const Work& work);

// The one object `{passed, issues, confidence}`, in a code fence or without; nothing else beside it. INVALID_ARGUMENT
// with JUDGE_EMPTY or JUDGE_MALFORMED.
absl::StatusOr<JudgeAnswer> ParseJudgeAnswer(std::string_view text);

// Whether an answer counts, given who gave it. Of another family, and known to be; certain enough; with something to
// show.
Judgement Weigh(const absl::StatusOr<JudgeAnswer>& answer, std::string_view judge_model,
                const std::vector<std::string>& author_families, const Policy& policy);
Judgement Unjudged(std::string_view message, const std::vector<std::string>& author_families = {});

// A judge can hold back what the checks passed, never pass what they failed.
Decision Combine(const Assessment& assessment, const Judgement& judgement, const Policy& policy);

}  // namespace switchyard::verification
