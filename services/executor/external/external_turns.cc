// Between one run of the agent and the next.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/executor/external/external_run.h"
#include "services/executor/external/scratch.h"
#include "services/executor/limits.h"
#include "services/executor/loop/fingerprint.h"
#include "services/executor/loop/root_cause.h"
#include "services/executor/models/prompt.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::external {
namespace {

constexpr int kMostTurns = 20;
constexpr std::size_t kFeedbackBytes = 8 * 1024;

std::string Lines(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) absl::StrAppend(&text, item, "\n");
  return text;
}

}  // namespace

absl::StatusOr<std::string> ExternalRun::ComposeFor(const std::string& feedback) {
  models::PromptParts parts{.persona = route_.persona,
                            .system = "",
                            .instruction = work_.external.instruction,
                            .success_criteria = work_.prompt.success_criteria,
                            .data = {}};
  if (!feedback.empty()) {
    parts.data.push_back({.name = "checks that failed", .text = feedback});
    parts.instruction +=
        "\n\nYou have worked on this before, and your changes are in the folder. The checks in the material above "
        "still "
        "fail: mend what makes them fail.";
  }
  for (const auto& [name, text] : work_.prompt.data) parts.data.push_back({.name = name, .text = text});
  if (work_.prompt.data.empty() && !work_.repository.files.empty()) {
    parts.data.push_back({.name = "files that matter", .text = Lines(work_.repository.files)});
  }
  if (!work_.state_summary.empty()) {
    parts.data.push_back({.name = "what the task before this one left", .text = work_.state_summary});
  }
  SY_ASSIGN_OR_RETURN(const models::ComposedPrompt composed, models::ComposePrompt(parts, {}, deps_.rng));
  std::string prompt;
  for (const models::Message& message : composed.messages) {
    absl::StrAppend(&prompt, prompt.empty() ? "" : "\n\n", message.text);
  }
  return prompt + "\n";
}

std::string ExternalRun::Feedback() const {
  std::string text;
  for (std::size_t i = 0; i < work_.checks.size() && i < results_.size(); ++i) {
    if (results_[i].status == checks::StepStatus::kPassed || work_.checks[i].optional) continue;
    absl::StrAppend(&text, std::string(checks::CheckName(work_.checks[i].check)), " ", work_.checks[i].name, ":\n",
                    loop::RootCause(results_[i].evidence), "\n");
  }
  return loop::HeadAndTail(text, kFeedbackBytes);
}

absl::Duration ExternalRun::TimeLeft() const {
  const Limits limits = Merge(deps_.programs.limits(), rule_.limits, work_.limits.time);
  return std::max(limits.time - (deps_.clock.Now() - begun_), absl::Milliseconds(1));
}

bool ExternalRun::GoesOn() {
  Turn& turn = turns_.back();
  turn.checked = true;
  turn.steps_failed = FailedSteps();
  if (changes_.has_value()) turn.files_changed = static_cast<int>(changes_->paths.size());
  // An agent goes on by itself until it is content, so that more is done only when the task asks for it.
  const int most = std::clamp(work_.max_iterations, 1, kMostTurns);
  if (turn.steps_failed > 0) {
    turn.feedback = Feedback();
    std::string failed;
    for (std::size_t i = 0; i < work_.checks.size() && i < results_.size(); ++i) {
      if (results_[i].status != checks::StepStatus::kPassed)
        absl::StrAppend(&failed, "error: ", work_.checks[i].name, "\n");
    }
    turn.fingerprint = loop::Fingerprint(failed + turn.feedback);
  }
  if (most == 1) return false;
  const models::Spent spent = MakeSpent();
  const std::int64_t tokens = spent.input + spent.output;
  const bool repeated = std::any_of(turns_.begin(), turns_.end() - 1,
                                    [&](const Turn& one) { return one.fingerprint == turn.fingerprint; });
  if (turn.steps_failed == 0) {
    loop_end_ = "PASSED";
  } else if (static_cast<int>(turns_.size()) >= most) {
    loop_end_ = "BUDGET_EXHAUSTED";
  } else if (repeated) {
    loop_end_ = "REPEATED_FAILURE";
  } else if (work_.max_cost_micros > 0 && (spent.cost_unknown || spent.cost_micros >= work_.max_cost_micros)) {
    loop_end_ = "COST_LIMIT";
  } else if (work_.prompt.max_tokens > 0 && tokens >= work_.prompt.max_tokens) {
    loop_end_ = "TOKEN_LIMIT";
  } else if (TimeLeft() <= absl::Seconds(1)) {
    loop_end_ = "TIME_LIMIT";
  }
  if (!loop_end_.empty()) return false;
  absl::StatusOr<std::string> prompt = ComposeFor(turn.feedback);
  if (!prompt.ok()) {
    loop_end_ = "BUDGET_EXHAUSTED";
    return false;
  }
  prompt_ = *std::move(prompt);
  // What the last run declared says nothing of the next.
  for (const std::string& name :
       {std::string(kPromptFile), agent_.waking.file, agent_.naming.file, agent_.declared.file}) {
    if (!name.empty()) RemoveTree(absl::StrCat(scratch_, "/", name));
  }
  const absl::Status written =
      WriteScratch(scratch_, {{std::string(kPromptFile), prompt_}}, deps_.programs.host()->user);
  if (!written.ok()) {
    loop_end_ = "BUDGET_EXHAUSTED";
    return false;
  }
  results_.clear();
  unsafe_.clear();
  Note(absl::StrCat("turn ", turns_.size(), " left ", turn.steps_failed, " checks failing; it tries again"));
  return true;
}

models::Spent ExternalRun::SpentNow(absl::Duration worked) const {
  models::Spent spent;
  spent.model = model_;
  spent.mismatch = !model_.empty() && !route_.model.empty() && !models::IsAssignedModel(route_, model_);
  const std::int64_t cached = facts_.cached_input_tokens.value_or(0);
  const std::int64_t written = facts_.cache_write_tokens.value_or(0);
  spent.input = facts_.input_tokens.value_or(0) + (agent_.declared.cached_apart ? cached + written : 0);
  spent.cached_input = cached;
  spent.cache_write = written;
  spent.output = facts_.output_tokens.value_or(0);
  spent.generation = worked;
  if (facts_.cost_micros.has_value()) {
    spent.cost_micros = *facts_.cost_micros;
    return spent;
  }
  models::TokenUsage usage;
  if (facts_.input_tokens.has_value()) usage.input = spent.input;
  if (facts_.output_tokens.has_value()) usage.output = spent.output;
  usage.cached_input = cached;
  usage.cache_write_5m = written;
  const std::optional<std::int64_t> cost = models::CostOf(route_.pricing, usage);
  spent.cost_micros = cost.value_or(0);
  spent.cost_unknown = !cost.has_value();
  return spent;
}

models::Spent ExternalRun::MakeSpent() const {
  models::Spent all;
  all.model = model_;
  all.mismatch = !model_.empty() && !route_.model.empty() && !models::IsAssignedModel(route_, model_);
  for (const Turn& turn : turns_) {
    all.input += turn.spent.input;
    all.cached_input += turn.spent.cached_input;
    all.cache_write += turn.spent.cache_write;
    all.output += turn.spent.output;
    all.cost_micros += turn.spent.cost_micros;
    all.cost_unknown = all.cost_unknown || turn.spent.cost_unknown;
    all.generation += turn.spent.generation;
  }
  return all;
}

}  // namespace switchyard::executor::external
