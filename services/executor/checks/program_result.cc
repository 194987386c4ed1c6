#include "services/executor/checks/program_result.h"

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::size_t kShownArguments = 12;

std::string CommandLine(const Check& check) {
  const std::vector<std::string>& argv = std::holds_alternative<TestPasses>(check)
                                             ? std::get<TestPasses>(check).argv
                                             : std::get<CommandSucceeds>(check).argv;
  std::string line;
  for (std::size_t i = 0; i < argv.size() && i < kShownArguments; ++i) {
    absl::StrAppend(&line, i > 0 ? " " : "", Quoted(argv[i]));
  }
  return argv.size() > kShownArguments ? line + " ..." : line;
}

StepStatus StatusOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSucceeded:
      return StepStatus::kPassed;
    case Outcome::kFailed:
    case Outcome::kLimitExceeded:
      return StepStatus::kFailed;
    case Outcome::kTimedOut:
      return StepStatus::kTimedOut;
    case Outcome::kCancelled:
      return StepStatus::kSkipped;
    case Outcome::kGivenBack:
    case Outcome::kNotStarted:
      return StepStatus::kError;
  }
  return StepStatus::kError;
}

}  // namespace

StepResult ToStepResult(const Step& step, const Evidence& evidence) {
  const StepStatus status = StatusOf(evidence.outcome);
  std::string said = CommandLine(step.check);
  if (evidence.outcome == Outcome::kSucceeded || evidence.outcome == Outcome::kFailed) {
    absl::StrAppend(&said, evidence.signal != 0 ? absl::StrCat(" was ended by signal ", evidence.signal)
                                                : absl::StrCat(" ended with status ", evidence.exit_code));
  } else {
    absl::StrAppend(&said, ": ", evidence.reason, evidence.message.empty() ? "" : ": ", evidence.message);
  }
  absl::StrAppend(&said, " after ",
                  absl::FormatDuration(absl::Trunc(evidence.ended - evidence.started, absl::Milliseconds(1))));
  absl::StrAppend(&said, evidence.output.empty() ? ", without output" : "\n", evidence.output);
  StepResult result = Result(status, said);
  if (evidence.output_bytes > evidence.output.size()) {
    result.omitted_bytes += static_cast<std::size_t>(evidence.output_bytes - evidence.output.size());
  }
  if (evidence.exit_code >= 0) result.exit_code = evidence.exit_code;
  result.sandboxed = evidence.sandbox == "bubblewrap";
  result.facts["rule"] = std::string(Quoted(evidence.rule).substr(0, 200));
  result.facts["sandbox"] = evidence.sandbox;
  result.facts["output_bytes"] = absl::StrCat(evidence.output_bytes);
  if (!evidence.reason.empty()) result.facts["reason"] = evidence.reason;
  return result;
}

StepResult ToStepResult(const HttpOk& check, const http::HttpOutcome& outcome, int status) {
  // A query can hold what is nobody else's.
  const std::string url = Quoted(std::string_view(check.url).substr(0, check.url.find('?')));
  const int expected = check.expected_status != 0 ? check.expected_status : 200;
  const std::string took = absl::FormatDuration(absl::Trunc(outcome.timings.total, absl::Milliseconds(1)));
  if (status != 0) {
    StepResult result = Result(status == expected ? StepStatus::kPassed : StepStatus::kFailed,
                               absl::StrCat("GET ", url, " was answered with ", status, " after ", took,
                                            status == expected ? "" : absl::StrCat(", not ", expected)));
    result.facts["status"] = absl::StrCat(status);
    return result;
  }
  const bool late = http::IsTimeout(outcome.failure);
  // Nothing listens there: that is what was asked. What could not be asked at all is no answer.
  const bool failed = outcome.failure == http::HttpFailure::kRefused ||
                      outcome.failure == http::HttpFailure::kNotResolved ||
                      outcome.failure == http::HttpFailure::kReset || outcome.failure == http::HttpFailure::kTls ||
                      outcome.failure == http::HttpFailure::kProtocol;
  const StepStatus what = late                                               ? StepStatus::kTimedOut
                          : failed                                           ? StepStatus::kFailed
                          : outcome.failure == http::HttpFailure::kCancelled ? StepStatus::kSkipped
                                                                             : StepStatus::kError;
  StepResult result =
      Result(what, absl::StrCat("GET ", url, " was not answered: ", ToAbsl(http::FailureName(outcome.failure)),
                                outcome.detail.empty() ? "" : ": ", outcome.detail));
  result.facts["failure"] = std::string(http::FailureName(outcome.failure));
  return result;
}

}  // namespace switchyard::executor::checks
