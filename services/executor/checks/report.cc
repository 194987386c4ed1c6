#include "services/executor/checks/report.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "libs/text/utf8.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {
namespace {

namespace proto = verification::v1;

constexpr std::size_t kNameBytes = 100;
constexpr int kFacts = 16;
constexpr std::size_t kFactBytes = 200;
// Evidence, and what else may go, is never shortened below these while something longer is there.
constexpr std::size_t kLeastEvidence = 512;
constexpr std::size_t kLeastFeedback = 200;

proto::StepStatus ToStatus(StepStatus status) {
  switch (status) {
    case StepStatus::kPassed:
      return proto::STEP_STATUS_PASSED;
    case StepStatus::kFailed:
      return proto::STEP_STATUS_FAILED;
    case StepStatus::kError:
      return proto::STEP_STATUS_ERROR;
    case StepStatus::kTimedOut:
      return proto::STEP_STATUS_TIMED_OUT;
    case StepStatus::kSkipped:
      return proto::STEP_STATUS_SKIPPED;
  }
  return proto::STEP_STATUS_UNSPECIFIED;
}

std::string Clean(std::string_view text, std::size_t bytes) {
  std::string clean = text::ReplaceInvalidUtf8(text);
  std::replace(clean.begin(), clean.end(), '\0', ' ');
  return std::string(text::TruncateUtf8(clean, bytes));
}

void CapEvidence(proto::CheckReport& report, std::size_t cap) {
  for (proto::StepReport& step : *report.mutable_steps()) {
    std::size_t omitted = static_cast<std::size_t>(std::max<std::int64_t>(step.omitted_bytes(), 0));
    if (step.evidence().size() <= cap) continue;
    *step.mutable_evidence() = Shorten(step.evidence(), cap, omitted);
    step.set_omitted_bytes(static_cast<std::int64_t>(omitted));
  }
}

// The largest cap that makes the report fit; `least` when none does.
std::size_t FindCap(const proto::CheckReport& report, std::size_t least, std::size_t most) {
  const std::size_t size = report.ByteSizeLong();
  // Of its own sum, without what else the report holds.
  std::vector<std::size_t> lengths;
  std::size_t evidence = 0;
  for (const proto::StepReport& step : report.steps()) {
    lengths.push_back(step.evidence().size());
    evidence += step.evidence().size();
  }
  // Lengths and counts of what is left out take some bytes more.
  const std::size_t rest = size - evidence + 16 * lengths.size();
  std::size_t low = least;
  std::size_t high = most;
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    std::size_t sum = rest;
    for (const std::size_t length : lengths) sum += std::min(length, middle);
    if (sum <= kReportBytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

proto::CheckReport ToReport(const std::vector<Step>& steps, const std::vector<StepResult>& results) {
  proto::CheckReport report;
  report.set_schema_version(1);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepResult result = i < results.size() ? results[i] : StepResult{};
    proto::StepReport& step = *report.add_steps();
    step.set_step(static_cast<int>(i));
    step.set_name(Clean(steps[i].name, kNameBytes));
    const std::string_view check = CheckName(steps[i].check);
    step.set_check(std::string(check));
    step.set_status(ToStatus(result.status));
    std::size_t omitted = result.omitted_bytes;
    step.set_evidence(Shorten(Clean(result.evidence, result.evidence.size() * 3), kEvidenceBytes, omitted));
    step.set_omitted_bytes(static_cast<std::int64_t>(omitted));
    *step.mutable_duration() = google::protobuf::util::TimeUtil::NanosecondsToDuration(
        std::max<std::int64_t>(absl::ToInt64Nanoseconds(result.duration), 0));
    if (result.exit_code.has_value()) step.set_exit_code(*result.exit_code);
    step.set_sandboxed(result.sandboxed);
    for (const auto& [name, value] : result.facts) {
      if (step.facts_size() >= kFacts) break;
      (*step.mutable_facts())[Clean(name, kFactBytes)] = Clean(value, kFactBytes);
    }
  }
  return report;
}

std::string Serialise(proto::CheckReport report) {
  const auto fits = [&report] { return report.ByteSizeLong() <= kReportBytes; };
  if (!fits()) CapEvidence(report, FindCap(report, kLeastEvidence, kEvidenceBytes));
  if (!fits() && report.has_change()) {
    // The counts stay: they tell that paths are missing.
    auto& paths = *report.mutable_change()->mutable_paths();
    while (!paths.empty() && !fits()) paths.RemoveLast();
  }
  if (!fits()) {
    for (proto::Iteration& iteration : *report.mutable_iterations()) {
      std::size_t omitted = 0;
      *iteration.mutable_feedback() = Shorten(iteration.feedback(), kLeastFeedback, omitted);
    }
  }
  if (!fits()) {
    for (proto::StepReport& step : *report.mutable_steps()) step.clear_facts();
  }
  if (!fits()) CapEvidence(report, FindCap(report, 64, kLeastEvidence));
  return report.SerializeAsString();
}

std::string SerialiseReport(const std::vector<Step>& steps, const std::vector<StepResult>& results) {
  return Serialise(ToReport(steps, results));
}

}  // namespace switchyard::executor::checks
