#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/rpc/authenticator.h"
#include "libs/rpc/call_context.h"
#include "libs/rpc/stream_registry.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::rpc {

// One method of a contract, with all that its calls need, looked up once.
struct Method {
  // "switchyard.task_queue.v1.TaskQueueService/SubmitTask"; what metrics are labelled with.
  std::string name;
  // "switchyard.task_queue"; the domain of its errors.
  std::string domain;
  Scope required_scope = options::v1::SCOPE_UNSPECIFIED;
  telemetry::Counter* started = nullptr;
  // By status code; resolved when a code first occurs.
  mutable std::array<std::atomic<telemetry::Histogram*>, 17> duration{};
};

struct CallLimits {
  // Unary calls under way; more are refused with RESOURCE_EXHAUSTED, reason SERVER_OVERLOADED.
  std::size_t max_in_flight = 4'096;
  // Streams open; more are refused with RESOURCE_EXHAUSTED, reason TOO_MANY_STREAMS.
  std::size_t max_streams = 20'000;
};

// Through here every call enters and leaves: limits, deadline, token, scope, trace, metrics. One for all services of a
// server. Handlers use it through rpc::Handlers. Thread-safe; nothing in it blocks.
class CallGate {
 public:
  // Borrows all.
  CallGate(const Clock& clock, Rng& rng, telemetry::Metrics& metrics, Authenticator& authenticator, CallLimits limits);

  // Stops the process when the contract does not know the method. Its address is valid as long as the gate.
  const Method& Resolve(std::string_view service, std::string_view method);

  enum class Kind { kUnary, kStream };
  struct Admission {
    // Set unless the call is refused; without principal while `token` still has to be verified.
    std::unique_ptr<CallContext> context;
    // Part of the call's metadata: lives as long as the call.
    std::string_view token;
    bool verified = false;
    absl::Status status;
    absl::Time start;
  };
  // Counts the call as started and takes a place in the limits until Leave(), whatever the answer is.
  Admission Enter(const grpc::CallbackServerContext& call, const Method& method, Kind kind);

  // Asks whose token it is, checks the scope and puts the principal into `context`. `then` is called exactly once, on
  // any thread; `context` must live until then.
  void Authenticate(std::string_view token, const Method& method, CallContext& context,
                    std::function<void(const absl::Status&)> then);

  // When a stream whose token counts now is rechecked: within `recheck`, not all streams at once.
  absl::Time RecheckAt(absl::Duration recheck);
  // Closes the stream if its token has been revoked or has expired meanwhile; an authenticator that cannot tell
  // changes nothing.
  void Recheck(std::string_view token, const Method& method, std::weak_ptr<StreamControl> stream);

  // Accounts for the end of a call and makes the answer for the wire. `context` may be null.
  grpc::Status Leave(const Method& method, Kind kind, absl::Time start, const absl::Status& status,
                     const CallContext* context);

  // New streams are refused from now on, open ones are closed: UNAVAILABLE, reason DRAINING, with a delay.
  void DrainStreams();

  // Whether no call is under way and no stream open, at this moment.
  bool quiet() const { return in_flight_.load() == 0 && streams_.size() == 0; }

  StreamRegistry& streams() { return streams_; }
  const Clock& clock() const { return clock_; }

 private:
  absl::Status CheckScope(const Method& method, const Principal& principal) const;
  absl::Status TakePlace(Kind kind);

  const Clock& clock_;
  Rng& rng_;
  Authenticator& authenticator_;
  const CallLimits limits_;
  // Shared by all calls that need no token.
  const std::shared_ptr<const Principal> anonymous_;
  telemetry::Family<telemetry::Counter>& started_;
  telemetry::Family<telemetry::Histogram>& duration_;
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::size_t> open_streams_{0};
  std::atomic<bool> draining_{false};
  StreamRegistry streams_;
  Mutex mutex_;
  std::deque<Method> methods_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<telemetry::Probe> in_flight_probe_;
  const std::unique_ptr<telemetry::Probe> streams_probe_;
};

absl::Status Draining();

}  // namespace switchyard::rpc
