#include "services/executor/models/model_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/models/classify.h"
#include "services/executor/models/endpoint_url.h"
#include "services/executor/models/prompt.h"
#include "services/executor/models/run_result.h"

namespace switchyard::executor::models {
namespace {

constexpr int kMostGrants = 8;
constexpr absl::Duration kProgressEvery = absl::Seconds(5);
constexpr absl::Duration kAskAgain = absl::Seconds(2);

absl::Duration TimeOf(const Work& work, const RunLimits& limits) {
  const absl::Duration own = work.limits.time;
  return own > absl::ZeroDuration() ? std::min(own, limits.time) : limits.time;
}

std::string ProgressText(const CallProgress& progress, const Route& route) {
  const absl::Duration since = absl::Trunc(progress.since_sent, absl::Seconds(1));
  const std::string where = absl::StrCat(route.model, " at ", route.endpoint);
  if (progress.stage == CallStage::kWaiting) {
    return absl::StrCat("waits for ", where, " since ", absl::FormatDuration(since));
  }
  return absl::StrCat("about ", progress.tokens, " tokens from ", where, " in ", absl::FormatDuration(since));
}

}  // namespace

absl::Status CheckRoute(const Route& route, const Work& work, const CredentialPolicy& credentials) {
  if ((route.local_only || work.prompt.local_only) && !route.local) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_LOCAL",
                     absl::StrCat("the work must stay local, and ", route.endpoint, " is not"));
  }
  // Its URL, perhaps of a localhost, leads elsewhere from here.
  if (!route.agent.empty() && !work.agent.empty() && route.agent != work.agent) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "WRONG_AGENT",
                     absl::StrCat("only the agent ", route.agent, " reaches ", route.endpoint));
  }
  SY_RETURN_IF_ERROR(CheckEndpointUrl(route.url));
  return credentials.SecretFor(route.credential, route.url).status();
}

ModelRun::ModelRun(Work work, Route route, RunLimits limits, RunDeps deps, BackendSink& sink, Conversation conversation)
    : work_(std::move(work)),
      conversation_(std::move(conversation)),
      limits_(limits),
      deps_(deps),
      time_(TimeOf(work_, limits)),
      sink_(sink),
      route_(std::move(route)),
      // Emits from within calls that hold the lock.
      keeper_(limits.log_bytes, [&sink](LogChunk chunk) { sink.OnLog(std::move(chunk)); }),
      begun_(deps.clock.Now()) {
  MutexLock lock(mutex_);
  wake_at_ = progress_at_ = endpoint_since_ = begun_;
}

void ModelRun::Begin() { Call(); }

bool ModelRun::ended() const {
  MutexLock lock(mutex_);
  return stage_ == Stage::kEnded;
}

// ---- Calling.

absl::StatusOr<CallSpec> ModelRun::MakeSpec() {
  CallSpec spec;
  spec.protocol = route_.protocol;
  spec.url = route_.url;
  SY_RETURN_IF_ERROR(CheckRoute(route_, work_, deps_.credentials));
  SY_ASSIGN_OR_RETURN(spec.secret, deps_.credentials.SecretFor(route_.credential, route_.url));

  PromptParts parts{.persona = route_.persona,
                    .system = work_.prompt.system,
                    .instruction = work_.prompt.instruction,
                    .success_criteria = work_.prompt.success_criteria,
                    .data = {},
                    .turns = conversation_.turns};
  for (const auto& [name, text] : work_.prompt.data) parts.data.push_back({.name = name, .text = text});
  const PromptRoom room{.context_window = route_.context_window, .max_output = route_.max_output_tokens};
  SY_ASSIGN_OR_RETURN(ComposedPrompt prompt, ComposePrompt(parts, room, deps_.rng));
  omitted_bytes_ = prompt.omitted_bytes;

  ChatRequest& request = spec.request;
  request.model = route_.model;
  request.messages = std::move(prompt.messages);
  request.max_output_tokens = route_.max_output_tokens;
  if (work_.prompt.max_tokens > 0) {
    const std::int64_t left = work_.prompt.max_tokens - prompt.tokens.upper;
    if (left <= 0) {
      return MakeError(absl::StatusCode::kResourceExhausted, "CONTEXT_EXCEEDED",
                       absl::StrCat("the prompt alone takes up to ", prompt.tokens.upper, " of the task's ",
                                    work_.prompt.max_tokens, " tokens"));
    }
    request.max_output_tokens = request.max_output_tokens > 0 ? std::min(request.max_output_tokens, left) : left;
  }
  request.options = route_.options;
  // The provider whose newer models refuse the older name of the bound.
  request.max_completion_tokens = route_.provider == "openai" && !route_.local;

  spec.timeouts = route_.timeouts;
  const absl::Time now = deps_.clock.Now();
  spec.timeouts.total = deadline() - now;
  if (spec.timeouts.patience != absl::InfiniteDuration()) {
    spec.timeouts.patience = std::max(endpoint_since_ + spec.timeouts.patience - now, absl::Seconds(1));
  }
  spec.cold = !route_.warm;
  spec.least_tokens_per_second = route_.least_tokens_per_second;
  spec.bounds = limits_.bounds;
  return spec;
}

