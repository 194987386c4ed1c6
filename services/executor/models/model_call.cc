#include "services/executor/models/model_call.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/models/classify.h"
#include "services/executor/models/encode.h"

namespace switchyard::executor::models {
namespace {

// How much of an answer is framing, at the worst: a token of some bytes in an event of hundreds.
constexpr std::size_t kFraming = 256;
constexpr absl::Duration kMarkEvery = absl::Seconds(1);
constexpr std::size_t kBytesPerToken = 4;

int NumberIn(const http::HttpHeaders& headers, std::string_view name) {
  const std::string* const value = http::FindHeader(headers, name);
  int number = 0;
  return value != nullptr && absl::SimpleAtoi(*value, &number) ? std::clamp(number, 0, 1'000) : 0;
}

}  // namespace

ModelCall::ModelCall(CallSpec spec, http::HttpTransport& transport, const Clock& clock, CallEvents& events)
    : spec_(std::move(spec)), transport_(transport), clock_(clock), events_(events) {
  MutexLock lock(mutex_);
  sent_ = last_token_ = clock_.Now();
  progress_at_ = sent_ + kProgressEvery;
}

std::shared_ptr<ModelCall> ModelCall::Start(CallSpec spec, http::HttpTransport& transport, const Clock& clock,
                                            CallEvents& events) {
  std::shared_ptr<ModelCall> call(new ModelCall(std::move(spec), transport, clock, events));
  call->Send();
  return call;
}

void ModelCall::Send() {
  http::HttpRequest request = Encode(spec_.protocol, spec_.url, spec_.secret, spec_.request);
  // The waits for tokens are ours: bytes are no tokens.
  request.timeouts = {.queue = spec_.timeouts.connect,
                      .connect = spec_.timeouts.connect,
                      .first_byte = absl::InfiniteDuration(),
                      .idle = absl::InfiniteDuration(),
                      .total = spec_.timeouts.total};
  request.max_body_bytes = spec_.bounds.answer_bytes * kFraming;
  http::HttpCallbacks callbacks;
  const std::shared_ptr<ModelCall> self = shared_from_this();
  callbacks.on_head = [self](const http::HttpHead& head) { return self->OnHead(head); };
  callbacks.on_chunk = [self](std::string_view chunk) { return self->OnChunk(chunk); };
  callbacks.on_done = [self](http::HttpOutcome outcome) { self->OnEnd(std::move(outcome)); };
  const absl::StatusOr<http::HttpCallId> id = transport_.Send(std::move(request), std::move(callbacks));
  if (!id.ok()) {
    http::HttpOutcome outcome;
    outcome.failure = http::HttpFailure::kInternal;
    outcome.detail = std::string(id.status().message());
    return OnEnd(std::move(outcome));
  }
  bool cancel = false;
  {
    MutexLock lock(mutex_);
    id_ = *id;
    cancel = ended_.has_value() && !done_;
  }
  if (cancel) transport_.Cancel(*id);
}

bool ModelCall::OnHead(const http::HttpHead& head) {
  head_ = head;
  if (head.status < 200 || head.status > 299) return true;
  const std::string* const type = http::FindHeader(head.headers, "content-type");
  decoder_ = std::make_unique<AnswerDecoder>(
      spec_.protocol, spec_.request.stream ? FramingOf(spec_.protocol, type == nullptr ? "" : *type) : Framing::kWhole,
      spec_.bounds, [this](Part part, std::string_view text) { CountToken(part, text); });
  return true;
}

bool ModelCall::OnChunk(std::string_view chunk) {
  if (decoder_ == nullptr) return true;
  const bool useful = decoder_->Push(chunk);
  if (decoder_->complete()) {
    MutexLock lock(mutex_);
    complete_ = std::min(complete_, clock_.Now());
    if (decoder_->over()) over_ = std::min(over_, clock_.Now());
  }
  // What follows the end mark is let pass, so that the connection can be used again.
  return useful || decoder_->over();
}

void ModelCall::CountToken(Part part, std::string_view text) {
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mutex_);
    if (first_) first_token_ = now;
    last_token_ = now;
    tokens_ += static_cast<std::int64_t>(std::max<std::size_t>(text.size() / kBytesPerToken, 1));
    if (marks_.empty() || marks_.back().first + kMarkEvery <= now) marks_.emplace_back(now, tokens_);
    while (marks_.size() > 1 && marks_[1].first + spec_.floor_window <= now) marks_.pop_front();
  }
  if (std::exchange(first_, false)) events_.OnFirstToken();
  events_.OnPart(part, text);
}

std::optional<CallOutcome> ModelCall::TooSlow(absl::Time now) const {
  if (spec_.least_tokens_per_second <= 0 || marks_.empty() || now < first_token_ + spec_.floor_window) {
    return std::nullopt;
  }
  // The last mark that is at least a window old.
  auto from = marks_.front();
  for (const auto& mark : marks_) {
    if (mark.first + spec_.floor_window <= now) from = mark;
  }
  const double seconds = absl::ToDoubleSeconds(now - from.first);
  const double rate = static_cast<double>(tokens_ - from.second) / std::max(seconds, 1e-3);
  if (rate >= spec_.least_tokens_per_second) return std::nullopt;
  return CallOutcome::kTooSlow;
}

