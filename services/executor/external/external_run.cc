#include "services/executor/external/external_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/external/scratch.h"
#include "services/executor/limits.h"
#include "services/executor/process_table.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::external {
namespace {

// How often the attempt looks at its clock while nothing happens.
constexpr absl::Duration kLook = absl::Milliseconds(50);
constexpr absl::Duration kProgressEvery = absl::Seconds(20);
constexpr absl::Duration kMeasureEvery = absl::Seconds(2);
constexpr std::uint64_t kMostScratchEntries = 20'000;
constexpr std::size_t kProbeText = 64 * 1024;
constexpr std::size_t kModelBytes = 200;

Ending WakeFailed(std::string_view reason, std::string message) {
  return {.outcome = Outcome::kFailed,
          .reason = std::string(reason),
          .message = std::move(message),
          .executor_fault = true,
          .permanent = false};
}

Ending NotConfirmed(std::string message) {
  return {.outcome = Outcome::kFailed,
          .reason = "MODEL_NOT_CONFIRMED",
          .message = std::move(message),
          .executor_fault = false,
          .permanent = false};
}

std::string EndOf(const std::string& text) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(text);
  const std::size_t from = stripped.size() > 500 ? stripped.size() - 500 : 0;
  return std::string(text::ReplaceInvalidUtf8(ToStd(stripped.substr(from))));
}

std::string NameIn(std::string_view text) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(ToAbsl(text));
  std::string name = text::ReplaceInvalidUtf8(text::TruncateUtf8(ToStd(stripped), kModelBytes));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return name;
}

}  // namespace

ExternalRun::ExternalRun(Work work, AgentSpec agent, models::Route route, ExternalDeps deps, BackendSink& sink)
    : work_(std::move(work)),
      agent_(std::move(agent)),
      route_(std::move(route)),
      deps_(deps),
      sink_(sink),
      begun_(deps.clock.Now()),
      progress_at_(begun_),
      rule_(agent_.rule) {}

ExternalRun::~ExternalRun() = default;

void ExternalRun::Interrupt(Interruption interruption) {
  int known = interruption_.load();
  while (known < interruption && !interruption_.compare_exchange_weak(known, interruption)) {
  }
  stop_ = true;
  mailbox_.Wake();
}

void ExternalRun::OnConfirmation(Confirmation confirmation) {
  mailbox_.Post([this, confirmation] {
    if (delivery_ != nullptr) delivery_->OnConfirmation(confirmation);
  });
}

ExternalRun::MaybeEnding ExternalRun::Interrupted() const {
  switch (interruption_.load()) {
    case kNone:
      return std::nullopt;
    case kStop:
      return Ending{.outcome = Outcome::kCancelled, .reason = "EXECUTOR_STOPPED", .message = "the executor stopped"};
    default:
      return Ending{.outcome = Outcome::kCancelled, .reason = "CANCELLED", .message = "cancelled"};
  }
}

void ExternalRun::EnterPhase(WorkPhase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  sink_.OnPhase(phase);
}

void ExternalRun::Note(std::string text) {
  progress_at_ = deps_.clock.Now();
  sink_.OnProgress(std::string(text::TruncateUtf8(text, 1000)));
}

void ExternalRun::Run() {
  const Ending ending = Attempt();
  Evidence evidence = MakeEvidence(ending);
  if (worktree_ != nullptr) {
    const bool done = delivered_.has_value() && delivered_->status.ok();
    // With a credential in it, nobody goes on with it.
    const bool spoiled = ending.reason == kCredentialInChanges;
    worktree_->Release(done || spoiled ? repository::Release::kRemove : repository::Release::kKeep);
    worktree_.reset();
  }
  if (own_workspace_) RemoveTree(workspace_);
  if (!scratch_.empty()) RemoveTree(scratch_);
  sink_.OnFinished(std::move(evidence));
}

Ending ExternalRun::Attempt() {
  MaybeEnding ending = Follow({&ExternalRun::Prepare, &ExternalRun::PrepareScratch, &ExternalRun::Wake});
  if (ending.has_value()) return *ending;
  do {
    ending = Follow({&ExternalRun::RunAgent, &ExternalRun::Keep, &ExternalRun::Check});
    if (ending.has_value()) return *ending;
  } while (GoesOn());
  return Follow({&ExternalRun::Deliver}).value_or(Ending());
}

ExternalRun::MaybeEnding ExternalRun::Follow(std::initializer_list<Stage> stages) {
  for (const Stage stage : stages) {
    if (MaybeEnding ending = Interrupted(); ending.has_value()) return ending;
    MaybeEnding ending = (this->*stage)();
    if (!ending.has_value()) continue;
    // What was in the way of a stage may only have been the interruption.
    MaybeEnding interrupted = Interrupted();
    return interrupted.has_value() ? interrupted : ending;
  }
  return std::nullopt;
}