void ModelRun::Call() {
  absl::StatusOr<CallSpec> spec = absl::InternalError("");
  std::int64_t number = 0;
  {
    MutexLock lock(mutex_);
    if (stage_ == Stage::kEnded) return;
    stage_ = Stage::kCalling;
    number = ++calls_begun_;
    EnterPhase(route_.warm ? WorkPhase::kGenerating : WorkPhase::kLoading);
    spec = MakeSpec();
    if (!spec.ok()) {
      CallResult result;
      result.times.sent = deps_.clock.Now();
      const bool too_large = switchyard::ReasonOf(spec.status()) == "CONTEXT_EXCEEDED";
      result.outcome = too_large ? CallOutcome::kContextExceeded : CallOutcome::kNotSent;
      result.detail = ShownError(ToStd(spec.status().message()));
      last_ = std::move(result);
      records_.push_back(ToRecord(route_, last_));
      return Follow(/*may_leave=*/true);
    }
  }
  const std::shared_ptr<ModelCall> call = ModelCall::Start(*std::move(spec), deps_.transport, deps_.clock, *this);
  bool cancel = false;
  {
    MutexLock lock(mutex_);
    // It may have ended, and another begun, before it was known here.
    if (stage_ != Stage::kCalling || number != calls_begun_) return;
    call_ = call;
    cancel = cancelled_ || stopped_;
  }
  if (cancel) call->Cancel();
}

void ModelRun::EnterPhase(WorkPhase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  sink_.OnPhase(phase);
}

void ModelRun::Note(std::string_view text) {
  keeper_.Append(LogStream::kError, absl::StrCat("[", ToAbsl(text), "]\n"), deps_.clock.Now());
}

void ModelRun::OnFirstToken() {
  MutexLock lock(mutex_);
  if (stage_ == Stage::kCalling) EnterPhase(WorkPhase::kGenerating);
}

void ModelRun::OnPart(Part part, std::string_view text) {
  MutexLock lock(mutex_);
  if (stage_ != Stage::kCalling || part != Part::kText) return;
  keeper_.Append(LogStream::kOutput, text, deps_.clock.Now());
}

void ModelRun::OnProgress(const CallProgress& progress) {
  MutexLock lock(mutex_);
  if (stage_ == Stage::kCalling) sink_.OnProgress(ProgressText(progress, route_));
}

void ModelRun::OnDone(CallResult result) {
  if (deps_.calls != nullptr) {
    const bool fine = result.outcome == CallOutcome::kSuccess;
    deps_.calls->With({fine ? "SUCCESS" : std::string(OutcomeReason(result.outcome))}).Add();
  }
  MutexLock lock(mutex_);
  if (stage_ == Stage::kEnded) return;
  call_.reset();
  AddTo(spent_, route_, result);
  records_.push_back(ToRecord(route_, result));
  last_ = std::move(result);
  if (stopped_) return End(Outcome::kCancelled, "EXECUTOR_STOPPED", "the executor stopped");
  if (cancelled_ && last_.outcome != CallOutcome::kSuccess) return End(Outcome::kCancelled, "CANCELLED", "cancelled");
  Follow(/*may_leave=*/true);
}

// ---- What follows.

