#include "services/model_registry/health.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {
namespace {

// When it does not say for how long it wants to be left alone, and at most.
constexpr absl::Duration kRateLimitRest = absl::Seconds(30);
constexpr absl::Duration kMaxRest = absl::Hours(24);
// A loaded model that is idle and dropped sooner than this counts as cold.
constexpr absl::Duration kSoon = absl::Seconds(60);
constexpr absl::Duration kKeepWarmRetry = absl::Minutes(1);
// A check that failed is repeated after this part of the interval.
constexpr int kHurry = 6;
// What has not been heard of for so many intervals is not known any more.
constexpr int kStale = 4;
constexpr std::size_t kMaxModelsKept = 2'000;

CapacityBounds EndpointBounds(const EndpointSpec& spec) {
  const int most = spec.max_capacity > 0 ? spec.max_capacity : spec.local ? 2 : 32;
  return {.start = spec.local ? 1 : 4, .most = most, .fixed = spec.capacity};
}

CapacityBounds ModelBounds(const EndpointSpec& spec, std::string_view model) {
  const ModelSettings* const settings = FindSettings(spec, model);
  CapacityBounds bounds = EndpointBounds(spec);
  if (spec.capacity > 0) bounds.most = bounds.start = spec.capacity;
  // Ollama serves one at a time per model unless it was told otherwise.
  if (spec.kind == EndpointKind::kOllama) bounds.start = 1;
  bounds.fixed = settings == nullptr ? 0 : settings->capacity;
  return bounds;
}

void Set(Level& level, Verdict verdict, std::string_view message, absl::Time now) {
  if (verdict == Verdict::kUnknown) return;
  level.verdict = verdict;
  level.time = now;
  level.message = verdict == Verdict::kBad ? std::string(message) : "";
}

}  // namespace

EndpointHealth::EndpointHealth(EndpointSpec spec, const HealthRules& rules, absl::Time now)
    : spec_(std::move(spec)),
      rules_(rules),
      breaker_(rules.breaker),
      capacity_(EndpointBounds(spec_)),
      next_check_(now),
      state_time_(now) {
  for (const ModelSettings& settings : spec_.models) StateOf(settings.model);
}

EndpointHealth::ModelState& EndpointHealth::StateOf(const std::string& model) {
  for (auto& [name, state] : models_) {
    if (SameModel(spec_.kind, name, model)) return state;
  }
  ModelState state{.found = {.model = model}, .capacity = Capacity(ModelBounds(spec_, model)), .latencies = {}};
  return models_.emplace(model, std::move(state)).first->second;
}

void EndpointHealth::RateLimited(std::optional<absl::Duration> retry_after, absl::Time now) {
  const absl::Duration said = retry_after.value_or(absl::ZeroDuration());
  const absl::Duration rest = said > absl::ZeroDuration() ? std::min(said, kMaxRest) : kRateLimitRest;
  retry_at_ = std::max(retry_at_, now + rest);
}

void EndpointHealth::Misconfigure(std::string_view cause, absl::Time now) {
  misconfigured_ = true;
  misconfigured_at_ = now;
  misconfigured_cause_ = std::string(cause);
}

void EndpointHealth::TakeModels(const CheckResult& result) {
  for (auto& [name, state] : models_) {
    state.present = false;
    state.found.loaded = false;
  }
  for (const FoundModel& found : result.models) {
    if (models_.size() >= kMaxModelsKept && models_.count(found.model) == 0) continue;
    ModelState& state = StateOf(found.model);
    const std::int64_t context = state.found.context_window;
    state.found = found;
    if (state.found.context_window == 0) state.found.context_window = context;
    state.present = true;
  }
  // What is neither there nor spoken of is forgotten.
  std::erase_if(models_, [&](const auto& entry) {
    return !entry.second.present && entry.second.in_flight == 0 && FindSettings(spec_, entry.first) == nullptr;
  });
}

