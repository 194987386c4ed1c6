#include "services/verification/calibration.h"

#include <map>
#include <utility>

namespace switchyard::verification {
namespace {

bool IsPassed(Verdict verdict) { return verdict == Verdict::kSucceeded || verdict == Verdict::kPartial; }

void Count(const CalibrationGroup& group, AuthorFigures& figures) {
  figures.verified += group.count;
  figures.cost_micros += group.cost_micros;
  figures.cost_unknown += group.cost_unknown;
  if (IsPassed(group.verdict)) figures.passed += group.count;
  if (group.quality == Quality::kUnknown) return;
  figures.with_outcome += group.count;
  if (IsPassed(group.verdict) == (group.quality == Quality::kGood)) figures.agreed += group.count;
}

// Of a judge, with the sum of squared errors.
struct Judged {
  JudgeFigures figures;
  double errors = 0;
};

void Count(const CalibrationGroup& group, Judged& judged) {
  JudgeFigures& figures = judged.figures;
  if (group.judge_state == JudgeState::kInconclusive) figures.inconclusive += group.count;
  if (group.judge_state != JudgeState::kPassed && group.judge_state != JudgeState::kRejected) return;
  const bool passed = group.judge_state == JudgeState::kPassed;
  figures.verdicts += group.count;
  if (passed) figures.passed += group.count;
  if (group.quality == Quality::kUnknown) return;
  const bool good = group.quality == Quality::kGood;
  figures.with_outcome += group.count;
  if (passed == good) figures.agreed += group.count;
  // Each (p - o)² where o is 0 or 1.
  judged.errors += group.sum_good_squared;
  if (good) judged.errors += static_cast<double>(group.count) - 2 * group.sum_good;
}

}  // namespace

Calibration Calibrate(absl::Span<const CalibrationGroup> groups) {
  std::map<std::pair<std::string, Tier>, AuthorFigures> authors;
  std::map<std::string, Judged> judges;
  Calibration result;
  for (const CalibrationGroup& group : groups) {
    Count(group, authors[{group.model, group.tier}]);
    if (!group.judge_model.empty()) Count(group, judges[group.judge_model]);
    result.same_family_attempts += group.same_family;
  }
  for (auto& [key, figures] : authors) {
    figures.model = key.first;
    figures.tier = key.second;
    result.authors.push_back(std::move(figures));
  }
  for (auto& [model, judged] : judges) {
    JudgeFigures& figures = judged.figures;
    if (figures.verdicts + figures.inconclusive == 0) continue;
    figures.model = model;
    if (figures.with_outcome > 0) figures.brier_score = judged.errors / static_cast<double>(figures.with_outcome);
    figures.few = figures.with_outcome < kFewVerdicts;
    // More than 95 %, in whole numbers.
    figures.rubber_stamp = figures.verdicts >= kFewVerdicts && figures.passed * 20 > figures.verdicts * 19;
    result.judges.push_back(std::move(figures));
  }
  return result;
}

}  // namespace switchyard::verification