// ---- Before the work.

ExternalRun::MaybeEnding ExternalRun::Prepare() {
  EnterPhase(WorkPhase::kWorkspace);
  if (work_.repository.repository.empty()) {
    absl::StatusOr<std::string> folder = deps_.programs.MakeFolder(work_.task_id, work_.generation, "");
    if (!folder.ok()) return NotStarted(folder.status());
    workspace_ = *std::move(folder);
    own_workspace_ = true;
    return std::nullopt;
  }
  Note("prepares the worktree");
  absl::StatusOr<std::unique_ptr<repository::Worktree>> worktree =
      deps_.worktrees->Prepare(work_.task_id, work_.repository, stop_);
  if (!worktree.ok()) return FailedBy(worktree.status());
  worktree_ = *std::move(worktree);
  workspace_ = worktree_->facts().folder;
  if (work_.repository.pull_request) {
    // Found out before anything is spent.
    const absl::StatusOr<forge::Place> place = deps_.forges->Find(worktree_->facts().repository);
    if (!place.ok()) return FailedBy(place.status());
  }
  return std::nullopt;
}

ExternalRun::MaybeEnding ExternalRun::PrepareScratch() {
  absl::StatusOr<std::string> folder = deps_.programs.MakeFolder(work_.task_id, work_.generation, "");
  if (!folder.ok()) return NotStarted(folder.status());
  scratch_ = *std::move(folder);
  // Without a credential there may be no URL either.
  absl::StatusOr<std::string> secret =
      route_.credential.empty() ? std::string() : deps_.credentials.SecretFor(route_.credential, route_.url);
  if (!secret.ok()) return FailedBy(secret.status());
  // Without a sandbox the folder has its own name inside.
  const bool sandboxed = deps_.programs.sandbox().ok();
  values_ = {.prompt_file = absl::StrCat(scratch_, "/", std::string(kPromptFile)),
             .model = route_.model,
             .url = route_.url,
             .workspace = sandboxed ? std::string(kWorkspace) : workspace_,
             .scratch = scratch_,
             .task_id = work_.task_id,
             .credential = *secret};

  absl::StatusOr<std::string> prompt = ComposeFor("");
  if (!prompt.ok()) return FailedBy(prompt.status());
  prompt_ = *std::move(prompt);

  std::map<std::string, std::string> files = {{std::string(kPromptFile), prompt_}};
  for (const auto& [name, text] : agent_.files) files[name] = Expand(text, values_);
  if (const absl::Status status = WriteScratch(scratch_, files, deps_.programs.host()->user); !status.ok()) {
    return FailedBy(status);
  }
  rule_.writable.push_back(scratch_);
  rule_.set_environment.clear();
  for (const auto& [name, text] : agent_.environment) rule_.set_environment[name] = Expand(text, values_);
  const Limits limits = Merge(deps_.programs.limits(), rule_.limits, absl::ZeroDuration());
  output_ = std::make_unique<OutputView>(agent_, *std::move(secret), limits.log_bytes,
                                         [this](LogChunk chunk) { sink_.OnLog(std::move(chunk)); });
  // All of it comes here; what is passed on is bounded here.
  rule_.limits.log_bytes = limits.output_bytes / 3 * 4 + 64 * 1024;
  return std::nullopt;
}

ProgramRequest ExternalRun::RequestFor(const std::vector<std::string>& arguments) const {
  ProgramRequest request{.task_id = work_.task_id, .generation = work_.generation};
  request.argv = {rule_.program};
  for (const std::string& argument : arguments) request.argv.push_back(Expand(argument, values_));
  request.folder = workspace_;
  request.network = rule_.network;
  return request;
}

ExternalRun::MaybeEnding ExternalRun::Wake() {
  EnterPhase(WorkPhase::kLoading);
  if (!agent_.waking.probe.empty()) {
    if (MaybeEnding ending = Probe(agent_.waking.probe, "the probe", nullptr); ending.has_value()) return ending;
    probed_ = agent_.waking.file.empty() && !agent_.waking.output.set();
  }
  if (agent_.naming.by != NamedBy::kProbe) return std::nullopt;
  std::string text;
  if (MaybeEnding ending = Probe(agent_.naming.probe, "the question for its model", &text); ending.has_value()) {
    return ending;
  }
  Finder finder(agent_.naming.extract);
  finder.Document(text);
  model_ = NameIn(finder.text().value_or(""));
  if (model_.empty()) return NotConfirmed("the agent was asked for its model and named none");
  return WrongModel();
}

