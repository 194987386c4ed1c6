// What becomes of the work.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/checks/report.h"
#include "services/executor/delivery/delivery_report.h"
#include "services/executor/delivery/worktree_pusher.h"
#include "services/executor/loop/build_run.h"
#include "services/executor/loop/root_cause.h"
#include "services/executor/loop/turn_sink.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kDiffBytes = 60 * 1024;
constexpr absl::Duration kLastLookTime = absl::Minutes(1);
constexpr std::size_t kMostCallFacts = 8;

}  // namespace

class BuildRun::DeliveryLink final : public Executor, public delivery::DeliveryEvents {
 public:
  DeliveryLink(Narrator& narrator, std::shared_ptr<external::Mailbox> mailbox)
      : narrator_(narrator), mailbox_(std::move(mailbox)) {}

  // Of pushes: the worktree is used by the run's own thread alone.
  absl::Status Run(std::function<void()> work) override {
    mailbox_->Post(std::move(work));
    return absl::OkStatus();
  }
  void OnConfirmationWanted() override { narrator_.AskForConfirmation(); }
  void OnProgress(std::string message) override { narrator_.Note(message); }
  void OnDelivered(delivery::DeliveryResult ended) override {
    const std::shared_ptr<external::Mailbox> mailbox = mailbox_;
    mailbox->Post([this, ended = std::move(ended)]() mutable {
      result = std::move(ended);
      done = true;
    });
  }

  bool done = false;
  delivery::DeliveryResult result;

 private:
  Narrator& narrator_;
  const std::shared_ptr<external::Mailbox> mailbox_;
};

BuildRun::MaybeEnding BuildRun::KeepBest() {
  if (best_state_.has_value() && *best_state_ != current_) {
    if (const absl::Status status = site_->Return(*best_state_, stop_); !status.ok()) return FailedBy(status);
    current_ = *best_state_;
    narrator_.Note(core_->best() == 0 ? std::string("keeps what an earlier attempt left")
                                      : absl::StrCat("keeps the state of iteration ", *core_->best()));
  }
  repository::Worktree* const worktree = site_->worktree();
  if (worktree == nullptr) return std::nullopt;
  const absl::StatusOr<std::string> commit =
      site_->Commit(CommitText(work_, core_->best().value_or(0), core_->iterations()), stop_);
  if (!commit.ok()) return FailedBy(commit.status());
  head_commit_ = *commit;
  absl::StatusOr<checks::Changes> changes = worktree->changes().Look(kLastLookTime, stop_);
  if (!changes.ok()) return FailedBy(changes.status());
  changes_ = *std::move(changes);
  const absl::StatusOr<repository::DiffText> diff = worktree->Diff(kDiffBytes, stop_);
  if (!diff.ok()) return FailedBy(diff.status());
  diff_ = absl::StrCat(text::Redact(diff->text), diff->cut ? "\n[the rest is left out]\n" : "");
  return std::nullopt;
}

BuildRun::Ending BuildRun::Conclude() {
  const LoopEnd end = *core_->end();
  if (MaybeEnding ending = KeepBest(); ending.has_value()) {
    MaybeEnding interrupted = Interrupted();
    return interrupted.has_value() ? *std::move(interrupted) : *std::move(ending);
  }
  const std::string summary = Summary(Facts());
  narrator_.Note(summary);
  if (end == LoopEnd::kTimeLimit && !core_->best().has_value()) {
    return {.outcome = Outcome::kTimedOut, .reason = "RUN_TIMEOUT", .message = summary};
  }
  const bool compulsory =
      std::any_of(work_.checks.begin(), work_.checks.end(), [](const checks::Step& step) { return !step.optional; });
  if (core_->turns().empty() && !core_->best().has_value() && end == LoopEnd::kCostLimit) {
    return {.outcome = Outcome::kFailed, .reason = "COST_LIMIT", .message = summary};
  }
  // Nobody else would judge it.
  if (!compulsory && end != LoopEnd::kPassed) {
    return {.outcome = Outcome::kFailed, .reason = std::string(LoopEndName(end)), .message = summary};
  }
  return Deliver({.outcome = Outcome::kSucceeded, .reason = "", .message = ""});
}

