#include "services/executor/loop/build_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/log.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/token_estimate.h"
#include "libs/text/utf8.h"
#include "services/executor/delivery/delivery_config.h"
#include "services/executor/edits/instructions.h"
#include "services/executor/loop/turn_sink.h"
#include "services/executor/models/route_convert.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "switchyard/router/v1/routing.pb.h"

namespace switchyard::executor::loop {
namespace {

// How often the clock is looked at while nothing happens.
constexpr absl::Duration kLook = absl::Milliseconds(100);
constexpr absl::Duration kBusyAgain = absl::Seconds(15);
// Kept of the attempt's time for what comes behind the loop.
constexpr absl::Duration kMostReserve = absl::Minutes(1);
constexpr std::size_t kMostFiles = 20'000;
constexpr std::size_t kListed = 500;
constexpr std::size_t kListingBytes = 16 * 1024;
constexpr std::size_t kFileBytes = std::size_t{1} << 20;
// A conversation is begun anew beyond these: what was said first is of little use by then.
constexpr std::size_t kMostTurns = 2;
// Of a file that is not shown whole: too many to be written anew.
constexpr std::size_t kManyLines = 1'000'000;
constexpr std::size_t kMostAnswer = 48 * 1024;
// Fewer hold no change.
constexpr std::int64_t kLeastAnswerTokens = 64;
constexpr std::int64_t kMillion = 1'000'000;

edits::Strength StrengthOf(const std::string& routing) {
  router::v1::Routing message;
  if (!message.ParseFromString(routing)) return edits::Strength::kUnknown;
  const model_registry::v1::ModelTier tier = message.endpoint().tier() != model_registry::v1::MODEL_TIER_UNSPECIFIED
                                                 ? message.endpoint().tier()
                                                 : message.tier();
  switch (tier) {
    case model_registry::v1::MODEL_TIER_SMALL:
      return edits::Strength::kSmall;
    case model_registry::v1::MODEL_TIER_MEDIUM:
      return edits::Strength::kMedium;
    case model_registry::v1::MODEL_TIER_LARGE:
      return edits::Strength::kLarge;
    default:
      return edits::Strength::kUnknown;
  }
}

absl::Duration TimeOf(const Work& work, const LoopSettings& settings) {
  const absl::Duration own = work.limits.time;
  return own > absl::ZeroDuration() ? std::min(own, settings.time) : settings.time;
}

std::size_t LinesOf(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

// Those of an answer that another try may mend.
bool OfTheAnswer(const std::string& reason) {
  return reason == "ANSWER_TRUNCATED" || reason == "ANSWER_EMPTY" || reason == "ANSWER_TOO_LONG";
}

}  // namespace

BuildRun::BuildRun(Work work, LoopSettings settings, LoopDeps deps, BackendSink& sink)
    : work_(std::move(work)),
      settings_(std::move(settings)),
      deps_(deps),
      begun_(deps.clock.Now()),
      deadline_(begun_ + TimeOf(work_, settings_)),
      soft_deadline_(deadline_ - std::min(TimeOf(work_, settings_) / 10, kMostReserve)),
      narrator_(sink, settings_.log_bytes, deps.clock),
      mailbox_(std::make_shared<external::Mailbox>()),
      routing_(work_.routing) {}

BuildRun::~BuildRun() = default;

void BuildRun::Interrupt(Interruption interruption) {
  int known = interruption_.load();
  while (known < interruption && !interruption_.compare_exchange_weak(known, interruption)) {
  }
  stop_ = true;
  mailbox_->Wake();
}

void BuildRun::Tick() {
  narrator_.Tick();
  if (!delivering_.load() && deps_.clock.Now() >= deadline_) Interrupt(kOverdue);
}

BuildRun::MaybeEnding BuildRun::Interrupted() const {
  switch (interruption_.load()) {
    case kNone:
      return std::nullopt;
    case kOverdue:
      return Ending{
          .outcome = Outcome::kTimedOut, .reason = "RUN_TIMEOUT", .message = "the time of the attempt is over"};
    case kStop:
      return Ending{.outcome = Outcome::kCancelled, .reason = "EXECUTOR_STOPPED", .message = "the executor stopped"};
    default:
      return Ending{.outcome = Outcome::kCancelled, .reason = "CANCELLED", .message = "cancelled"};
  }
}

void BuildRun::OnRouteAnswer(RouteAnswer answer) {
  mailbox_->Post([this, answer = std::move(answer)]() mutable {
    if (asking_) {
      tier_answer_ = std::move(answer);
      asking_ = false;
    } else if (call_ != nullptr) {
      if (!answer.routing.empty()) TakeRouting(answer.routing);
      call_->OnRouteAnswer(std::move(answer));
    }
  });
}

void BuildRun::OnConfirmation(Confirmation confirmation) {
  mailbox_->Post([this, confirmation] {
    if (delivery_ != nullptr) delivery_->OnConfirmation(confirmation);
  });
}

BuildRun::Ending BuildRun::FailedBy(const absl::Status& status) {
  Ending ending{.outcome = Outcome::kFailed};
  ending.reason = ReasonOf(status).empty() ? "WORKSPACE_FAILED" : ReasonOf(status);
  ending.message = text::Redact(ToStd(status.message()));
  if (ending.reason == "WORKTREE_BUSY" || ending.reason == "DISK_FULL") {
    ending.outcome = Outcome::kGivenBack;
    ending.retry_after = kBusyAgain;
  }
  if (ending.reason == "SANDBOX_UNAVAILABLE") ending.outcome = Outcome::kNotStarted;
  ending.executor_fault = absl::IsInternal(status) || ending.outcome == Outcome::kNotStarted;
  ending.permanent = absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) || absl::IsNotFound(status);
  return ending;
}

void BuildRun::Wait(const bool& done, const std::function<void(bool kill)>& end_it, bool timed) {
  int told = kNone;
  while (!done) {
    mailbox_->Take(kLook);
    narrator_.Tick();
    if (delivery_ != nullptr) delivery_->Tick();
    const int wanted = std::max<int>(interruption_.load(), timed && TimeIsUp() ? kCancel : kNone);
    if (done || wanted <= told) continue;
    told = wanted;
    end_it(wanted >= kKill);
  }
}

void BuildRun::Run() {
  const Ending ending = Attempt();
  Evidence evidence = MakeEvidence(ending);
  if (site_ != nullptr) {
    const bool delivered = delivered_.has_value() && delivered_->status.ok();
    site_->End(/*keep=*/!(ending.outcome == Outcome::kSucceeded && delivered));
  }
  narrator_.Finish(std::move(evidence));
}

BuildRun::Ending BuildRun::Attempt() {
  MaybeEnding ending = Prepare();
  if (!ending.has_value() && resumed_) ending = VerifyWhatIsLeft();
  while (!ending.has_value()) {
    if (ending = Interrupted(); ending.has_value()) break;
    switch (core_->next()) {
      case Next::kGenerate:
        ending = Generate();
        break;
      case Next::kApply:
        ending = Apply();
        break;
      case Next::kCheckSyntax:
        ending = CheckSyntax();
        break;
      case Next::kVerify:
        ending = Verify();
        break;
      case Next::kAskForTier:
        ending = AskForTier();
        break;
      case Next::kEnd:
        return Conclude();
    }
  }
  // What was in the way may only have been the interruption.
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return *std::move(interrupted);
  return *std::move(ending);
}

// ---- The folder.

BuildRun::MaybeEnding BuildRun::Prepare() {
  narrator_.Phase(WorkPhase::kWorkspace);
  absl::StatusOr<models::Route> route = models::ToRoute(routing_);
  if (!route.ok()) return FailedBy(route.status());
  route_ = *std::move(route);
  if (work_.repository.repository.empty()) {
    absl::StatusOr<std::string> folder = deps_.programs.MakeFolder(work_.task_id, work_.generation, "");
    if (!folder.ok()) return FailedBy(folder.status());
    absl::StatusOr<std::unique_ptr<Site>> site = MakeFolderSite(*std::move(folder));
    if (!site.ok()) return FailedBy(site.status());
    site_ = *std::move(site);
  } else {
    narrator_.Progress("prepares the worktree");
    absl::StatusOr<std::unique_ptr<repository::Worktree>> worktree =
        deps_.worktrees->Prepare(work_.task_id, work_.repository, stop_);
    if (!worktree.ok()) return FailedBy(worktree.status());
    resumed_ = (*worktree)->facts().resumed;
    site_ = MakeWorktreeSite(*std::move(worktree));
    if (work_.repository.pull_request) {
      // Found out before anything is spent.
      const absl::Status forge =
          delivery::CheckForge(*deps_.forges, work_.repository, site_->worktree()->facts().repository);
      if (!forge.ok()) return FailedBy(forge);
    }
    narrator_.Note(absl::StrCat(resumed_ ? "goes on with branch " : "works on branch ",
                                site_->worktree()->facts().branch, " from ", site_->worktree()->facts().base_branch));
  }
  absl::StatusOr<edits::WorkspaceFiles> files = edits::WorkspaceFiles::Open(site_->folder());
  if (!files.ok()) return FailedBy(files.status());
  files_.emplace(*std::move(files));
  if (resumed_) {
    files_->RemoveLeftovers();
    // Beyond the last commit lies only what an end interrupted: half an edit, or what tests wrote.
    if (const absl::Status status = site_->Reset(stop_); !status.ok()) return FailedBy(status);
  }
  const absl::StatusOr<int> saved = site_->Save(stop_);
  if (!saved.ok()) return FailedBy(saved.status());
  current_ = before_ = *saved;
  core_.emplace(LoopBudget{.iterations = work_.max_iterations,
                           .tokens = work_.prompt.max_tokens,
                           .cost_micros = work_.max_cost_micros,
                           .deadline = soft_deadline_},
                route_.has_next, deps_.clock.Now());
  return std::nullopt;
}

BuildRun::MaybeEnding BuildRun::VerifyWhatIsLeft() {
  if (core_->next() == Next::kEnd) return std::nullopt;
  narrator_.Note("verifies what an earlier attempt left");
  std::vector<checks::StepResult> results;
  if (MaybeEnding ending = RunChecks(0, results); ending.has_value()) return ending;
  if (TimeIsUp()) {
    core_->TimeUp(deps_.clock.Now());
    return std::nullopt;
  }
  absl::StatusOr<checks::Changes> changes = site_->changes()->Look(absl::Minutes(1), stop_);
  if (!changes.ok()) return FailedBy(changes.status());
  // A branch without changes is as good as none: whether the task's checks pass before anything was done says nothing.
  if (changes->paths.empty() || work_.checks.empty()) return std::nullopt;
  const CheckSummary summary = Summarise(work_.checks, results, settings_.feedback_bytes);
  narrator_.Note(absl::StrCat("what an earlier attempt left: ", summary.line));
  // Somebody had more to say of it than the checks have.
  if (summary.failed == 0 && !work_.state_summary.empty()) return std::nullopt;
  best_state_ = current_;
  best_results_ = std::move(results);
  feedback_ = summary.failure.feedback;
  core_->Resumed(summary.failed);
  return std::nullopt;
}

// ---- The model.

std::string BuildRun::TurnName() const {
  return absl::StrCat("iteration ", core_->turns().size(), " of ", core_->iterations());
}

std::vector<ShownFile> BuildRun::Show(const std::vector<std::string>& paths, std::size_t room) {
  std::vector<ShownFile> files;
  for (const std::string& path : paths) {
    if (room == 0) break;
    absl::StatusOr<edits::Entry> entry = files_->Read(path, kFileBytes);
    if (!entry.ok() || entry->kind != edits::EntryKind::kFile) continue;
    if (entry->content.find('\0') != std::string::npos) continue;
    ShownFile file{.path = path, .text = std::move(entry->content)};
    if (file.text.size() > room) {
      file.whole = false;
      file.text = std::string(text::TruncateUtf8(file.text, room));
    }
    room -= std::min(room, file.text.size() + path.size() + 100);
    shown_[path] = file.whole;
    files.push_back(std::move(file));
  }
  return files;
}

void BuildRun::Open() {
  shown_.clear();
  turns_.clear();
  const FileList all = ListFiles(site_->folder(), kMostFiles);
  std::size_t room = RoomForFiles(route_.context_window);
  if (shrunk_) room /= 4;
  Opening opening;
  std::vector<std::string> texts = {work_.prompt.instruction, feedback_};
  for (const auto& [name, text] : work_.prompt.data) texts.push_back(text);
  opening.files = Show(RankFiles(all.files, work_.repository.files, texts), room);
  for (std::size_t i = 0; i < all.files.size() && i < kListed && opening.listing.size() < kListingBytes; ++i) {
    absl::StrAppend(&opening.listing, text::ReplaceInvalidUtf8(all.files[i].path), "\n");
  }
  edits::FormatHints hints{.asked = work_.prompt.edit_format, .strength = StrengthOf(routing_)};
  for (const ShownFile& file : opening.files) {
    hints.largest_file_lines = std::max(hints.largest_file_lines, file.whole ? LinesOf(file.text) : kManyLines);
    ++hints.files;
  }
  hints.malformed = malformed_;
  hints.used = malformed_ > 0 ? format_ : EditFormat::kAny;
  format_ = edits::ChooseFormat(hints);
  opening.format = format_;
  opening.feedback = feedback_;
  opening_ = OpeningPrompt(work_, opening);
}

void BuildRun::TakeRouting(std::string routing) {
  absl::StatusOr<models::Route> route = models::ToRoute(routing);
  if (!route.ok()) return;
  routing_ = std::move(routing);
  route_ = *std::move(route);
  core_->SetMayAsk(route_.has_next);
}

bool BuildRun::BoundCall(std::int64_t& max_tokens) const {
  const TurnUsage& used = core_->used();
  max_tokens = 0;
  if (work_.prompt.max_tokens > 0) {
    max_tokens = std::max<std::int64_t>(work_.prompt.max_tokens - used.input_tokens - used.output_tokens, 1);
  }
  if (work_.max_cost_micros <= 0) return true;
  std::int64_t input = text::EstimateTokens(opening_->system).upper +
                       text::EstimateTokens(opening_->instruction).upper +
                       text::EstimateTokens(absl::StrJoin(opening_->success_criteria, "\n")).upper;
  for (const auto& [name, text] : opening_->data) input += text::EstimateTokens(text).upper;
  for (const models::PromptTurn& turn : turns_) {
    input += text::EstimateTokens(turn.answer).upper + text::EstimateTokens(turn.ask).upper;
    for (const auto& data : turn.data) input += text::EstimateTokens(data.text).upper;
  }
  // What does not fit is left out.
  if (route_.context_window > 0) input = std::min(input, route_.context_window);
  const auto cost = [&](std::int64_t output) {
    return models::CostOf(route_.pricing, {.input = input, .output = output});
  };
  const std::optional<std::int64_t> prompt = cost(0);
  const std::optional<std::int64_t> with_million = cost(kMillion);
  // Of unknown cost: it is the last one.
  if (!prompt.has_value() || !with_million.has_value()) return true;
  const std::int64_t left = std::min(work_.max_cost_micros - used.cost_micros, kMillion * kMillion) - *prompt;
  const std::int64_t rate = *with_million - *prompt;
  if (left < 0) return false;
  if (rate <= 0) return true;
  const std::int64_t output = left * kMillion / rate;
  if (output < kLeastAnswerTokens) return false;
  max_tokens = max_tokens > 0 ? std::min(max_tokens, input + output) : input + output;
  return true;
}

BuildRun::MaybeEnding BuildRun::Generate() {
  if (!opening_.has_value()) Open();
  const absl::Time now = deps_.clock.Now();
  Work turn{.task_id = work_.task_id, .generation = work_.generation, .kind = WorkKind::kPrompt};
  turn.prompt = *opening_;
  turn.agent = work_.agent;
  turn.routing = routing_;
  turn.limits = work_.limits;
  turn.limits.time = std::max(soft_deadline_ - now, absl::Seconds(1));
  if (!BoundCall(turn.prompt.max_tokens)) {
    narrator_.Note(absl::StrCat(TurnName(), ": what may be spent does not pay for the call"));
    core_->CostTooHigh();
    return std::nullopt;
  }
  const bool by_money = work_.max_cost_micros > 0 && turn.prompt.max_tokens > 0 &&
                        (route_.context_window <= 0 || turn.prompt.max_tokens < route_.context_window);
  narrator_.Progress(absl::StrCat(TurnName(), ": asks ", route_.model));
  // Kept to the end of the run: the call's thread may still be on its way out of it.
  TurnSink& sink = *sinks_.emplace_back(std::make_unique<TurnSink>(narrator_, mailbox_, TurnName()));
  absl::StatusOr<std::unique_ptr<BackendRun>> call = deps_.models.StartTurn(
      turn, {.turns = turns_, .take_answer = [&sink](std::string answer) { sink.answer = std::move(answer); }}, sink);
  if (!call.ok()) return FailedBy(call.status());
  call_ = *std::move(call);
  Wait(sink.done, [this](bool) { call_->Cancel(); });
  call_.reset();

  last_call_ = std::move(sink.evidence);
  answer_ = std::move(sink.answer);
  const TurnUsage usage = spending_.Add(last_call_);
  call_facts_.push_back(last_call_.facts);
  turn_facts_.resize(core_->turns().size());
  turn_facts_.back() = {.model = last_call_.outputs["model"], .endpoint = last_call_.outputs["endpoint"], .format = ""};
  if (last_call_.outcome == Outcome::kSucceeded) {
    core_->Generated(usage);
    return std::nullopt;
  }
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return interrupted;
  if (TimeIsUp()) {
    core_->TimeUp(deps_.clock.Now());
    return std::nullopt;
  }
  if (last_call_.reason == "CONTEXT_EXCEEDED" && !shrunk_) {
    narrator_.Note(absl::StrCat(TurnName(), ": too much for the model's window, tries with less"));
    shrunk_ = true;
    opening_.reset();
    return std::nullopt;
  }
  if (last_call_.reason == "CONTEXT_EXCEEDED" && by_money) {
    // What is wrapped around the prompt was too much.
    core_->CostTooHigh();
    return std::nullopt;
  }
  if (OfTheAnswer(last_call_.reason)) {
    narrator_.Note(absl::StrCat(TurnName(), ": ", last_call_.reason));
    core_->GenerationFailed(usage,
                            {.fingerprint = Sha256Hex(last_call_.reason).substr(0, 16),
                             .feedback = absl::StrCat(last_call_.reason, ": ", last_call_.message)},
                            deps_.clock.Now());
    Reply();
    return std::nullopt;
  }
  return Ending{.outcome = last_call_.outcome,
                .reason = last_call_.reason,
                .message = last_call_.message,
                .executor_fault = last_call_.executor_fault,
                .permanent = last_call_.permanent,
                .retry_after = last_call_.retry_after};
}

void BuildRun::Reply() {
  if (core_->next() == Next::kEnd) return;
  const auto failed = std::find_if(core_->turns().rbegin(), core_->turns().rend(),
                                   [](const Turn& turn) { return turn.failed_at.has_value(); });
  feedback_ = failed->failure.feedback;
  // Then another format may do better.
  const bool malformed_again = *failed->failed_at == Stage::kApply && malformed_ > 1;
  if (core_->next() == Next::kAskForTier || turns_.size() >= kMostTurns || answer_.size() > kMostAnswer ||
      malformed_again) {
    opening_.reset();
    return;
  }
  std::vector<std::string> paths = changed_;
  for (std::string& path : NamedIn(ListFiles(site_->folder(), kMostFiles).files, feedback_)) {
    const bool known = shown_.contains(path) && *failed->failed_at != Stage::kApply;
    if (!known && std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
  }
  turns_.push_back(ReplyTo(std::exchange(answer_, ""), *failed->failed_at, failed->failure,
                           Show(paths, RoomForFiles(route_.context_window) / 4), format_));
}

BuildRun::MaybeEnding BuildRun::AskForTier() {
  narrator_.Note(absl::StrCat("the same failure again: asks for a stronger model than ", route_.model));
  model_registry::v1::Observation observation;
  observation.set_endpoint(route_.endpoint);
  observation.set_model(route_.model);
  observation.set_outcome(model_registry::v1::OUTCOME_NEUTRAL);
  observation.set_message("VERIFICATION_FAILED");
  asking_ = true;
  tier_answer_ = {};
  bool answered = false;
  const absl::Time give_up = deps_.clock.Now() + settings_.tier_patience;
  narrator_.Ask({.reason = "VERIFICATION_FAILED", .observation = observation.SerializeAsString()});
  while (!answered) {
    mailbox_->Take(kLook);
    narrator_.Tick();
    answered = !asking_ || interruption_.load() != kNone || TimeIsUp() || deps_.clock.Now() >= give_up;
  }
  asking_ = false;
  if (MaybeEnding interrupted = Interrupted(); interrupted.has_value()) return interrupted;
  Work turn = work_;
  turn.routing = tier_answer_.routing;
  if (tier_answer_.routing.empty() || !deps_.models.Check(turn).ok()) {
    narrator_.Note(absl::StrCat("no other model: ",
                                tier_answer_.refusal.empty() ? "none that can be used" : tier_answer_.refusal));
    core_->TierRefused();
    return std::nullopt;
  }
  TakeRouting(tier_answer_.routing);
  narrator_.Note(absl::StrCat("goes on with ", route_.model, " at ", route_.endpoint));
  malformed_ = 0;
  opening_.reset();
  core_->TierGranted(route_.has_next, deps_.clock.Now());
  return std::nullopt;
}

}  // namespace switchyard::executor::loop
