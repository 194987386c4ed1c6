#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/rpc/principal.h"
#include "libs/telemetry/trace_context.h"

namespace switchyard::rpc {

// What a handler may know about the call that it runs. Valid until the call is done: for unary calls until Done is
// called, for streams as long as the ServerStream is held. Thread-safe.
class CallContext {
 public:
  CallContext(const Clock& clock, std::shared_ptr<const Principal> principal, const telemetry::TraceContext& trace,
              absl::Time start, absl::Time deadline)
      : clock_(clock), principal_(std::move(principal)), trace_(trace), start_(start), deadline_(deadline) {}

  // For a method of SCOPE_NONE a principal without id and scopes.
  const Principal& principal() const { return *principal_; }
  // Shared, for work that goes on after the call.
  const std::shared_ptr<const Principal>& shared_principal() const { return principal_; }
  // The span of this call: a child of the caller's, or the root of a new trace.
  const telemetry::TraceContext& trace() const { return trace_; }
  absl::Time start() const { return start_; }
  // On the injected clock. InfiniteFuture for a stream without one.
  absl::Time deadline() const { return deadline_; }
  // Not below zero.
  absl::Duration remaining() const { return std::max(deadline_ - clock_.Now(), absl::ZeroDuration()); }

 private:
  friend class CallGate;

  const Clock& clock_;
  std::shared_ptr<const Principal> principal_;
  telemetry::TraceContext trace_;
  absl::Time start_;
  absl::Time deadline_;
};

}  // namespace switchyard::rpc
