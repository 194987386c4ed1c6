// What follows an agent's work: commit, checks, delivery, and the account of it all.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/json_reader.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/checks/report.h"
#include "services/executor/delivery/delivery_report.h"
#include "services/executor/delivery/worktree_pusher.h"
#include "services/executor/external/external_run.h"
#include "services/executor/external/secret_mask.h"

namespace switchyard::executor::external {
namespace {

namespace verification = switchyard::verification::v1;

constexpr absl::Duration kFinishLook = absl::Milliseconds(50);
constexpr absl::Duration kLookAtChanges = absl::Minutes(2);
constexpr absl::Duration kTickDelivery = absl::Milliseconds(500);
// Of the change, as whoever judges the work sees it.
constexpr std::size_t kDiffBytes = 60 * 1024;
constexpr std::size_t kSummaryBytes = 1'000;
constexpr std::size_t kStateBytes = 12 * 1024;
constexpr std::size_t kMostPaths = 200;
constexpr std::size_t kPathBytes = 1024;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
// Of a file of the base.
constexpr std::size_t kMostBefore = std::size_t{64} << 20;
// Looking at the little that is left to look at takes this.
constexpr absl::Duration kLeastForChecks = absl::Seconds(1);

std::string Line(std::string_view text, std::size_t bytes) {
  std::string line = text::ReplaceInvalidUtf8(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
  return std::string(text::TruncateUtf8(line, bytes));
}

bool RunsProgram(const checks::Step& step) {
  return std::holds_alternative<checks::TestPasses>(step.check) ||
         std::holds_alternative<checks::CommandSucceeds>(step.check);
}

std::int64_t Sum(const std::vector<checks::ChangedPath>& paths, std::int64_t checks::ChangedPath::*field) {
  std::int64_t sum = 0;
  for (const checks::ChangedPath& path : paths) sum += path.*field;
  return sum;
}

std::int64_t CountOf(const std::vector<checks::ChangedPath>& paths, checks::ChangedPath::Kind kind) {
  return std::count_if(paths.begin(), paths.end(), [kind](const auto& path) { return path.kind == kind; });
}

}  // namespace

// Passes on to the sink, on the attempt's thread.
class ExternalRun::CheckEvents final : public checks::CheckObserver {
 public:
  explicit CheckEvents(ExternalRun& run) : run_(run) {}

  void OnStep(int step, const checks::StepResult& result) override {
    StepNews news{.step = step, .passed = result.status == checks::StepStatus::kPassed, .message = result.evidence};
    run_.mailbox_.Post([this, news = std::move(news)]() mutable {
      news.message = std::string(text::TruncateUtf8(run_.output_->mask().Mask(news.message), 1024));
      run_.sink_.OnStep(std::move(news));
    });
  }
  void OnLog(LogChunk chunk) override {
    const bool gap = std::exchange(lost_, false) || chunk.dropped_before > 0;
    lost_ = !run_.mailbox_.PostBulk([this, stream = chunk.stream, text = std::move(chunk.text), gap] {
      run_.output_->Take(stream, text, gap, /*of_agent=*/false, run_.deps_.clock.Now());
    });
  }
  void OnProgress(std::string message) override {
    run_.mailbox_.Post([this, message = std::move(message)]() mutable { run_.Note(std::move(message)); });
  }
  void OnEnded(checks::CheckEnd, std::vector<checks::StepResult> results) override {
    run_.mailbox_.Post([this, results = std::move(results)]() mutable {
      run_.results_ = std::move(results);
      for (checks::StepResult& result : run_.results_) {
        result.evidence = run_.output_->mask().Mask(result.evidence);
        for (auto& [name, fact] : result.facts) fact = run_.output_->mask().Mask(fact);
      }
      ended_ = true;
    });
  }
  // Of the attempt's thread.
  bool ended() const { return ended_; }

