#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/http/http_transport.h"
#include "services/executor/models/answer_decoder.h"
#include "services/executor/models/call_outcome.h"
#include "services/executor/models/conversation.h"

namespace switchyard::executor::models {

// InfiniteDuration() leaves one out.
struct CallTimeouts {
  absl::Duration connect = absl::Seconds(5);
  // From the connection until a cold model is loaded; on top of it comes `first_token`.
  absl::Duration load = absl::Seconds(180);
  // From the connection until the first token of a warm one. Thinking counts as tokens; signs of life do not.
  absl::Duration first_token = absl::Seconds(180);
  // From the request until the first token, whatever the model does meanwhile.
  absl::Duration patience = absl::InfiniteDuration();
  absl::Duration between_tokens = absl::Seconds(30);
  // From the request to the end.
  absl::Duration total = absl::Minutes(30);
};

struct CallSpec {
  Protocol protocol = Protocol::kOllama;
  std::string url;
  // Empty: none is sent.
  std::string secret;
  ChatRequest request;
  CallTimeouts timeouts;
  // The model may have to be loaded first.
  bool cold = false;
  // Over `floor_window`, once that long has passed since the first token; 0: no floor.
  double least_tokens_per_second = 0;
  absl::Duration floor_window = absl::Seconds(30);
  AnswerBounds bounds;
};

enum class CallStage { kWaiting, kGenerating };

struct CallProgress {
  CallStage stage = CallStage::kWaiting;
  absl::Duration since_sent;
  // By the size of what came.
  std::int64_t tokens = 0;
};

struct CallTimes {
  absl::Time sent;
  absl::Duration connect;
  // From the request; absent: none came.
  std::optional<absl::Duration> first_token;
  absl::Duration total;
};

struct CallResult {
  CallOutcome outcome = CallOutcome::kNotSent;
  // For people; without prompt, answer, secret.
  std::string detail;
  std::optional<absl::Duration> retry_after;
  // 0: none came.
  int http_status = 0;
  // What there is of it, whatever the outcome.
  Answer answer;
  CallTimes times;
  // A LiteLLM proxy says that it fell back by itself.
  int proxy_fallbacks = 0;
};

// Called by one thread at a time but for OnProgress, which may come beside the others and late; none may wait.
class CallEvents {
 public:
  virtual ~CallEvents() = default;
  virtual void OnFirstToken() {}
  virtual void OnPart(Part part, std::string_view text) = 0;
  // About every 5 s while it waits or generates, from within Tick().
  virtual void OnProgress(const CallProgress&) {}
  // Once, last.
  virtual void OnDone(CallResult result) = 0;
};

// One request to one endpoint. It never asks another, and never asks twice. Thread-safe.
class ModelCall final : public std::enable_shared_from_this<ModelCall> {
 public:
  static constexpr absl::Duration kProgressEvery = absl::Seconds(5);
  // How long a stream may stay open once its answer is whole, and once its end mark came.
  static constexpr absl::Duration kLinger = absl::Seconds(2);
  static constexpr absl::Duration kLingerBehindEnd = absl::Milliseconds(250);

  // Sends at once; OnDone may come before it returns. `transport`, `clock` and `events` live until OnDone. Shared with
  // the exchange under way.
  static std::shared_ptr<ModelCall> Start(CallSpec spec, http::HttpTransport& transport, const Clock& clock,
                                          CallEvents& events);

  // Closes the connection. OnDone follows with kCancelled, unless it is on its way.
  void Cancel();
  // Looks at the clock: the time-outs but the connection's, the floor and progress are found here. At least every
  // second.
  void Tick();

 private:
  ModelCall(CallSpec spec, http::HttpTransport& transport, const Clock& clock, CallEvents& events);

  void Send();
  bool OnHead(const http::HttpHead& head);
  bool OnChunk(std::string_view chunk);
  void OnEnd(http::HttpOutcome outcome);
  void CountToken(Part part, std::string_view text);
  // What has come to pass by the clock, if anything.
  std::optional<CallOutcome> Overdue(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<CallOutcome> TooSlow(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the exchange with this outcome.
  void GiveUp(CallOutcome outcome);
  CallResult Conclude(http::HttpOutcome outcome);

  const CallSpec spec_;
  http::HttpTransport& transport_;
  const Clock& clock_;
  CallEvents& events_;

  // Of the transport's thread alone.
  std::unique_ptr<AnswerDecoder> decoder_;
  http::HttpHead head_;
  bool first_ = true;

  mutable Mutex mutex_;
  http::HttpCallId id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  // Why we ended it ourselves.
  std::optional<CallOutcome> ended_ ABSL_GUARDED_BY(mutex_);
  absl::Time sent_ ABSL_GUARDED_BY(mutex_);
  absl::Time first_token_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time last_token_ ABSL_GUARDED_BY(mutex_);
  absl::Time complete_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time over_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time progress_at_ ABSL_GUARDED_BY(mutex_);
  std::int64_t tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  // How many tokens had come when; at most one entry a second, and one older than the window.
  std::deque<std::pair<absl::Time, std::int64_t>> marks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::models
