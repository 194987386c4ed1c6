#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "services/verification/judge.h"
#include "services/verification/work.h"

namespace switchyard::verification {

// The numbers are the contract's.
enum class OutcomeKind { kMerged = 1, kRejected = 2, kReverted = 3, kGood = 4, kBad = 5 };
constexpr bool IsGood(OutcomeKind kind) { return kind == OutcomeKind::kMerged || kind == OutcomeKind::kGood; }

// What became of the work, all marks of a task together: bad when any that counts is.
enum class Quality { kUnknown = 0, kGood = 1, kBad = 2 };

// Verdicts that have all of this in common, added up.
struct CalibrationGroup {
  std::string model;
  Tier tier = Tier::kAny;
  Verdict verdict = Verdict::kNone;
  Quality quality = Quality::kUnknown;
  std::string judge_model;
  JudgeState judge_state = JudgeState::kNotAsked;
  std::int64_t count = 0;
  std::int64_t cost_micros = 0;
  std::int64_t cost_unknown = 0;
  std::int64_t same_family = 0;
  // Of the judge's confidence that the work is good, and of its square; of states with a verdict.
  double sum_good = 0;
  double sum_good_squared = 0;
};

struct AuthorFigures {
  std::string model;
  Tier tier = Tier::kAny;
  std::int64_t verified = 0;
  std::int64_t passed = 0;
  std::int64_t with_outcome = 0;
  std::int64_t agreed = 0;
  std::int64_t cost_micros = 0;
  std::int64_t cost_unknown = 0;
};

struct JudgeFigures {
  std::string model;
  std::int64_t verdicts = 0;
  std::int64_t passed = 0;
  std::int64_t inconclusive = 0;
  std::int64_t with_outcome = 0;
  std::int64_t agreed = 0;
  double brier_score = 0;
  bool rubber_stamp = false;
  bool few = true;
};

struct Calibration {
  // By model and tier; by model.
  std::vector<AuthorFigures> authors;
  std::vector<JudgeFigures> judges;
  std::int64_t same_family_attempts = 0;
};

inline constexpr std::int64_t kFewVerdicts = 50;

Calibration Calibrate(absl::Span<const CalibrationGroup> groups);

}  // namespace switchyard::verification