void EndpointHealth::CheckDone(CheckKind kind, const CheckResult& result, absl::Time began, absl::Time now) {
  checking_ = false;
  if (result.process != Verdict::kUnknown || result.credentials != Verdict::kUnknown) checked_ = now;
  Set(process_, result.process, result.message, now);
  Set(credentials_, result.credentials, result.message, now);
  Set(models_known_, result.models_known, result.message, now);
  Set(progress_, result.progress, result.message, now);
  if (!result.server.empty()) server_ = result.server;
  if (result.slots > 0) capacity_.SetServed(result.slots);
  if (result.models_known == Verdict::kGood) TakeModels(result);
  loading_ = result.loading;
  if (result.busy) busy_until_ = now + rules_.check_interval;
  if (result.progress == Verdict::kGood) progress_seen_ = now;

  next_check_ = now + rules_.check_interval;
  if (result.process == Verdict::kUnknown && result.credentials == Verdict::kUnknown) {
    // It could not be asked.
    next_check_ = now + rules_.check_interval / kHurry;
    return;
  }
  if (result.credentials == Verdict::kBad) return Misconfigure(result.message, now);
  if (misconfigured_) {
    // A check from before, or one whose questions need no credentials, mends nothing.
    if (began < misconfigured_at_ || (result.credentials != Verdict::kGood && kind != CheckKind::kManual)) return;
    misconfigured_ = false;
  }
  if (result.retry_after.has_value()) {
    RateLimited(result.retry_after, now);
    next_check_ = std::max(next_check_, retry_at_);
    return;
  }
  if (result.process == Verdict::kGood) retry_at_ = std::min(retry_at_, now);

  const bool bad =
      result.process == Verdict::kBad || result.models_known == Verdict::kBad || result.progress == Verdict::kBad;
  const std::string what = bad ? result.message : "";
  if (breaker_.phase() == Breaker::Phase::kOpen) {
    if (kind == CheckKind::kProbe) breaker_.ProbeDone(!bad, what, Full(), now);
    if (kind == CheckKind::kManual) breaker_.ProbeNow(!bad, what, Full(), now);
    check_failures_ = 0;
    return;
  }
  if (bad) {
    ++check_failures_;
    breaker_.Failure(began, what, now);
    if (breaker_.phase() != Breaker::Phase::kOpen) next_check_ = now + rules_.check_interval / kHurry;
    return;
  }
  // Lists that answer say nothing about requests that failed: only a word, or the end of failures of checks, does. What
  // recovers without work climbs by checks.
  const bool idle_ramp = breaker_.phase() == Breaker::Phase::kRecovering && in_flight_ == 0;
  if (result.progress == Verdict::kGood || check_failures_ > 0 || idle_ramp) breaker_.Success(began, Full(), now);
  check_failures_ = 0;
  if (breaker_.phase() == Breaker::Phase::kRecovering) next_check_ = now + rules_.check_interval / kHurry;
}

void EndpointHealth::Reported(const CheckResult& result, absl::Time now) {
  if (breaker_.phase() != Breaker::Phase::kOpen) return CheckDone(CheckKind::kManual, result, now, now);
  if (!breaker_.MayProbe(now)) return CheckDone(CheckKind::kLists, result, now, now);
  BeginCheck(CheckKind::kProbe, now);
  CheckDone(CheckKind::kProbe, result, now, now);
}

void EndpointHealth::Observe(const Observation& observation, absl::Time now) {
  ModelState& state = StateOf(observation.model);
  switch (observation.outcome) {
    case Outcome::kSuccess:
      state.latencies.Add(observation.load, observation.first_token, observation.total, observation.output_tokens);
      capacity_.Success(std::max(in_flight_, 1), observation.queue_wait, observation.total, now);
      state.capacity.Success(std::max(state.in_flight, 1), observation.queue_wait, observation.total, now);
      breaker_.Success(observation.began, Full(), now);
      Set(progress_, Verdict::kGood, "", now);
      Set(process_, Verdict::kGood, "", now);
      progress_seen_ = now;
      return;
    case Outcome::kFailure:
      breaker_.Failure(observation.began, observation.message, now);
      next_check_ = std::min(next_check_, now + rules_.check_interval / kHurry);
      return;
    case Outcome::kNoProgress:
      Set(progress_, Verdict::kBad, observation.message.empty() ? "a request made no progress" : observation.message,
          now);
      breaker_.Failure(observation.began, progress_.message, now);
      progress_seen_ = absl::InfinitePast();
      next_check_ = std::min(next_check_, now);
      return;
    case Outcome::kRateLimited:
      RateLimited(observation.retry_after, now);
      capacity_.Full(in_flight_, now);
      return;
    case Outcome::kBusy:
      busy_until_ = now + (observation.retry_after.value_or(absl::ZeroDuration()) > absl::ZeroDuration()
                               ? std::min(*observation.retry_after, kMaxRest)
                               : rules_.check_interval / kHurry);
      capacity_.Full(in_flight_, now);
      state.capacity.Full(state.in_flight, now);
      return;
    case Outcome::kRefused:
      Set(credentials_, Verdict::kBad, observation.message, now);
      return Misconfigure(observation.message, now);
    case Outcome::kLoading:
      loading_ = true;
      next_check_ = std::min(next_check_, now + rules_.check_interval / kHurry);
      return;
    case Outcome::kNeutral:
      return;
  }
}

