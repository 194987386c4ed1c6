#include "libs/rpc/caller.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"

namespace switchyard::rpc {
namespace {

gpr_timespec In(absl::Duration delay) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max<std::int64_t>(0, absl::ToInt64Nanoseconds(delay)), GPR_TIMESPAN));
}

}  // namespace

void AlarmTimer::After(absl::Duration delay, std::function<void()> then) {
  auto* const alarm = new grpc::Alarm;
  alarm->Set(In(delay), [alarm, then = std::move(then)](bool) {
    then();
    delete alarm;
  });
}

void AlarmTimer::Sleep(absl::Duration delay) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  never.WaitFor(mutex, delay);
}

CallOptions CallOptions::For(const CallContext& call, absl::Duration timeout) {
  return {.timeout = std::min(timeout, call.remaining() * 0.9), .idempotent = false, .trace = call.trace()};
}

void Caller::Prepare(grpc::ClientContext& context, absl::Duration timeout,
                     const std::optional<telemetry::TraceContext>& trace) const {
  if (timeout != absl::InfiniteDuration()) context.set_deadline(In(timeout));
  if (tokens_ != nullptr) {
    if (const std::string token = tokens_->Token(); !token.empty()) {
      context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    }
  }
  if (trace.has_value()) context.AddMetadata("traceparent", trace->Child(rng_).Format());
}

RetryLoop::RetryLoop(const Caller& caller, const CallOptions& options)
    : caller_(caller), options_(options), deadline_(caller.clock().Now() + options.timeout) {}

std::unique_ptr<grpc::ClientContext> RetryLoop::NextContext() {
  ++attempts_;
  auto context = std::make_unique<grpc::ClientContext>();
  caller_.Prepare(*context, deadline_ - caller_.clock().Now(), options_.trace);
  return context;
}

std::optional<absl::Duration> RetryLoop::DelayAfter(const absl::Status& status) {
  const RetryPolicy& policy = caller_.retry();
  // Nobody here cancels a call: this is a server that ended its connections before it answered.
  const bool cut_off = status.code() == absl::StatusCode::kCancelled && ReasonOf(status).empty();
  const bool passing = status.code() == absl::StatusCode::kUnavailable || cut_off;
  if (!passing || !options_.idempotent || attempts_ >= policy.attempts) {
    return std::nullopt;
  }
  const absl::Duration full = std::min(policy.max, policy.initial * std::pow(policy.growth, attempts_ - 1));
  const absl::Duration delay = std::max(full * (0.5 + 0.5 * caller_.rng().Unit()), DetailsOf(status).retry_after);
  if (caller_.clock().Now() + delay >= deadline_) return std::nullopt;
  return delay;
}

}  // namespace switchyard::rpc