ExternalRun::MaybeEnding ExternalRun::Probe(const std::vector<std::string>& arguments, std::string_view what,
                                            std::string* output) {
  std::string text;
  Program program(deps_.programs, mailbox_, [&](LogStream stream, const std::string& piece, bool gap) {
    if (text.size() < kProbeText) text += piece.substr(0, kProbeText - text.size());
    output_->Take(stream, piece, gap, /*of_agent=*/false, deps_.clock.Now());
  });
  ProgramRequest request = RequestFor(arguments);
  request.time = agent_.waking.within;
  if (const absl::Status status = program.Start(rule_, request, deps_.clock.Now()); !status.ok()) {
    return NotStarted(status);
  }
  while (!program.ended()) {
    mailbox_.Take(kLook);
    output_->Flush(deps_.clock.Now());
    if (MaybeEnding ending = Interrupted(); ending.has_value()) {
      program.End(*std::move(ending), interruption_.load() != kCancel);
    }
  }
  if (output != nullptr) *output = text;
  confinement_ = program.confinement();
  const Evidence& evidence = program.evidence();
  if (program.stopped().has_value()) return program.stopped();
  if (evidence.outcome == Outcome::kSucceeded) return std::nullopt;
  const std::string end = output_->mask().Mask(EndOf(text));
  if (evidence.outcome == Outcome::kTimedOut) {
    return WakeFailed("WAKE_TIMEOUT", absl::StrCat(std::string(what), " did not end within ",
                                                   absl::FormatDuration(agent_.waking.within)));
  }
  return WakeFailed("WAKE_FAILED", absl::StrCat(std::string(what), " ended with ", evidence.exit_code, " (",
                                                evidence.reason, ")", end.empty() ? "" : ": ", end));
}

// ---- The work.

ExternalRun::MaybeEnding ExternalRun::RunAgent() {
  woke_ = probed_;
  if (agent_.naming.by != NamedBy::kProbe) model_.clear();
  output_->BeginAgent();
  Program program(deps_.programs, mailbox_, [this](LogStream stream, const std::string& text, bool gap) {
    last_output_ = deps_.clock.Now();
    output_->Take(stream, text, gap, /*of_agent=*/true, last_output_);
    LookForWaking();
  });
  ProgramRequest request = RequestFor(agent_.arguments);
  request.time = TimeLeft();
  if (agent_.prompt_by_stdin) request.stdin_data = prompt_;
  if (const absl::Status status = program.Start(rule_, request, deps_.clock.Now()); !status.ok()) {
    return NotStarted(status);
  }
  last_output_ = program.begun();
  if (woke_) EnterPhase(WorkPhase::kGenerating);
  while (!program.ended()) {
    mailbox_.Take(kLook);
    output_->Flush(deps_.clock.Now());
    if (MaybeEnding ending = Interrupted(); ending.has_value()) {
      program.End(*std::move(ending), interruption_.load() != kCancel);
    } else if (ending = Watch(program); ending.has_value()) {
      program.End(*std::move(ending), /*at_once=*/false);
    }
  }
  return AfterWork(program);
}

void ExternalRun::LookForWaking() {
  if (woke_) return;
  const Waking& waking = agent_.waking;
  woke_ = !waking.file.empty()  ? IsInScratch(scratch_, waking.file)
          : waking.output.set() ? output_->ready()
                                : output_->any();
  if (woke_) EnterPhase(WorkPhase::kGenerating);
}

ExternalRun::MaybeEnding ExternalRun::Watch(const Program& program) {
  if (program.ended() || program.stopped().has_value()) return std::nullopt;
  const absl::Time now = deps_.clock.Now();
  const absl::Duration since = now - program.begun();
  LookForWaking();
  if (!woke_ && since > agent_.waking.within) {
    return WakeFailed("WAKE_TIMEOUT", absl::StrCat("the agent gave no sign of being awake within ",
                                                   absl::FormatDuration(agent_.waking.within)));
  }
  const absl::Duration name_within = agent_.naming.within;
  const bool name_due = name_within > absl::ZeroDuration() && since > name_within;
  LookForModel(/*last=*/name_due);
  if (MaybeEnding wrong = WrongModel(); wrong.has_value()) return wrong;
  if (model_.empty() && name_due) {
    return NotConfirmed(absl::StrCat("the agent did not name its model within ", absl::FormatDuration(name_within)));
  }
  // Until it woke, that is what it has time for.
  if (woke_ && agent_.inactivity > absl::ZeroDuration() && now - last_output_ > agent_.inactivity) {
    return Ending{.outcome = Outcome::kFailed,
                  .reason = "AGENT_STALLED",
                  .message = absl::StrCat("no output for ", absl::FormatDuration(agent_.inactivity))};
  }
  if (now - scratch_measured_ > kMeasureEvery) {
    scratch_measured_ = now;
    const FolderUsage usage = MeasureFolder(scratch_, kMostScratchEntries);
    const std::uint64_t most = Merge(deps_.programs.limits(), rule_.limits, absl::ZeroDuration()).disk_bytes;
    if (usage.more || usage.bytes > most) {
      return Ending{.outcome = Outcome::kLimitExceeded,
                    .reason = "DISK_LIMIT",
                    .message = "the agent's scratch folder grew too large"};
    }
  }
  if (now - progress_at_ > kProgressEvery) {
    Note(absl::StrCat(agent_.name(), " runs for ", absl::FormatDuration(absl::Trunc(since, absl::Seconds(1))),
                      ", silent for ", absl::FormatDuration(absl::Trunc(now - last_output_, absl::Seconds(1)))));
  }
  return std::nullopt;
}

