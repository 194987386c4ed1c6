// From the answer to the checks.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/edits/feedback.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/edits/syntax.h"
#include "services/executor/loop/build_run.h"
#include "services/executor/loop/fingerprint.h"
#include "services/executor/loop/root_cause.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kMostSyntaxChecks = 10;
constexpr std::size_t kNewsBytes = 1'000;
constexpr absl::Duration kLookTime = absl::Minutes(1);
constexpr std::size_t kMostFileBytes = std::size_t{16} << 20;

std::string Print(std::string_view text) { return Sha256Hex(text).substr(0, 16); }

bool RunsProgram(const checks::Step& step) {
  return std::holds_alternative<checks::TestPasses>(step.check) ||
         std::holds_alternative<checks::CommandSucceeds>(step.check);
}

}  // namespace

// What one program says on its way; it is told nothing once it has ended.
class BuildRun::ProgramEvents final : public RunObserver {
 public:
  explicit ProgramEvents(std::shared_ptr<external::Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
  void OnStarted() override {}
  void OnLog(LogChunk) override {}
  void OnEnded(Evidence ended) override {
    const std::shared_ptr<external::Mailbox> mailbox = mailbox_;
    mailbox->Post([this, ended = std::move(ended)]() mutable {
      evidence = std::move(ended);
      done = true;
    });
  }

  bool done = false;
  Evidence evidence;

 private:
  const std::shared_ptr<external::Mailbox> mailbox_;
};

class BuildRun::CheckEvents final : public checks::CheckObserver {
 public:
  CheckEvents(Narrator& narrator, const Work& work, std::shared_ptr<external::Mailbox> mailbox)
      : narrator_(narrator), work_(work), mailbox_(std::move(mailbox)) {}
  void OnStep(int step, const checks::StepResult& result) override {
    const bool passed = result.status == checks::StepStatus::kPassed;
    std::string message = DescribeStep(work_.checks[static_cast<std::size_t>(step)]);
    if (!passed)
      absl::StrAppend(&message, ": ", RootCause(result.evidence, {.bytes = kNewsBytes / 2, .lines = 8, .context = 1}));
    narrator_.Step({.step = step, .passed = passed, .message = HeadAndTail(message, kNewsBytes)});
  }
  void OnLog(LogChunk chunk) override { narrator_.Log(std::move(chunk)); }
  void OnProgress(std::string message) override { narrator_.Progress(message); }
  void OnEnded(checks::CheckEnd, std::vector<checks::StepResult> ended) override {
    const std::shared_ptr<external::Mailbox> mailbox = mailbox_;
    mailbox->Post([this, ended = std::move(ended)]() mutable {
      results = std::move(ended);
      done = true;
    });
  }

  bool done = false;
  std::vector<checks::StepResult> results;

