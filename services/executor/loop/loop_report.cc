#include "services/executor/loop/loop_report.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/checks/report.h"
#include "services/executor/delivery/delivery_report.h"
#include "services/executor/loop/loop_prompt.h"
#include "services/executor/loop/root_cause.h"

namespace switchyard::executor::loop {
namespace {

namespace v1 = verification::v1;

constexpr int kMostObservations = 16;
constexpr std::size_t kFeedbackBytes = 1'024;
constexpr std::size_t kNameBytes = 200;
constexpr std::size_t kPathBytes = 1'024;
constexpr std::size_t kMostPaths = 200;
constexpr std::size_t kSummaryBytes = 1'000;
constexpr std::size_t kStateBytes = 16 * 1024;
constexpr std::size_t kSubjectBytes = 72;

std::string Shown(std::string_view text, std::size_t bytes) {
  return std::string(text::TruncateUtf8(text::Redact(text::ReplaceInvalidUtf8(text)), bytes));
}

std::string FirstLine(std::string_view text) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(ToAbsl(text));
  return Shown(ToStd(stripped.substr(0, stripped.find('\n'))), kSubjectBytes);
}

void AddDuration(const google::protobuf::Duration& more, google::protobuf::Duration& sum) {
  using google::protobuf::util::TimeUtil;
  sum = TimeUtil::NanosecondsToDuration(TimeUtil::DurationToNanoseconds(sum) + TimeUtil::DurationToNanoseconds(more));
}

int ToInt(std::int64_t count) {
  return static_cast<int>(std::min<std::int64_t>(count, std::numeric_limits<int>::max()));
}

void FillIteration(const LoopFacts& facts, const Turn& turn, v1::Iteration& out) {
  out.set_number(turn.number);
  const std::size_t index = static_cast<std::size_t>(turn.number) - 1;
  if (index < facts.turns.size()) {
    out.set_model(Shown(facts.turns[index].model, kNameBytes));
    out.set_endpoint(Shown(facts.turns[index].endpoint, kNameBytes));
    out.set_edit_format(facts.turns[index].format);
  }
  out.set_files_changed(turn.files_changed);
  if (turn.failed_at.has_value()) out.set_failed_at(std::string(StageName(*turn.failed_at)));
  out.set_steps_failed(turn.steps_failed);
  out.set_fingerprint(turn.failure.fingerprint);
  out.set_feedback(HeadAndTail(text::Redact(text::ReplaceInvalidUtf8(turn.failure.feedback)), kFeedbackBytes));
  out.set_input_tokens(turn.usage.input_tokens);
  out.set_output_tokens(turn.usage.output_tokens);
  out.set_cost_micros(turn.usage.cost_micros);
  out.set_cost_unknown(turn.usage.cost_unknown);
  const absl::Duration took = std::max(turn.ended - turn.begun, absl::ZeroDuration());
  *out.mutable_duration() = google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(took));
  out.set_kept(facts.core.best() == turn.number);
}

void FillChange(const LoopFacts& facts, v1::Change& out) {
  out.set_repository(Shown(facts.worktree->repository, kPathBytes));
  out.set_base_branch(facts.worktree->base_branch);
  out.set_base_commit(facts.worktree->base_commit);
  out.set_head_commit(facts.head_commit);
  out.set_branch(facts.worktree->branch);
  if (facts.changes != nullptr) {
    std::int64_t counts[3] = {};
    std::int64_t added = 0;
    std::int64_t removed = 0;
    for (const checks::ChangedPath& path : facts.changes->paths) {
      ++counts[static_cast<int>(path.kind)];
      added += path.lines_added;
      removed += path.lines_removed;
      if (static_cast<std::size_t>(out.paths_size()) < kMostPaths) out.add_paths(Shown(path.path, kPathBytes));
    }
    out.set_files_added(ToInt(counts[static_cast<int>(checks::ChangedPath::Kind::kAdded)]));
    out.set_files_changed(ToInt(counts[static_cast<int>(checks::ChangedPath::Kind::kChanged)]));
    out.set_files_deleted(ToInt(counts[static_cast<int>(checks::ChangedPath::Kind::kDeleted)]));
    out.set_lines_added(ToInt(added));
    out.set_lines_removed(ToInt(removed));
  }
  if (facts.delivered != nullptr) delivery::AddTo(*facts.delivered, out);
}

std::string EndText(const LoopCore& core) {
  if (!core.end().has_value()) return "was ended";
  switch (*core.end()) {
    case LoopEnd::kPassed:
      return "passed";
    case LoopEnd::kBudgetExhausted:
      return "ended with its budget of iterations";
    case LoopEnd::kRepeatedFailure:
      return "ended, since the same failure came again";
    case LoopEnd::kNoChange:
      return "ended, since nothing changed any more";
    case LoopEnd::kTokenLimit:
      return "ended at its limit of tokens";
    case LoopEnd::kCostLimit:
      return "ended at its limit of costs";
    case LoopEnd::kTimeLimit:
      return "ended at its limit of time";
  }
  return "";
}

}  // namespace