void EndpointHealth::SetInFlight(const std::map<std::string, int>& by_model) {
  in_flight_ = 0;
  for (auto& [name, state] : models_) state.in_flight = 0;
  for (const auto& [model, count] : by_model) {
    StateOf(model).in_flight += count;
    in_flight_ += count;
  }
}

bool EndpointHealth::AnyLoaded() const {
  return std::any_of(models_.begin(), models_.end(), [&](const auto& entry) {
    return entry.second.present && (spec_.kind != EndpointKind::kOllama || entry.second.found.loaded);
  });
}

std::optional<CheckKind> EndpointHealth::DueCheck(absl::Time now) const {
  if (checking_ || spec_.disabled || !spec_.agent.empty() || misconfigured_ || retry_at_ > now) return std::nullopt;
  if (breaker_.phase() == Breaker::Phase::kOpen) {
    return breaker_.MayProbe(now) ? std::optional(CheckKind::kProbe) : std::nullopt;
  }
  if (now < next_check_) return std::nullopt;
  const bool silent = spec_.local && AnyLoaded() && in_flight_ == 0 && now - progress_seen_ >= rules_.progress_interval;
  return silent || progress_.verdict == Verdict::kBad ? CheckKind::kProgress : CheckKind::kLists;
}

void EndpointHealth::BeginCheck(CheckKind kind, absl::Time now) {
  checking_ = true;
  if (kind == CheckKind::kProbe) breaker_.BeginProbe(now);
}

void EndpointHealth::SkipProbe(absl::Time now) {
  checking_ = false;
  next_check_ = now + rules_.check_interval;
}

void EndpointHealth::Mend(absl::Time now) {
  misconfigured_ = false;
  next_check_ = std::min(next_check_, now);
}

std::pair<EndpointState, std::string> EndpointHealth::Judge(absl::Time now) const {
  using State = EndpointState;
  if (spec_.disabled) return {State::kDisabled, "disabled by a person"};
  if (misconfigured_) return {State::kMisconfigured, misconfigured_cause_};
  if (breaker_.phase() == Breaker::Phase::kOpen) return {State::kOpen, breaker_.last_failure()};
  if (retry_at_ > now) return {State::kRateLimited, "it asked to be left alone"};
  if (!checked_.has_value()) {
    return {State::kUnknown, spec_.agent.empty() ? "not checked yet" : "its agent has not reported yet"};
  }
  if (now - *checked_ > rules_.check_interval * kStale && !checking_) {
    return {State::kUnknown, spec_.agent.empty() ? "its last check is long ago" : "its agent does not report any more"};
  }
  if (breaker_.phase() == Breaker::Phase::kRecovering) {
    return {State::kRecovering, absl::StrCat("after: ", breaker_.last_failure())};
  }
  for (const Level* level : {&process_, &models_known_, &progress_}) {
    if (level->verdict == Verdict::kBad) return {State::kFailing, level->message};
  }
  if (breaker_.failures_in_row() > 0) return {State::kFailing, breaker_.last_failure()};
  if (loading_) return {State::kLoading, "a model is being loaded"};
  if (busy_until_ > now) return {State::kBusy, "it said that it is full"};
  if (in_flight_ >= Full()) return {State::kBusy, "all that it takes at once is taken"};
  return {State::kHealthy, ""};
}

Warmth EndpointHealth::WarmthOf(const ModelState& state, absl::Time now) const {
  if (!state.present) return Warmth::kAbsent;
  if (spec_.kind != EndpointKind::kOllama) return loading_ ? Warmth::kLoading : Warmth::kWarm;
  if (state.found.loaded) {
    // While it serves somebody its expiry stands still, so one in the past means busy.
    const absl::Time end = state.found.expire_time.value_or(absl::InfiniteFuture());
    const bool stays = state.in_flight > 0 || end <= now || end > now + kSoon;
    return stays ? Warmth::kWarm : Warmth::kCold;
  }
  return loading_ && state.in_flight > 0 ? Warmth::kLoading : Warmth::kCold;
}