 private:
  Narrator& narrator_;
  const Work& work_;
  const std::shared_ptr<external::Mailbox> mailbox_;
};

// ---- Edits.

std::vector<std::string> BuildRun::WrittenBlindly(const edits::ParsedAnswer& answer) {
  std::map<std::string, std::string> before;
  for (const edits::Edit& edit : answer.edits) {
    if (edit.kind != edits::EditKind::kRename) continue;
    const absl::StatusOr<std::string> from = edits::CheckPath(edit.path);
    const absl::StatusOr<std::string> to = edits::CheckPath(edit.new_path);
    if (from.ok() && to.ok()) before[*to] = *from;
  }
  const auto blind = [this](const std::string& path) {
    const auto shown = shown_.find(path);
    if (shown != shown_.end() && shown->second) return false;
    const absl::StatusOr<edits::Entry> entry = files_->Read(path, 1);
    return entry.ok() && (entry->kind == edits::EntryKind::kTooLarge ||
                          (entry->kind == edits::EntryKind::kFile && !entry->content.empty()));
  };
  std::vector<std::string> paths;
  for (const edits::Edit& edit : answer.edits) {
    if (edit.kind != edits::EditKind::kWhole) continue;
    const absl::StatusOr<std::string> path = edits::CheckPath(edit.path);
    if (!path.ok()) continue;
    const auto renamed = before.find(*path);
    if (blind(*path)) {
      paths.push_back(*path);
    } else if (renamed != before.end() && blind(renamed->second)) {
      paths.push_back(renamed->second);
    }
  }
  return paths;
}

absl::StatusOr<std::vector<std::string>> BuildRun::Ignored(const edits::Plan& plan) {
  std::vector<std::string> paths;
  if (site_->changes() == nullptr) return paths;
  SY_ASSIGN_OR_RETURN(const checks::Changes changes, site_->changes()->Look(kLookTime, stop_));
  for (const edits::FileChange& change : plan.changes) {
    if (change.kind == edits::ChangeKind::kDelete) continue;
    if (std::any_of(changes.paths.begin(), changes.paths.end(),
                    [&](const checks::ChangedPath& changed) { return changed.path == change.path; })) {
      continue;
    }
    // What the base has, and has again, is no change either; line ends may be git's own.
    const std::optional<std::string> base = site_->changes()->Before(change.path, kMostFileBytes);
    if (!base.has_value() ||
        absl::StrReplaceAll(*base, {{"\r", ""}}) != absl::StrReplaceAll(change.content, {{"\r", ""}}))
      paths.push_back(change.path);
  }
  return paths;
}

void BuildRun::RefuseEdits(std::string feedback, const std::string& key) {
  ++malformed_;
  narrator_.Note(absl::StrCat(TurnName(), ": the changes cannot be made"));
  core_->ApplyFailed({.fingerprint = Print(key), .feedback = std::move(feedback)}, deps_.clock.Now());
  Reply();
}

BuildRun::MaybeEnding BuildRun::Apply() {
  narrator_.Phase(WorkPhase::kApplying);
  changed_.clear();
  before_ = current_;
  const auto unchanged = [this](std::string feedback) {
    narrator_.Note(absl::StrCat(TurnName(), ": the answer changes no file"));
    core_->Unchanged({.fingerprint = "unchanged", .feedback = std::move(feedback)}, deps_.clock.Now());
    if (core_->next() != Next::kVerify) Reply();
    return std::nullopt;
  };
  if (format_ == EditFormat::kNone) return unchanged("");
  const edits::ParsedAnswer parsed = edits::ParseAnswer(answer_);
  turn_facts_.back().format = std::string(edits::FormatName(parsed.format));
  if (parsed.empty()) return unchanged(edits::NoEditsText(parsed));
  const edits::FeedbackOptions bounds{.max_bytes = settings_.feedback_bytes};
  if (const std::vector<std::string> blind = WrittenBlindly(parsed); !blind.empty()) {
    RefuseEdits(
        absl::StrCat(
            "Nothing was changed. These files exist already, and you have not seen all of them, so they must not be "
            "written whole; change them by SEARCH/REPLACE blocks: ",
            absl::StrJoin(blind, ", ")),
        absl::StrCat("blind ", absl::StrJoin(blind, " ")));
    return std::nullopt;
  }
  edits::Resolution resolution = edits::Resolve(parsed, *files_);
  if (!resolution.ok()) {
    RefuseEdits(edits::FeedbackText(resolution, bounds), edits::RefusalKey(resolution));
    return std::nullopt;
  }
  if (resolution.plan.empty()) return unchanged(edits::FeedbackText(resolution, bounds));
  malformed_ = 0;
  for (const edits::FileChange& change : resolution.plan.changes) {
    if (change.kind != edits::ChangeKind::kDelete) changed_.push_back(change.path);
  }
  const int count = static_cast<int>(resolution.plan.changes.size());
  if (const std::vector<edits::SyntaxFinding> findings = edits::SyntaxFaults(resolution.plan, *files_);
      !findings.empty()) {
    std::string faults;
    for (const edits::SyntaxFinding& finding : findings)
      absl::StrAppend(&faults, finding.path, ": ", finding.fault, "\n");
    narrator_.Note(absl::StrCat(TurnName(), ": ", findings.front().path, " would not be well-formed"));
    core_->Applied(count);
    changed_.clear();
    core_->SyntaxFailed({.fingerprint = Fingerprint(faults), .feedback = HeadAndTail(faults, settings_.feedback_bytes)},
                        deps_.clock.Now());
    Reply();
    return std::nullopt;
  }
  const absl::StatusOr<edits::Plan> undo = files_->Apply(resolution.plan);
  if (!undo.ok()) {
    if (ReasonOf(undo.status()) != "SNAPSHOT_CHANGED") return FailedBy(undo.status());
    RefuseEdits(std::string(undo.status().message()), "SNAPSHOT_CHANGED");
    return std::nullopt;
  }
  site_->Applied(resolution.plan);
  const auto take_back = [&](std::string feedback, const std::string& key) -> MaybeEnding {
    if (const absl::StatusOr<edits::Plan> redo = files_->Apply(*undo); !redo.ok()) return FailedBy(redo.status());
    changed_.clear();
    RefuseEdits(std::move(feedback), key);
    return std::nullopt;
  };
  const absl::StatusOr<int> saved = site_->Save(stop_);
  if (!saved.ok() && absl::IsFailedPrecondition(saved.status())) {
    return take_back(absl::StrCat("Nothing was changed: ", saved.status().message()), ReasonOf(saved.status()));
  }
  if (!saved.ok()) return FailedBy(saved.status());
  const absl::StatusOr<std::vector<std::string>> ignored = Ignored(resolution.plan);
  if (!ignored.ok()) return FailedBy(ignored.status());
  if (!ignored->empty()) {
    const std::string paths = absl::StrJoin(*ignored, ", ");
    return take_back(absl::StrCat("Nothing was changed. git ignores these files (see .gitignore), so that they would "
                                  "not be part of the work: ",
                                  paths),
                     absl::StrCat("ignored ", paths));
  }
  current_ = *saved;
  narrator_.Note(absl::StrCat(TurnName(), ": ", edits::SummaryLine(resolution)));
  core_->Applied(count);
  return std::nullopt;
}

// ---- Quick checks.

std::optional<std::string> BuildRun::RunSyntaxCheck(const SyntaxCheck& check, const std::string& path) {
  ProgramRequest request{.task_id = work_.task_id, .generation = work_.generation};
  request.argv = CommandFor(check, path);
  request.folder = site_->folder();
  request.inside_only = true;
  request.time = check.rule.limits.time;
  ProgramEvents events(mailbox_);
  const absl::StatusOr<StartedProgram> started = deps_.programs.StartByRule(check.rule, request, events);
  // A quick look that cannot be had is no failure.
  if (!started.ok()) return std::nullopt;
  Wait(events.done, [&](bool kill) {
    if (kill) {
      deps_.programs.Kill(started->id);
    } else {
      deps_.programs.Cancel(started->id);
    }
  });
  if (events.evidence.outcome != Outcome::kFailed || events.evidence.signal != 0) return std::nullopt;
  return absl::StrCat(path, ":\n", RootCause(events.evidence.output, {.bytes = settings_.feedback_bytes / 2}));
}

BuildRun::MaybeEnding BuildRun::CheckSyntax() {
  std::string faults;
  std::size_t made = 0;
  for (const std::string& path : changed_) {
    for (const SyntaxCheck& check : settings_.syntax) {
      if (!IsFor(check, path) || made >= kMostSyntaxChecks || interruption_.load() != kNone) continue;
      ++made;
      if (const std::optional<std::string> fault = RunSyntaxCheck(check, path); fault.has_value())
        absl::StrAppend(&faults, *fault);
    }
  }
  if (interruption_.load() != kNone) return Interrupted();
  const int wanted = faults.empty() ? current_ : before_;
  if (made > 0) {
    if (const absl::Status status = site_->Return(wanted, stop_); !status.ok()) return FailedBy(status);
  }
  if (faults.empty()) {
    core_->SyntaxFine();
    return std::nullopt;
  }
  current_ = before_;
  narrator_.Note(absl::StrCat(TurnName(), ": not well-formed: ", faults.substr(0, faults.find('\n'))));
  changed_.clear();
  core_->SyntaxFailed({.fingerprint = Fingerprint(faults), .feedback = HeadAndTail(faults, settings_.feedback_bytes)},
                      deps_.clock.Now());
  Reply();
  return std::nullopt;
}

// ---- Checks.

BuildRun::MaybeEnding BuildRun::RunChecks(int turn, std::vector<checks::StepResult>& results) {
  narrator_.Phase(WorkPhase::kVerifying);
  const absl::StatusOr<std::string> commit = site_->Commit(CommitText(work_, turn, core_->iterations()), stop_);
  if (!commit.ok()) return FailedBy(commit.status());
  head_commit_ = *commit;
  if (work_.checks.empty()) return std::nullopt;
  const absl::Duration left = std::max(soft_deadline_ - deps_.clock.Now(), absl::Seconds(1));
  checks::CheckRequest request{.task_id = work_.task_id, .generation = work_.generation};
  request.place = {.folder = site_->folder(), .changes = site_->changes()};
  request.steps = work_.checks;
  request.time = work_.checks_time > absl::ZeroDuration() ? std::min(work_.checks_time, left) : left;
  request.network = work_.network;
  request.inside_only = work_.inside_only;
  CheckEvents events(narrator_, work_, mailbox_);
  const std::unique_ptr<checks::CheckRun> run = deps_.checker.Make(std::move(request), events);
  run->Start();
  Wait(events.done, [&](bool kill) { kill ? run->Kill() : run->Cancel(); });
  results = std::move(events.results);
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return interrupted;
  // What tests leave behind is not the work's.
  if (std::any_of(work_.checks.begin(), work_.checks.end(), RunsProgram)) {
    if (const absl::Status status = site_->Return(current_, stop_); !status.ok()) return FailedBy(status);
  }
  return std::nullopt;
}

BuildRun::MaybeEnding BuildRun::Verify() {
  const int number = core_->turns().back().number;
  narrator_.Progress(absl::StrCat(TurnName(), ": makes ", work_.checks.size(), " checks"));
  std::vector<checks::StepResult> results;
  if (MaybeEnding ending = RunChecks(number, results); ending.has_value()) return ending;
  const CheckSummary summary = Summarise(work_.checks, results, settings_.feedback_bytes);
  // Checks that the end of the time cut short say nothing; those that all passed do.
  if (TimeIsUp() && summary.failed > 0) {
    narrator_.Note(absl::StrCat(TurnName(), ": the time is over"));
    core_->TimeUp(deps_.clock.Now());
    return std::nullopt;
  }
  narrator_.Note(absl::StrCat(TurnName(), ": ", summary.line));
  core_->Verified(summary.failed, summary.failure, deps_.clock.Now());
  if (core_->best() == number) {
    best_state_ = current_;
    best_results_ = std::move(results);
  }
  Reply();
  return std::nullopt;
}

}  // namespace switchyard::executor::loop