 private:
  ExternalRun& run_;
  bool lost_ = false;
  bool ended_ = false;
};

// What a delivery wants to be done, on the attempt's thread.
class ExternalRun::DeliveryLink final : public Executor, public delivery::DeliveryEvents {
 public:
  explicit DeliveryLink(ExternalRun& run) : run_(run) {}

  absl::Status Run(std::function<void()> work) override {
    run_.mailbox_.Post(std::move(work));
    return absl::OkStatus();
  }
  void OnConfirmationWanted() override {
    run_.mailbox_.Post([this] { run_.sink_.OnConfirmationWanted(); });
  }
  void OnProgress(std::string message) override {
    run_.mailbox_.Post([this, message = std::move(message)]() mutable { run_.Note(std::move(message)); });
  }
  void OnDelivered(delivery::DeliveryResult result) override {
    run_.mailbox_.Post([this, result = std::move(result)]() mutable { run_.delivered_ = std::move(result); });
  }

 private:
  ExternalRun& run_;
};

bool ExternalRun::HoldsCredential(const checks::Folder& folder, const std::string& path) const {
  const std::string& secret = values_.credential;
  if (path.find(secret) != std::string::npos) return true;
  if (const absl::StatusOr<std::string> link = folder.LinkAt(path); link.ok()) {
    return link->find(secret) != std::string::npos;
  }
  // What cannot be opened cannot be committed either.
  absl::StatusOr<checks::OpenFile> file = folder.OpenAt(path, /*follow=*/false);
  if (!file.ok()) return false;
  std::string text;
  for (;;) {
    const absl::StatusOr<std::size_t> size = file->Read(kReadBytes, text);
    if (!size.ok() || *size == 0) return false;
    if (text.find(secret) != std::string::npos) return true;
    // It may begin in one piece and end in the next.
    text.erase(0, text.size() - std::min(text.size(), secret.size() - 1));
  }
}

ExternalRun::MaybeEnding ExternalRun::LookForCredential() {
  if (values_.credential.size() < SecretMask::kLeast) return std::nullopt;
  const absl::StatusOr<checks::Changes> changes = worktree_->changes().Look(kLookAtChanges, stop_);
  if (!changes.ok()) return FailedBy(changes.status());
  const absl::StatusOr<checks::Folder> folder = checks::Folder::Open(workspace_);
  if (!folder.ok()) return FailedBy(folder.status());
  for (const checks::ChangedPath& change : changes->paths) {
    if (change.kind == checks::ChangedPath::Kind::kDeleted || !HoldsCredential(*folder, change.path)) continue;
    const std::optional<std::string> before = worktree_->changes().Before(change.path, kMostBefore);
    if (before.has_value() && before->find(values_.credential) != std::string::npos) continue;
    return Ending{.outcome = Outcome::kFailed,
                  .reason = kCredentialInChanges,
                  .message = absl::StrCat("the agent wrote its credential into ",
                                          text::Redact(output_->mask().Mask(Line(change.path, kPathBytes)))),
                  .executor_fault = false,
                  .permanent = false};
  }
  return std::nullopt;
}

ExternalRun::MaybeEnding ExternalRun::Keep() {
  if (worktree_ == nullptr) return std::nullopt;
  EnterPhase(WorkPhase::kApplying);
  if (MaybeEnding ending = LookForCredential(); ending.has_value()) return ending;
  const std::string& title = work_.repository.title.empty() ? work_.external.instruction : work_.repository.title;
  const std::string first(std::string_view(title).substr(0, title.find('\n')));
  const std::string subject = Line(text::Redact(output_->mask().Mask(first)), 72);
  const absl::StatusOr<repository::Commitment> made = worktree_->Commit(
      absl::StrCat(subject.empty() ? work_.task_id : subject, "\n\nBy ", agent_.name(), " with ", model_, "."), stop_);
  if (!made.ok()) return FailedBy(made.status());
  commit_ = made->commit;
  absl::StatusOr<checks::Changes> changes = worktree_->changes().Look(kLookAtChanges, stop_);
  if (!changes.ok()) return FailedBy(changes.status());
  changes_ = *std::move(changes);
  const absl::StatusOr<repository::DiffText> diff = worktree_->Diff(kDiffBytes, stop_);
  if (!diff.ok()) return FailedBy(diff.status());
  diff_ = output_->mask().Mask(text::Redact(diff->text)) + (diff->cut ? "\n[the rest is left out]\n" : "");
  return std::nullopt;
}

ExternalRun::MaybeEnding ExternalRun::Check() {
  if (work_.checks.empty()) return std::nullopt;
  EnterPhase(WorkPhase::kVerifying);
  // What tests leave behind is not the work's.
  std::optional<repository::Snapshot> before;
  if (worktree_ != nullptr && std::any_of(work_.checks.begin(), work_.checks.end(), RunsProgram)) {
    absl::StatusOr<repository::Snapshot> saved = worktree_->Save(stop_);
    if (!saved.ok()) return FailedBy(saved.status());
    before = *std::move(saved);
  }
  CheckEvents events(*this);
  checks::CheckRequest request{.task_id = work_.task_id, .generation = work_.generation};
  request.place.folder = workspace_;
  if (worktree_ != nullptr) request.place.changes = &worktree_->changes();
  request.steps = work_.checks;
  const absl::Duration left = std::max(TimeLeft(), kLeastForChecks);
  request.time = work_.checks_time > absl::ZeroDuration() ? std::min(work_.checks_time, left) : left;
  request.network = work_.network;
  request.inside_only = work_.inside_only;
  const std::unique_ptr<checks::CheckRun> run = deps_.checker->Make(std::move(request), events);
  run->Start();
  int asked = kNone;
  while (!events.ended()) {
    mailbox_.Take(kFinishLook);
    output_->Flush(deps_.clock.Now());
    const int interruption = interruption_.load();
    if (interruption == asked) continue;
    if (interruption == kCancel) {
      run->Cancel();
    } else {
      run->Kill();
    }
    asked = interruption;
  }
  if (MaybeEnding ending = Interrupted(); ending.has_value()) return ending;
  if (before.has_value()) {
    if (const absl::Status status = worktree_->Restore(*before, stop_); !status.ok()) return FailedBy(status);
  }
  return std::nullopt;
}

int ExternalRun::FailedSteps() const {
  int failed = 0;
  for (std::size_t i = 0; i < work_.checks.size(); ++i) {
    const bool passed = i < results_.size() && results_[i].status == checks::StepStatus::kPassed;
    if (!passed && !work_.checks[i].optional) ++failed;
  }
  return failed;
}

ExternalRun::MaybeEnding ExternalRun::Deliver() {
  const RepositoryWork& wanted = work_.repository;
  if (worktree_ == nullptr || (!wanted.push && !wanted.pull_request) || changes_->paths.empty()) return std::nullopt;
  const bool passed = FailedSteps() == 0;
  // What did not pass is kept for whoever goes on with it, and not proposed to anybody.
  const bool proposed = wanted.pull_request && passed;
  EnterPhase(WorkPhase::kExecuting);
  Note("delivers");
  const repository::WorktreeFacts& facts = worktree_->facts();
  DeliveryLink link(*this);
  delivery::WorktreePusher pusher(*worktree_, stop_, link);
  delivery::DeliveryDeps deps{
      .pusher = pusher, .forge = nullptr, .repository = {}, .clock = deps_.clock, .rng = deps_.rng, .events = link};
  if (proposed) {
    const absl::StatusOr<forge::Place> place = deps_.forges->Find(facts.repository);
    if (!place.ok()) return FailedBy(place.status());
    deps.forge = place->forge;
    deps.repository = place->repository;
  }
  delivery_request_ = {.task_id = work_.task_id,
                       .generation = work_.generation,
                       .push = true,
                       .pull_request = proposed,
                       .draft = wanted.draft,
                       .branch = facts.branch,
                       .base_branch = facts.base_branch,
                       .base_commit = facts.base_commit,
                       .head_commit = commit_,
                       .story = delivery::StoryOf(work_, MakeReport())};
  delivery_ = delivery::Delivery::Start(delivery_request_, deps);
  absl::Time tick = deps_.clock.Now();
  while (!delivered_.has_value()) {
    mailbox_.Take(kFinishLook);
    if (interruption_.load() != kNone) delivery_->Cancel();
    if (const absl::Time now = deps_.clock.Now(); now - tick >= kTickDelivery) {
      tick = now;
      delivery_->Tick();
    }
  }
  if (delivered_->status.ok()) return std::nullopt;
  delivery::DeliveryFailure failure = delivery::FailureOf(delivered_->status);
  if (!passed && failure.outcome == Outcome::kFailed) {
    Note(absl::StrCat("the branch was not pushed: ", failure.reason));
    return std::nullopt;
  }
  return Ending{.outcome = failure.outcome,
                .reason = std::move(failure.reason),
                .message = "not delivered: " + failure.message,
                .executor_fault = false,
                .permanent = failure.permanent};
}

// ---- The account.

verification::CheckReport ExternalRun::MakeReport() const {
  verification::CheckReport report = checks::ToReport(work_.checks, results_);
  report.set_loop_end(loop_end_);
  for (const Turn& one : turns_) {
    verification::Iteration& turn = *report.add_iterations();
    turn.set_number(report.iterations_size());
    turn.set_model(one.model);
    turn.set_endpoint(route_.endpoint);
    turn.set_edit_format("external");
    turn.set_files_changed(one.files_changed);
    turn.set_steps_failed(one.steps_failed);
    turn.set_failed_at(!one.checked && !work_.checks.empty() ? "GENERATE" : one.steps_failed > 0 ? "VERIFY" : "");
    turn.set_fingerprint(one.fingerprint);
    turn.set_feedback(std::string(text::TruncateUtf8(one.feedback, 1024)));
    turn.set_input_tokens(one.spent.input);
    turn.set_output_tokens(one.spent.output);
    turn.set_cost_micros(one.spent.cost_micros);
    turn.set_cost_unknown(one.spent.cost_unknown);
    *turn.mutable_duration() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(one.worked));
    turn.set_kept(&one == &turns_.back());
  }
  if (worktree_ != nullptr) {
    const repository::WorktreeFacts& facts = worktree_->facts();
    verification::Change& change = *report.mutable_change();
    change.set_repository(facts.repository);
    change.set_base_branch(facts.base_branch);
    change.set_base_commit(facts.base_commit);
    change.set_head_commit(commit_);
    change.set_branch(facts.branch);
    if (changes_.has_value()) {
      using Kind = checks::ChangedPath::Kind;
      const std::vector<checks::ChangedPath>& paths = changes_->paths;
      change.set_files_added(static_cast<int>(CountOf(paths, Kind::kAdded)));
      change.set_files_changed(static_cast<int>(CountOf(paths, Kind::kChanged)));
      change.set_files_deleted(static_cast<int>(CountOf(paths, Kind::kDeleted)));
      change.set_lines_added(static_cast<int>(Sum(paths, &checks::ChangedPath::lines_added)));
      change.set_lines_removed(static_cast<int>(Sum(paths, &checks::ChangedPath::lines_removed)));
      for (const checks::ChangedPath& path : paths) {
        if (static_cast<std::size_t>(change.paths_size()) >= kMostPaths) break;
        change.add_paths(text::Redact(Line(path.path, kPathBytes)));
      }
    }
    if (delivered_.has_value()) delivery::AddTo(*delivered_, change);
  }
  return report;
}

Evidence ExternalRun::MakeEvidence(const Ending& ending) {
  const absl::Time now = deps_.clock.Now();
  if (output_ != nullptr) output_->Finish(now);
  Evidence evidence = std::move(ran_);
  evidence.task_id = work_.task_id;
  evidence.generation = work_.generation;
  if (delivered_.has_value()) delivery::AddTo(delivery_request_, *delivered_, evidence);
  evidence.outcome = ending.outcome;
  evidence.reason = ending.reason;
  evidence.message = ending.message;
  evidence.executor_fault = ending.executor_fault;
  evidence.permanent = ending.permanent;
  evidence.retry_after = ending.retry_after;
  evidence.started = begun_;
  evidence.ended = now;
  evidence.rule = agent_.name();
  evidence.sandbox = confinement_.sandbox;
  evidence.network = confinement_.network;
  evidence.uid = confinement_.uid;
  if (output_ != nullptr) {
    evidence.message = output_->mask().Mask(evidence.message);
    evidence.output = diff_.empty() ? output_->keeper().Summary() : diff_;
    evidence.output_bytes = output_->keeper().written();
    evidence.dropped_bytes = output_->keeper().dropped();
  }
  if (ending.outcome == Outcome::kSucceeded) {
    evidence.summary = std::string(text::TruncateUtf8(facts_.summary, kSummaryBytes));
  }
  const models::Spent spent = MakeSpent();
  const bool confirmed = !model_.empty() && !spent.mismatch;
  evidence.outputs["agent"] = agent_.name();
  evidence.outputs["model"] = model_.empty() ? route_.model : model_;
  evidence.outputs["model_confirmed"] = model_.empty() ? "not said" : confirmed ? "yes" : "no";
  if (!route_.endpoint.empty()) evidence.outputs["endpoint"] = route_.endpoint;
  if (!route_.decision_id.empty()) evidence.outputs["decision"] = route_.decision_id;
  if (worked_ > absl::ZeroDuration()) {
    evidence.usage = models::ToUsage(spent, route_);
    if (!work_.routing.empty()) evidence.route_report = models::ToRouteReport({}, spent, route_);
  }
  if (!work_.checks.empty() || worktree_ != nullptr) evidence.checks = checks::Serialise(MakeReport());
  evidence.state_summary = std::string(text::TruncateUtf8(facts_.summary, kStateBytes));
  if (worktree_ != nullptr && !commit_.empty()) {
    absl::StrAppend(&evidence.state_summary, evidence.state_summary.empty() ? "" : "\n\n", "branch ",
                    worktree_->facts().branch, " at ", commit_);
  }
  text::Json json = {{"agent", agent_.name()},
                     {"assigned_model", route_.model},
                     {"named_model", model_},
                     {"model_mismatch", spent.mismatch},
                     {"woke", woke_ || worked_ > absl::ZeroDuration()},
                     {"exit_code", evidence.exit_code},
                     {"signal", evidence.signal},
                     {"sandbox", evidence.sandbox},
                     {"network", evidence.network},
                     {"started", absl::FormatTime(absl::RFC3339_full, evidence.started, absl::UTCTimeZone())},
                     {"ended", absl::FormatTime(absl::RFC3339_full, evidence.ended, absl::UTCTimeZone())},
                     {"worked_ms", absl::ToDoubleMilliseconds(worked_)},
                     {"cost_declared", facts_.cost_micros.has_value()},
                     {"peak_memory_bytes", evidence.peak_memory_bytes},
                     {"peak_processes", evidence.peak_processes},
                     {"output_bytes", evidence.output_bytes},
                     {"dropped_bytes", evidence.dropped_bytes}};
  text::Json& limits = json["limits"] = text::Json::object();
  for (const HeldLimit& limit : evidence.limits)
    limits[limit.name] = {{"value", limit.value}, {"held_by", limit.held_by}};
  evidence.facts = text::DumpJson(json);
  return evidence;
}

}  // namespace switchyard::executor::external