PlacedModel EndpointHealth::Place(const std::string& name, const ModelState& state, absl::Time now) const {
  PlacedModel placed;
  placed.model = name;
  placed.warmth = WarmthOf(state, now);
  placed.size_bytes = state.found.size_bytes;
  placed.vram_bytes = state.found.vram_bytes;
  placed.context_window = state.found.context_window;
  if (state.found.loaded) placed.expire_time = state.found.expire_time;
  placed.capabilities = state.found.capabilities;
  placed.remote = state.found.remote;
  placed.in_flight = state.in_flight;
  placed.capacity = std::min(state.capacity.value(), Full());
  placed.latencies = state.latencies.Summary();
  placed.timeouts = state.latencies.TimeoutsBy(rules_.timeouts);
  if (const ModelSettings* const settings = FindSettings(spec_, name)) {
    placed.keep_warm = settings->keep_warm;
    placed.options = settings->options;
    const auto window = settings->options.find("num_ctx");
    if (!state.found.loaded && window != settings->options.end()) placed.context_window = window->second;
  }
  return placed;
}

EndpointStatus EndpointHealth::Status(absl::Time now) {
  EndpointStatus status;
  auto [state, cause] = Judge(now);
  if (state != state_) {
    state_ = state;
    state_time_ = now;
  }
  status.state = state;
  status.state_time = state_time_;
  status.cause = std::move(cause);
  status.process = process_;
  status.credentials = credentials_;
  status.models_known = models_known_;
  status.progress = progress_;
  status.check_time = checked_;
  status.server = server_;
  const bool open = breaker_.phase() == Breaker::Phase::kOpen;
  if (!spec_.disabled && spec_.agent.empty() && !misconfigured_) {
    status.next_check_time = std::max(open ? breaker_.open_until() : next_check_, retry_at_);
  }
  status.breaker = {
      .open = open,
      .failures_in_row = breaker_.failures_in_row(),
      .failure_rate = breaker_.FailureRate(now),
      .open_until = open ? std::optional(breaker_.open_until()) : std::nullopt,
      .allowance = breaker_.allowance(),
      .times_opened = breaker_.times_opened(),
      .last_probe = breaker_.last_probe() == absl::InfinitePast() ? std::nullopt : std::optional(breaker_.last_probe()),
      .last_failure = breaker_.last_failure()};
  if (retry_at_ > now) status.retry_time = retry_at_;
  status.in_flight = in_flight_;
  status.full_capacity = Full();
  const bool closed = state == EndpointState::kDisabled || state == EndpointState::kMisconfigured ||
                      state == EndpointState::kOpen || state == EndpointState::kRateLimited ||
                      state == EndpointState::kUnknown || busy_until_ > now;
  status.capacity = closed ? 0 : breaker_.Allowed(Full());
  status.urgent_slots = spec_.local ? UrgentSlots(status.capacity) : 0;
  for (const auto& [name, model] : models_) status.models.push_back(Place(name, model, now));
  return status;
}

std::optional<std::string> EndpointHealth::DueKeepWarm(absl::Time now) const {
  if (spec_.kind != EndpointKind::kOllama || spec_.disabled || !spec_.agent.empty()) return std::nullopt;
  const EndpointState state = Judge(now).first;
  if (state != EndpointState::kHealthy && state != EndpointState::kBusy) return std::nullopt;
  for (const auto& [name, model] : models_) {
    const ModelSettings* const settings = FindSettings(spec_, name);
    if (settings == nullptr || !settings->keep_warm || !model.present || model.found.remote) continue;
    // Work keeps it loaded by itself.
    if (model.in_flight > 0 || now - model.keep_warm_tried < kKeepWarmRetry) continue;
    const absl::Time end = model.found.expire_time.value_or(absl::InfiniteFuture());
    if (!model.found.loaded || (end > now && end < now + rules_.keep_warm / 2)) return name;
  }
  return std::nullopt;
}

void EndpointHealth::BeginKeepWarm(const std::string& model, absl::Time now) { StateOf(model).keep_warm_tried = now; }

void EndpointHealth::KeepWarmDone(const std::string& model, const absl::Status& status, absl::Time now) {
  ModelState& state = StateOf(model);
  state.keep_warm_tried = now;
  if (!status.ok()) {
    if (absl::IsDeadlineExceeded(status)) {
      Set(progress_, Verdict::kBad, absl::StrCat("loading ", model, ": ", status.message()), now);
      breaker_.Failure(now, progress_.message, now);
    }
    next_check_ = std::min(next_check_, now);
    return;
  }
  state.found.loaded = true;
  state.found.expire_time = now + rules_.keep_warm;
  Set(progress_, Verdict::kGood, "", now);
  progress_seen_ = now;
}

}  // namespace switchyard::model_registry