void ModelRun::Follow(bool may_leave) {
  const absl::Time now = deps_.clock.Now();
  const Situation situation{.has_next = may_leave && route_.has_next && grants_ < kMostGrants,
                            .retry_after = last_.retry_after.value_or(absl::ZeroDuration()),
                            .retries = retries_,
                            .left = deadline() - now,
                            .load_left = endpoint_since_ + route_.timeouts.load - now};
  const Decision decision = Decide(last_.outcome, situation);
  const std::string_view reason = OutcomeReason(last_.outcome);
  switch (decision.step) {
    case NextStep::kSucceed:
      return Succeed();
    case NextStep::kFailForGood:
      return End(Outcome::kFailed, reason, last_.detail, /*permanent=*/true);
    case NextStep::kFail: {
      const bool timed_out = last_.outcome == CallOutcome::kTotalTimeout;
      return End(timed_out ? Outcome::kTimedOut : Outcome::kFailed, reason, last_.detail);
    }
    case NextStep::kGiveBack:
      return End(Outcome::kGivenBack, reason, last_.detail, false, decision.wait);
    case NextStep::kTryNext:
      return Ask();
    case NextStep::kRetryHere:
      Note(absl::StrCat(std::string(reason), ": asking ", route_.endpoint, " again in ",
                        absl::FormatDuration(decision.wait)));
      if (last_.outcome == CallOutcome::kLoading) EnterPhase(WorkPhase::kLoading);
      ++retries_;
      stage_ = Stage::kWaiting;
      wake_at_ = now + decision.wait;
      progress_at_ = now + kProgressEvery;
      return;
  }
}

void ModelRun::Ask() {
  const absl::Time now = deps_.clock.Now();
  Note(absl::StrCat(std::string(OutcomeReason(last_.outcome)), " at ", route_.endpoint,
                    ": asking for another endpoint"));
  stage_ = Stage::kAsking;
  wake_at_ = std::min(now + limits_.grant_patience, deadline());
  ask_again_at_ = absl::InfiniteFuture();
  progress_at_ = now + kProgressEvery;
  sink_.OnRouteQuestion(
      {.reason = std::string(OutcomeReason(last_.outcome)), .observation = ToObservation(records_.back())});
}

void ModelRun::StayHere() {
  const CallTimeouts& limits = route_.timeouts;
  const absl::Duration whole = limits.first_token + (route_.warm ? absl::ZeroDuration() : limits.load);
  if (last_.outcome != CallOutcome::kFirstTokenTimeout || limits.patience >= whole) {
    return Follow(/*may_leave=*/false);
  }
  Note(absl::StrCat("waiting for ", route_.endpoint, " after all"));
  route_.timeouts.patience = absl::InfiniteDuration();
  ++retries_;
  stage_ = Stage::kWaiting;
  wake_at_ = deps_.clock.Now();
}

void ModelRun::OnRouteAnswer(const RouteAnswer& answer) {
  {
    MutexLock lock(mutex_);
    if (stage_ != Stage::kAsking) return;
    if (answer.routing.empty()) {
      if (answer.refusal == "ROUTER_UNAVAILABLE") {
        ask_again_at_ = deps_.clock.Now() + kAskAgain;
        return;
      }
      Note(absl::StrCat("no other endpoint: ", answer.refusal));
      // It would be refused again.
      route_.has_next = false;
      return StayHere();
    }
    absl::StatusOr<Route> route = ToRoute(answer.routing);
    absl::Status status = route.status();
    if (status.ok()) status = CheckRoute(*route, work_, deps_.credentials);
    ++grants_;
    if (route.ok()) {
      route_ = *std::move(route);
      retries_ = 0;
      endpoint_since_ = deps_.clock.Now();
    }
    if (!status.ok()) {
      Note(absl::StrCat("the endpoint granted cannot be used: ", switchyard::ReasonOf(status)));
      last_ = {};
      last_.times.sent = deps_.clock.Now();
      last_.detail = ShownError(ToStd(status.message()));
      return Follow(/*may_leave=*/false);
    }
    Note(absl::StrCat("goes on with ", route_.model, " at ", route_.endpoint));
    LogInfo("another endpoint was granted",
            {{"task", work_.task_id}, {"endpoint", route_.endpoint}, {"model", route_.model}});
  }
  Call();
}

