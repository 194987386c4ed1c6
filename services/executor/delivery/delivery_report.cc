#include "services/executor/delivery/delivery_report.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace switchyard::executor::delivery {
namespace {

std::string StatusName(verification::v1::StepStatus status) {
  switch (status) {
    case verification::v1::STEP_STATUS_PASSED:
      return "passed";
    case verification::v1::STEP_STATUS_FAILED:
      return "failed";
    case verification::v1::STEP_STATUS_TIMED_OUT:
      return "timed out";
    case verification::v1::STEP_STATUS_SKIPPED:
      return "skipped";
    default:
      return "error";
  }
}

}  // namespace

Story StoryOf(const Work& work, const verification::v1::CheckReport& report) {
  Story story;
  story.title = work.repository.title;
  story.description = work.repository.description;
  for (const verification::v1::StepReport& step : report.steps()) {
    const bool known = step.step() >= 0 && static_cast<std::size_t>(step.step()) < work.checks.size();
    story.steps.push_back(
        {.name = step.name(),
         .check = step.check(),
         .status = StatusName(step.status()),
         .optional = known && work.checks[static_cast<std::size_t>(step.step())].optional,
         .duration = absl::Seconds(step.duration().seconds()) + absl::Nanoseconds(step.duration().nanos())});
  }
  for (const verification::v1::Iteration& iteration : report.iterations()) {
    if (std::find(story.models.begin(), story.models.end(), iteration.model()) == story.models.end()) {
      story.models.push_back(iteration.model());
    }
    ++story.iterations;
    story.input_tokens += iteration.input_tokens();
    story.output_tokens += iteration.output_tokens();
    story.cost_micros += iteration.cost_micros();
    story.cost_unknown = story.cost_unknown || iteration.cost_unknown();
  }
  const verification::v1::Change& change = report.change();
  story.files_changed = change.files_added() + change.files_changed() + change.files_deleted();
  story.lines_added = change.lines_added();
  story.lines_removed = change.lines_removed();
  return story;
}

void AddTo(const DeliveryResult& result, verification::v1::Change& change) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  change.set_pushed(result.pushed);
  if (!result.pull_request.has_value()) return;
  verification::v1::PullRequest& pull = *change.mutable_pull_request();
  pull.set_url(result.pull_request->url);
  pull.set_number(result.pull_request->number);
  pull.set_found(result.pull_request->found);
  const std::int64_t behind = result.pull_request->base_behind.value_or(kMost);
  pull.set_base_behind(static_cast<std::int32_t>(std::clamp<std::int64_t>(behind, 0, kMost)));
}

void AddTo(const DeliveryRequest& request, const DeliveryResult& result, Evidence& evidence) {
  if (result.pushed) evidence.outputs["branch"] = request.branch;
  if (result.pull_request.has_value() && !result.pull_request->url.empty()) {
    evidence.outputs["pull_request"] = result.pull_request->url;
  }
  if (result.status.ok()) return;
  const DeliveryFailure failure = FailureOf(result.status);
  evidence.outcome = failure.outcome;
  evidence.reason = failure.reason;
  evidence.message = absl::StrCat("not delivered: ", failure.message);
  evidence.permanent = failure.permanent;
}

}  // namespace switchyard::executor::delivery