std::optional<CallOutcome> ModelCall::Overdue(absl::Time now) const {
  const CallTimeouts& limits = spec_.timeouts;
  if (complete_ != absl::InfiniteFuture()) {
    if (now >= std::min(complete_ + kLinger, over_ + kLingerBehindEnd)) return CallOutcome::kSuccess;
    return std::nullopt;
  }
  if (now >= sent_ + limits.total) return CallOutcome::kTotalTimeout;
  if (first_token_ == absl::InfiniteFuture()) {
    if (now >= sent_ + limits.patience) return CallOutcome::kFirstTokenTimeout;
    if (!spec_.cold && now >= sent_ + limits.first_token) return CallOutcome::kFirstTokenTimeout;
    if (spec_.cold && now >= sent_ + limits.load + limits.first_token) return CallOutcome::kLoadTimeout;
    return std::nullopt;
  }
  if (now >= last_token_ + limits.between_tokens) return CallOutcome::kTokenTimeout;
  return TooSlow(now);
}

void ModelCall::Tick() {
  const absl::Time now = clock_.Now();
  std::optional<CallOutcome> overdue;
  std::optional<CallProgress> progress;
  {
    MutexLock lock(mutex_);
    if (done_ || ended_.has_value()) return;
    overdue = Overdue(now);
    if (!overdue.has_value() && now >= progress_at_) {
      progress_at_ = now + kProgressEvery;
      progress =
          CallProgress{.stage = first_token_ == absl::InfiniteFuture() ? CallStage::kWaiting : CallStage::kGenerating,
                       .since_sent = now - sent_,
                       .tokens = tokens_};
    }
  }
  if (overdue.has_value()) {
    GiveUp(*overdue);
  } else if (progress.has_value()) {
    events_.OnProgress(*progress);
  }
}

void ModelCall::Cancel() { GiveUp(CallOutcome::kCancelled); }

void ModelCall::GiveUp(CallOutcome outcome) {
  http::HttpCallId id = 0;
  {
    MutexLock lock(mutex_);
    if (done_ || ended_.has_value()) return;
    ended_ = outcome;
    id = id_;
  }
  // 0: Send() is under way, and looks again.
  if (id != 0) transport_.Cancel(id);
}

CallResult ModelCall::Conclude(http::HttpOutcome outcome) {
  std::optional<CallOutcome> ended;
  CallResult result;
  {
    MutexLock lock(mutex_);
    ended = ended_;
    result.times.sent = sent_;
    result.times.total = clock_.Now() - sent_;
    if (first_token_ != absl::InfiniteFuture()) result.times.first_token = first_token_ - sent_;
  }
  result.times.connect = outcome.timings.connect;
  result.http_status = outcome.head.status;
  result.proxy_fallbacks = NumberIn(head_.headers, "x-litellm-attempted-fallbacks");
  if (decoder_ != nullptr) decoder_->End();
  const bool whole = decoder_ != nullptr && decoder_->complete();

  if (whole || (decoder_ != nullptr && decoder_->failed())) {
    result.outcome = decoder_->outcome();
    result.detail = decoder_->detail();
  } else if (ended.has_value()) {
    result.outcome = *ended;
  } else if (outcome.failure != http::HttpFailure::kNone) {
    const Trouble trouble = ClassifyFailure(outcome.failure, outcome.detail);
    result.outcome = trouble.outcome;
    result.detail = trouble.detail;
  } else if (decoder_ == nullptr) {
    const Trouble trouble =
        ClassifyStatus(spec_.protocol, outcome.head.status, outcome.head.headers, outcome.body, clock_.Now());
    result.outcome = trouble.outcome;
    result.detail = trouble.detail;
    result.retry_after = trouble.retry_after;
  } else {
    result.outcome = decoder_->outcome();
    result.detail = decoder_->detail();
  }
  // A person who cancels is right even about an answer that is whole by now, but it has been paid for: it counts.
  if (decoder_ != nullptr) result.answer = decoder_->TakeAnswer();
  if (result.detail.empty() && result.outcome == CallOutcome::kNonsense && !result.answer.finish_word.empty()) {
    result.detail = ShownError(absl::StrCat("it ended with \"", result.answer.finish_word, "\""));
  }
  if (result.detail.empty()) result.detail = std::string(OutcomeText(result.outcome));
  return result;
}

void ModelCall::OnEnd(http::HttpOutcome outcome) {
  CallResult result = Conclude(std::move(outcome));
  {
    MutexLock lock(mutex_);
    done_ = true;
  }
  events_.OnDone(std::move(result));
}

}  // namespace switchyard::executor::models