void ModelRun::Tick() {
  std::shared_ptr<ModelCall> call;
  bool again = false;
  {
    MutexLock lock(mutex_);
    const absl::Time now = deps_.clock.Now();
    keeper_.Flush(now);
    switch (stage_) {
      case Stage::kCalling:
        call = call_;
        break;
      case Stage::kWaiting:
        again = now >= wake_at_;
        break;
      case Stage::kAsking:
        if (now >= wake_at_) {
          Note("no other endpoint: nobody answered in time");
          return StayHere();
        }
        if (now >= ask_again_at_) {
          ask_again_at_ = absl::InfiniteFuture();
          sink_.OnRouteQuestion(
              {.reason = std::string(OutcomeReason(last_.outcome)), .observation = ToObservation(records_.back())});
        }
        break;
      case Stage::kEnded:
        return;
    }
    if (stage_ != Stage::kCalling && now >= progress_at_) {
      progress_at_ = now + kProgressEvery;
      sink_.OnProgress(stage_ == Stage::kAsking ? "waits for another endpoint"
                                                : absl::StrCat("waits to ask ", route_.endpoint, " again"));
    }
  }
  if (call != nullptr) call->Tick();
  if (again) Call();
}

// ---- The end.

void ModelRun::Cancel() {
  std::shared_ptr<ModelCall> call;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    if (stage_ == Stage::kEnded) return;
    if (stage_ != Stage::kCalling) return End(Outcome::kCancelled, "CANCELLED", "cancelled");
    call = call_;
  }
  if (call != nullptr) call->Cancel();
}

void ModelRun::Stop() {
  std::shared_ptr<ModelCall> call;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    if (stage_ == Stage::kEnded) return;
    if (stage_ != Stage::kCalling) return End(Outcome::kCancelled, "EXECUTOR_STOPPED", "the executor stopped");
    call = call_;
  }
  if (call != nullptr) call->Cancel();
}

void ModelRun::Succeed() {
  const Answer& answer = last_.answer;
  if ((route_.local_only || work_.prompt.local_only) && !answer.remote_host.empty()) {
    return End(Outcome::kFailed, "MODEL_NOT_LOCAL",
               ShownError(absl::StrCat(route_.model, " at ", route_.endpoint, " runs at ", answer.remote_host,
                                       ", and the work had to stay local")),
               /*permanent=*/true);
  }
  if (spent_.mismatch) {
    const std::string what =
        ShownError(absl::StrCat("asked for ", route_.model, ", ", answer.model, " answered, at ", route_.endpoint));
    LogWarning("another model answered than the one asked for", {{"task", work_.task_id}, {"what", what}});
    if (route_.mismatch_fails) return End(Outcome::kFailed, "MODEL_MISMATCH", what);
  }
  End(Outcome::kSucceeded, "", "");
}

void ModelRun::End(Outcome outcome, std::string_view reason, std::string_view message, bool permanent,
                   absl::Duration retry_after) {
  const absl::Time now = deps_.clock.Now();
  Evidence evidence;
  evidence.task_id = work_.task_id;
  evidence.generation = work_.generation;
  evidence.outcome = outcome;
  evidence.reason = std::string(reason);
  evidence.message = std::string(message);
  evidence.exit_code = outcome == Outcome::kSucceeded ? 0 : -1;
  evidence.permanent = permanent;
  evidence.retry_after = retry_after;
  evidence.started = begun_;
  evidence.ended = now;
  keeper_.Finish(now);
  evidence.output_bytes = keeper_.written();
  evidence.dropped_bytes = keeper_.dropped();
  FillResult(ResultFacts{.route = route_,
                         .last = last_,
                         .spent = spent_,
                         .records = records_,
                         .grants = grants_,
                         .omitted_bytes = omitted_bytes_,
                         .mismatch = spent_.mismatch},
             evidence);
  if (conversation_.take_answer) conversation_.take_answer(std::move(last_.answer.text));
  last_.answer = {};
  stage_ = Stage::kEnded;
  sink_.OnFinished(std::move(evidence));
}

}  // namespace switchyard::executor::models