BuildRun::Ending BuildRun::Deliver(Ending ending) {
  repository::Worktree* const worktree = site_->worktree();
  const bool passed = core_->end() == LoopEnd::kPassed;
  const bool wanted = work_.repository.push || work_.repository.pull_request;
  if (worktree == nullptr || !wanted || changes_->paths.empty()) return ending;
  delivering_ = true;
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return *std::move(interrupted);
  const repository::WorktreeFacts& facts = worktree->facts();
  delivery::DeliveryRequest request{.task_id = work_.task_id, .generation = work_.generation};
  request.push = true;
  // What did not pass is kept for whoever goes on with it, and not proposed to anybody.
  request.pull_request = work_.repository.pull_request && passed;
  request.draft = work_.repository.draft;
  request.branch = facts.branch;
  request.base_branch = facts.base_branch;
  request.base_commit = facts.base_commit;
  request.head_commit = head_commit_;
  if (request.pull_request) {
    if (const auto standing = worktree->Compare(/*fetch=*/false, stop_); standing.ok())
      request.base_behind = standing->base_behind;
  }
  request.story = delivery::StoryOf(work_, MakeReport(Facts()));
  DeliveryLink link(narrator_, mailbox_);
  delivery::WorktreePusher pusher(*worktree, stop_, link);
  delivery::DeliveryDeps deps{.pusher = pusher, .clock = deps_.clock, .rng = deps_.rng, .events = link};
  if (request.pull_request) {
    const absl::StatusOr<forge::Place> place = deps_.forges->Find(facts.repository);
    if (!place.ok()) return FailedBy(place.status());
    deps.forge = place->forge;
    deps.repository = place->repository;
  }
  delivery_ = delivery::Delivery::Start(std::move(request), deps, settings_.delivery);
  Wait(
      link.done, [this](bool) { delivery_->Cancel(); }, /*timed=*/false);
  delivery_.reset();
  // What it posted before its end, a push that nobody waits for any more among it.
  mailbox_->Take(absl::ZeroDuration());
  delivered_ = std::move(link.result);
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return *std::move(interrupted);
  if (delivered_->status.ok()) return ending;
  const delivery::DeliveryFailure failure = delivery::FailureOf(delivered_->status);
  if (!passed && failure.outcome == Outcome::kFailed) {
    narrator_.Note(absl::StrCat("the branch was not pushed: ", failure.reason));
    return ending;
  }
  return {.outcome = failure.outcome,
          .reason = failure.reason,
          .message = failure.message,
          .executor_fault = false,
          .permanent = failure.permanent};
}

LoopFacts BuildRun::Facts() const {
  const repository::WorktreeFacts* worktree = site_->worktree() == nullptr ? nullptr : &site_->worktree()->facts();
  return {.work = work_,
          .core = *core_,
          .turns = turn_facts_,
          .results = best_results_,
          .worktree = worktree,
          .changes = changes_.has_value() ? &*changes_ : nullptr,
          .head_commit = head_commit_,
          .delivered = delivered_.has_value() ? &*delivered_ : nullptr};
}

Evidence BuildRun::MakeEvidence(const Ending& ending) {
  Evidence evidence = std::move(last_call_);
  evidence.task_id = work_.task_id;
  evidence.generation = work_.generation;
  evidence.outcome = ending.outcome;
  evidence.reason = ending.reason;
  evidence.message = std::string(text::TruncateUtf8(ending.message, 4'000));
  evidence.exit_code = ending.outcome == Outcome::kSucceeded ? 0 : -1;
  evidence.executor_fault = ending.executor_fault;
  evidence.permanent = ending.permanent;
  evidence.retry_after = ending.retry_after;
  evidence.started = begun_;
  evidence.ended = deps_.clock.Now();
  evidence.usage = spending_.usage();
  evidence.route_report = spending_.route_report();
  evidence.summary.clear();
  evidence.facts.clear();
  if (!core_.has_value()) return evidence;

  const LoopFacts facts = Facts();
  if (ending.outcome == Outcome::kSucceeded) evidence.summary = Summary(facts);
  if (!diff_.empty()) evidence.output = diff_;
  evidence.checks = checks::Serialise(MakeReport(facts));
  evidence.state_summary = StateSummary(facts);
  evidence.outputs["iterations"] = absl::StrCat(core_->turns().size());
  if (core_->end().has_value()) evidence.outputs["loop_end"] = std::string(LoopEndName(*core_->end()));
  if (facts.worktree != nullptr) {
    evidence.outputs["branch"] = facts.worktree->branch;
    if (!head_commit_.empty()) evidence.outputs["commit"] = head_commit_;
  }
  if (delivered_.has_value() && delivered_->pull_request.has_value()) {
    evidence.outputs["pull_request"] = delivered_->pull_request->url;
  }
  models::Json calls = models::Json::array();
  const std::size_t from = call_facts_.size() > kMostCallFacts ? call_facts_.size() - kMostCallFacts : 0;
  for (std::size_t i = from; i < call_facts_.size(); ++i) {
    if (std::optional<models::Json> call = models::ParseJson(call_facts_[i]); call.has_value())
      calls.push_back(*std::move(call));
  }
  models::Json json = {{"iterations", core_->turns().size()},
                       {"resumed", resumed_},
                       {"calls", std::move(calls)},
                       {"started", absl::FormatTime(absl::RFC3339_full, begun_, absl::UTCTimeZone())},
                       {"ended", absl::FormatTime(absl::RFC3339_full, evidence.ended, absl::UTCTimeZone())}};
  if (core_->end().has_value()) json["loop_end"] = std::string(LoopEndName(*core_->end()));
  evidence.facts = models::DumpJson(json);
  return evidence;
}

}  // namespace switchyard::executor::loop