// A file may be half written until the end.
void ExternalRun::LookForModel(bool last) {
  if (agent_.naming.by == NamedBy::kOutput) {
    model_ = NameIn(output_->model().value_or(""));
  } else if (agent_.naming.by == NamedBy::kFile && last) {
    const absl::StatusOr<std::string> text = ReadScratch(scratch_, agent_.naming.file);
    if (!text.ok()) {
      if (ReasonOf(text.status()) == "RESULT_UNSAFE") unsafe_ = std::string(text.status().message());
      return;
    }
    Finder finder(agent_.naming.extract);
    finder.Document(*text);
    model_ = NameIn(finder.text().value_or(""));
  }
  model_ = output_->mask().Mask(text::Redact(model_));
}

ExternalRun::MaybeEnding ExternalRun::WrongModel() const {
  if (model_.empty() || route_.model.empty() || models::IsAssignedModel(route_, model_)) return std::nullopt;
  return NotConfirmed(absl::StrCat("the agent works with ", model_, " and was to work with ", route_.model));
}

ExternalRun::MaybeEnding ExternalRun::AfterWork(const Program& program) {
  const absl::Time now = deps_.clock.Now();
  ran_ = program.evidence();
  confinement_ = program.confinement();
  const absl::Duration worked = now - program.begun();
  worked_ += worked;
  output_->EndAgent(now);
  LookForWaking();
  LookForModel(/*last=*/true);
  Collect();
  turns_.push_back({.model = model_, .spent = SpentNow(worked), .worked = worked});
  if (program.stopped().has_value()) return program.stopped();
  const bool by_itself = ran_.outcome == Outcome::kSucceeded || ran_.outcome == Outcome::kFailed;
  const auto& codes = agent_.success_exit_codes;
  const bool succeeded =
      by_itself && ran_.signal == 0 && std::find(codes.begin(), codes.end(), ran_.exit_code) != codes.end();
  if (!succeeded) {
    Ending ending{.outcome = by_itself ? Outcome::kFailed : ran_.outcome,
                  .reason = ran_.reason.empty() ? "EXIT_STATUS" : ran_.reason,
                  .message = ran_.message,
                  .executor_fault = ran_.executor_fault || ran_.reason == "EXEC_FAILED",
                  .permanent = ran_.permanent};
    if (by_itself && !woke_ && ran_.reason != "EXEC_FAILED") {
      ending = WakeFailed("WAKE_FAILED", absl::StrCat("the agent ended with ", ran_.exit_code,
                                                      " before it gave a sign of being awake"));
    } else if (ending.message.empty()) {
      ending.message = absl::StrCat("the agent ended with ", ran_.exit_code);
    }
    return ending;
  }
  if (!unsafe_.empty()) {
    return Ending{.outcome = Outcome::kFailed, .reason = "RESULT_UNSAFE", .message = unsafe_};
  }
  if (model_.empty()) return NotConfirmed("the agent never named its model, so its work does not count");
  return WrongModel();
}

void ExternalRun::Collect() {
  facts_ = output_->DeclaredInOutput();
  if (!agent_.declared.file.empty()) {
    const absl::StatusOr<std::string> text = ReadScratch(scratch_, agent_.declared.file);
    if (text.ok()) {
      facts_ = output_->DeclaredIn(*text);
    } else if (ReasonOf(text.status()) == "RESULT_UNSAFE") {
      unsafe_ = std::string(text.status().message());
    } else {
      Note(std::string(text.status().message()));
    }
  }
  facts_.summary = output_->mask().Mask(text::Redact(text::ReplaceInvalidUtf8(facts_.summary)));
}

}  // namespace switchyard::executor::external