TurnUsage Spending::Add(const Evidence& call) {
  task_queue::v1::Usage usage;
  usage.ParseFromString(call.usage);
  router::v1::RouteReport report;
  report.ParseFromString(call.route_report);
  for (auto& observation : *report.mutable_observations()) *report_.add_observations() = std::move(observation);
  const int over = report_.observations_size() - kMostObservations;
  if (over > 0) report_.mutable_observations()->DeleteSubrange(0, over);
  const task_queue::v1::Usage before = std::exchange(sum_, usage);
  if (any_) {
    sum_.set_input_tokens(sum_.input_tokens() + before.input_tokens());
    sum_.set_cached_input_tokens(sum_.cached_input_tokens() + before.cached_input_tokens());
    sum_.set_cache_write_tokens(sum_.cache_write_tokens() + before.cache_write_tokens());
    sum_.set_output_tokens(sum_.output_tokens() + before.output_tokens());
    sum_.set_cost_micros(sum_.cost_micros() + before.cost_micros());
    sum_.set_cost_unknown(sum_.cost_unknown() || before.cost_unknown());
    sum_.set_model_mismatch(sum_.model_mismatch() || before.model_mismatch());
    if (sum_.model().empty()) sum_.set_model(before.model());
    AddDuration(before.load_time(), *sum_.mutable_load_time());
    AddDuration(before.generation_time(), *sum_.mutable_generation_time());
    *sum_.mutable_first_token_time() = before.first_token_time();
  }
  any_ = true;
  return {.input_tokens = usage.input_tokens(),
          .output_tokens = usage.output_tokens(),
          .cost_micros = usage.cost_micros(),
          .cost_unknown = usage.cost_unknown()};
}

std::string Spending::usage() const { return any_ ? sum_.SerializeAsString() : ""; }

std::string Spending::route_report() const {
  if (!any_) return "";
  router::v1::RouteReport report = report_;
  *report.mutable_usage() = sum_;
  return report.SerializeAsString();
}

v1::CheckReport MakeReport(const LoopFacts& facts) {
  v1::CheckReport report = checks::ToReport(facts.work.checks, facts.results);
  for (const Turn& turn : facts.core.turns()) FillIteration(facts, turn, *report.add_iterations());
  if (facts.core.end().has_value()) report.set_loop_end(std::string(LoopEndName(*facts.core.end())));
  if (facts.worktree != nullptr) FillChange(facts, *report.mutable_change());
  return report;
}

std::string Summary(const LoopFacts& facts) {
  const LoopCore& core = facts.core;
  std::string text =
      absl::StrCat(EndText(core), " after ", core.turns().size(), " of ", core.iterations(), " iterations");
  absl::StrAppend(&text, "; ", Summarise(facts.work.checks, facts.results, kFeedbackBytes).line);
  if (facts.changes != nullptr) absl::StrAppend(&text, "; ", facts.changes->paths.size(), " files changed");
  if (facts.delivered != nullptr && facts.delivered->pull_request.has_value()) {
    absl::StrAppend(&text, "; ", facts.delivered->pull_request->url);
  }
  return Shown(text, kSummaryBytes);
}

std::string StateSummary(const LoopFacts& facts) {
  std::string text = absl::StrCat("The work ", Summary(facts), ".\n");
  if (facts.worktree != nullptr) {
    absl::StrAppend(&text, "Branch ", facts.worktree->branch, " of ", facts.worktree->repository, ", from ",
                    facts.worktree->base_branch, ".\n");
  }
  if (facts.changes != nullptr && !facts.changes->paths.empty()) {
    absl::StrAppend(&text, "\nDone so far, in these files:\n");
    for (std::size_t i = 0; i < facts.changes->paths.size() && i < 50; ++i) {
      const checks::ChangedPath& path = facts.changes->paths[i];
      absl::StrAppend(&text, "- ", path.path, " (+", path.lines_added, " -", path.lines_removed, ")\n");
    }
  }
  const CheckSummary summary = Summarise(facts.work.checks, facts.results, kStateBytes / 2);
  if (summary.failed > 0) {
    absl::StrAppend(&text, "\nLeft to do, as the checks have it:\n", summary.failure.feedback);
  } else if (facts.core.end() != LoopEnd::kPassed) {
    absl::StrAppend(&text, "\nNothing that could be checked came of it.\n");
  }
  std::string failures;
  for (const Turn& turn : facts.core.turns()) {
    if (!turn.failed_at.has_value()) continue;
    absl::StrAppend(&failures, "- iteration ", turn.number, " failed at ", std::string(StageName(*turn.failed_at)),
                    ": ", FirstLine(turn.failure.feedback), "\n");
  }
  if (!failures.empty()) absl::StrAppend(&text, "\nWhat was tried:\n", failures);
  return HeadAndTail(text::Redact(text::ReplaceInvalidUtf8(text)), kStateBytes);
}

std::string CommitText(const Work& work, int turn, int iterations) {
  const std::string title = FirstLine(work.repository.title.empty() ? work.prompt.instruction : work.repository.title);
  const std::string subject = title.empty() ? std::string("Work") : title;
  return turn == 0 ? subject : absl::StrCat(subject, "\n\nIteration ", turn, " of ", iterations, ".");
}

}  // namespace switchyard::executor::loop
