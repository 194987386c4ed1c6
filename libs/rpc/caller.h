#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/rpc/call_context.h"
#include "libs/rpc/token_source.h"
#include "libs/telemetry/trace_context.h"

namespace switchyard::rpc {

// Waiting that tests can do without. Thread-safe.
class Timer {
 public:
  virtual ~Timer() = default;
  // Runs `then` later, once, on another thread. Must not be needed after the process' gRPC is shut down.
  virtual void After(absl::Duration delay, std::function<void()> then) = 0;
  virtual void Sleep(absl::Duration delay) = 0;
};

// On gRPC's own timers: no thread is spent on waiting.
class AlarmTimer final : public Timer {
 public:
  void After(absl::Duration delay, std::function<void()> then) override;
  void Sleep(absl::Duration delay) override;
};

// Pauses grow from `initial` to `max`; each is drawn between half and all of its length.
struct RetryPolicy {
  int attempts = 4;
  absl::Duration initial = absl::Milliseconds(100);
  absl::Duration max = absl::Seconds(1);
  double growth = 3;
};

struct CallOptions {
  // For all attempts together.
  absl::Duration timeout = absl::Seconds(10);
  // Only then is UNAVAILABLE tried again: the call reads, or carries a request id.
  bool idempotent = false;
  // The operation on whose behalf this goes out.
  std::optional<telemetry::TraceContext> trace;

  // For a call made while serving another: nine tenths of what is left of its deadline (and at most `timeout`), so that
  // there is time to answer, in its trace.
  static CallOptions For(const CallContext& call, absl::Duration timeout = absl::Seconds(10));
};

// What outgoing calls have in common. Thread-safe; outlives its calls.
class Caller {
 public:
  // Borrows all. `tokens` may be null: calls then carry no token.
  Caller(const Clock& clock, Rng& rng, Timer& timer, TokenSource* tokens, RetryPolicy retry = {})
      : clock_(clock), rng_(rng), timer_(timer), tokens_(tokens), retry_(retry) {}

  // Sets deadline, token and traceparent. Streams that have no deadline pass InfiniteDuration.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout,
               const std::optional<telemetry::TraceContext>& trace) const;

  const Clock& clock() const { return clock_; }
  Rng& rng() const { return rng_; }
  Timer& timer() const { return timer_; }
  const RetryPolicy& retry() const { return retry_; }

 private:
  const Clock& clock_;
  Rng& rng_;
  Timer& timer_;
  TokenSource* const tokens_;
  const RetryPolicy retry_;
};

// The attempts of one call.
class RetryLoop {
 public:
  RetryLoop(const Caller& caller, const CallOptions& options);

  // A new context for the next attempt, with what is left of the time.
  std::unique_ptr<grpc::ClientContext> NextContext();
  // How long to wait before the next attempt; nothing when `status` is the final answer: it is no UNAVAILABLE, the call
  // is not idempotent, attempts are used up, or the wait, which is at least what RetryInfo asks for, would outlast the
  // deadline.
  std::optional<absl::Duration> DelayAfter(const absl::Status& status);

 private:
  const Caller& caller_;
  const CallOptions options_;
  const absl::Time deadline_;
  int attempts_ = 0;
};

}  // namespace switchyard::rpc
