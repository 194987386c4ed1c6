#include "services/verification/verdict.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard::verification {
namespace {

// The first in this order names the verdict.
enum class Reason {
  kRequiredStepMissing,
  kReportMissing,
  kReportUnreadable,
  kForeignStep,
  kOutOfOrder,
  kIncomplete,
  kStatusUnknown,
  kImplausible,
  kEvidenceMissing,
  kExitCodeContradicts,
  kFailed,
  kTimedOut,
  kError,
  kSkipped,
};
constexpr std::array<const char*, 14> kReasons = {
    "REQUIRED_STEP_MISSING", "REPORT_MISSING",  "REPORT_UNREADABLE",  "REPORT_FOREIGN_STEP", "REPORT_OUT_OF_ORDER",
    "REPORT_INCOMPLETE",     "STATUS_UNKNOWN",  "REPORT_IMPLAUSIBLE", "EVIDENCE_MISSING",    "EXIT_CODE_CONTRADICTS",
    "CHECK_FAILED",          "CHECK_TIMED_OUT", "CHECK_ERROR",        "CHECK_SKIPPED"};
constexpr std::array<std::string_view, 6> kLoopEnds = {"BUDGET_EXHAUSTED", "REPEATED_FAILURE", "NO_CHANGE",
                                                       "TOKEN_LIMIT",      "COST_LIMIT",       "TIME_LIMIT"};

bool Holds(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// The executor shows nothing that looks like a secret, not even a name.
bool Is(const ReportedStep& reported, const AskedStep& asked) {
  return reported.check == asked.check && (reported.name == asked.name || reported.name == text::Redact(asked.name));
}

std::string Describe(const AskedStep& step, std::size_t index) {
  return absl::StrCat("step ", index + 1, " (", step.check,
                      step.name.empty() ? "" : absl::StrCat(" \"", step.name, "\""), ")");
}

bool HasExitCode(const AskedStep& step) { return step.check == "test_passes" || step.check == "command_succeeds"; }

// Why a reported step counts as not passed; nothing when it passed.
std::optional<std::pair<Reason, std::string>> Against(const AskedStep& asked, const ReportedStep& reported) {
  using Found = std::pair<Reason, std::string>;
  if (reported.duration < absl::ZeroDuration())
    return Found(Reason::kImplausible, "is reported with a negative duration");
  switch (reported.status) {
    case StepStatus::kPassed:
      break;
    case StepStatus::kFailed:
      return Found(Reason::kFailed, "failed");
    case StepStatus::kTimedOut:
      return Found(Reason::kTimedOut, "ran out of time");
    case StepStatus::kError:
      return Found(Reason::kError, "could not be checked");
    case StepStatus::kSkipped:
      return Found(Reason::kSkipped, "was not made");
    case StepStatus::kUnknown:
      return Found(Reason::kStatusUnknown, "is reported without a status");
  }
  if (!reported.has_evidence) return Found(Reason::kEvidenceMissing, "is said to have passed, without evidence");
  if (HasExitCode(asked) && reported.exit_code != 0) {
    return Found(Reason::kExitCodeContradicts,
                 reported.exit_code.has_value()
                     ? absl::StrCat("is said to have passed, with exit code ", *reported.exit_code)
                     : std::string("is said to have passed, without an exit code"));
  }
  return std::nullopt;
}

class Assessor {
 public:
  Assessor(const Work& work, const Policy& policy) : work_(work), policy_(policy), passed_(work.asked.size(), false) {}

  Assessment Run() {
    for (const std::string& check : policy_.required_checks) {
      if (!AsksFor(check)) {
        Fail(Reason::kRequiredStepMissing,
             absl::StrCat("the policy wants the check ", check, ", which the task does not ask for"));
      }
    }
    if (work_.report_unreadable) {
      Fail(Reason::kReportUnreadable, "the executor's report of the checks cannot be read");
    } else if (!work_.report.has_value()) {
      if (!work_.asked.empty()) Fail(Reason::kReportMissing, "the executor reported no checks");
    } else if (work_.report->schema_version != 1) {
      Fail(Reason::kReportUnreadable,
           absl::StrCat("the executor's report is of version ", work_.report->schema_version, ", which is not known"));
    } else {
      Match(*work_.report);
    }
    return Conclude();
  }

 private:
  bool IsCompulsory(const AskedStep& step) const {
    return !step.optional || Holds(policy_.required_checks, step.check);
  }
  bool AsksFor(std::string_view check) const {
    return std::any_of(work_.asked.begin(), work_.asked.end(),
                       [&](const AskedStep& step) { return step.check == check; });
  }

  void Fail(Reason reason, std::string text) {
    if (!worst_.has_value() || reason < *worst_) worst_ = reason;
    decisive_.push_back(std::move(text));
  }

  void Match(const Report& report) {
    std::vector<const ReportedStep*> found(work_.asked.size(), nullptr);
    for (std::size_t at = 0; at < report.steps.size(); ++at) {
      const ReportedStep& reported = report.steps[at];
      const auto index = static_cast<std::size_t>(reported.step);
      if (reported.step < 0 || index >= work_.asked.size() || !Is(reported, work_.asked[index])) {
        const bool elsewhere = std::any_of(work_.asked.begin(), work_.asked.end(),
                                           [&](const AskedStep& asked) { return Is(reported, asked); });
        Fail(elsewhere ? Reason::kOutOfOrder : Reason::kForeignStep,
             absl::StrCat("entry ", at + 1, " of the report (", reported.check, " \"", reported.name, "\", as step ",
                          std::int64_t{reported.step} + 1, ") ",
                          elsewhere ? "stands for another step" : "is no step of the task"));
      } else if (found[index] != nullptr) {
        Fail(Reason::kForeignStep, absl::StrCat(Describe(work_.asked[index], index), " is reported twice"));
      } else {
        found[index] = &reported;
        if (index != at) {
          Fail(Reason::kOutOfOrder,
               absl::StrCat(Describe(work_.asked[index], index), " is reported as entry ", at + 1));
        }
      }
    }
    for (std::size_t i = 0; i < found.size(); ++i) Take(i, found[i]);
  }

  void Take(std::size_t index, const ReportedStep* reported) {
    const AskedStep& asked = work_.asked[index];
    if (reported == nullptr) {
      Fail(Reason::kIncomplete, absl::StrCat(Describe(asked, index), " is not reported"));
      return;
    }
    const auto against = Against(asked, *reported);
    if (!against.has_value()) {
      passed_[index] = true;
      ++result_.steps_passed;
      return;
    }
    if (against->first == Reason::kFailed || against->first == Reason::kTimedOut) ++result_.steps_failed;
    const std::string text = absl::StrCat(Describe(asked, index), " ", against->second);
    if (!IsCompulsory(asked)) {
      optional_.push_back(absl::StrCat("optional ", text));
      return;
    }
    ++compulsory_failed_;
    if (Holds(policy_.required_checks, asked.check) ||
        (against->first != Reason::kFailed && against->first != Reason::kTimedOut)) {
      beyond_partial_ = true;
    }
    Fail(against->first, text);
  }

  // The loop ended with fewer failures than it had seen, says so consistently, and nothing but honest failures is left.
  bool MadeProgress() const {
    if (!work_.loops || !policy_.partial || beyond_partial_ || !work_.report.has_value() || !worst_.has_value() ||
        *worst_ < Reason::kFailed) {
      return false;
    }
    const Report& report = *work_.report;
    if (std::find(kLoopEnds.begin(), kLoopEnds.end(), report.loop_end) == kLoopEnds.end()) return false;
    bool any_passed = false;
    int compulsory = 0;
    for (std::size_t i = 0; i < passed_.size(); ++i) {
      if (!IsCompulsory(work_.asked[i])) continue;
      any_passed |= passed_[i];
      ++compulsory;
    }
    const auto kept =
        std::find_if(report.turns.begin(), report.turns.end(), [](const Turn& turn) { return turn.kept; });
    if (!any_passed || kept == report.turns.end() || kept->steps_failed != compulsory_failed_) return false;
    return std::any_of(report.turns.begin(), kept, [&](const Turn& turn) {
      return turn.failed_at == "VERIFY" && turn.steps_failed > kept->steps_failed && turn.steps_failed <= compulsory;
    });
  }

  void CountChecks() {
    for (std::size_t i = 0; i < work_.asked.size(); ++i) {
      const std::string& check = work_.asked[i].check;
      bool all = true;
      for (std::size_t j = 0; j < work_.asked.size(); ++j) all &= work_.asked[j].check != check || passed_[j];
      if (all && !Holds(result_.passed_checks, check)) result_.passed_checks.push_back(check);
    }
  }

  Assessment Conclude() {
    result_.steps_other = static_cast<int>(work_.asked.size()) - result_.steps_passed - result_.steps_failed;
    result_.passed = !worst_.has_value();
    if (result_.passed) {
      const bool partial = !optional_.empty() && policy_.partial;
      result_.verdict = partial ? Verdict::kPartial : Verdict::kSucceeded;
      result_.reason = !optional_.empty() ? "OPTIONAL_FAILED" : work_.asked.empty() ? "NO_CHECKS" : "CHECKS_PASSED";
    } else if (MadeProgress()) {
      result_.verdict = Verdict::kPartial;
      result_.reason = "PARTLY_FIXED";
    } else {
      result_.verdict = Verdict::kFailed;
      result_.reason = kReasons[static_cast<std::size_t>(*worst_)];
      result_.permanent = *worst_ == Reason::kRequiredStepMissing;
    }
    CountChecks();
    for (std::vector<std::string>* some : {&decisive_, &optional_}) {
      for (std::string& text : *some) {
        if (result_.findings.size() == kMostFindings) break;
        result_.findings.emplace_back(text::TruncateUtf8(text, kMostFindingBytes));
      }
    }
    return std::move(result_);
  }

  const Work& work_;
  const Policy& policy_;
  std::vector<bool> passed_;
  std::vector<std::string> decisive_, optional_;
  std::optional<Reason> worst_;
  int compulsory_failed_ = 0;
  // A failure that no partial success covers.
  bool beyond_partial_ = false;
  Assessment result_;
};

}  // namespace

Assessment Assess(const Work& work, const Policy& policy) { return Assessor(work, policy).Run(); }

}  // namespace switchyard::verification
