#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/rpc/authenticator.h"
#include "libs/rpc/call_gate.h"
#include "libs/rpc/server_options.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::rpc {

// All outlive the server.
struct ServerDeps {
  const Clock& clock;
  Rng& rng;
  telemetry::Metrics& metrics;
  Authenticator& authenticator;
};

// A gRPC server as every process of the product runs it: limits, keepalive, TLS, health, reflection, metrics, drain.
//
// Health: "" is SERVING as long as the process lives, a service's full name while it is served, "switchyard.ready"
// while all conditions hold and the server does not drain. It answers whatever handlers do, since nothing in it waits.
//
// Made first, then the services (over gate()), then Register, Start. Thread-safe after Start.
class Server {
 public:
  static constexpr std::string_view kReadyService = "switchyard.ready";

  Server(ServerOptions options, ServerDeps deps);
  // Stops first, if that was not done.
  ~Server();

  // What services run their calls through.
  CallGate& gate();

  // Borrows the service, which must outlive the server's Stop(). Before Start.
  void Register(grpc::Service& service, std::string_view full_name);

  // Fails, with a message that names the cause, when a method declares no scope (reason SCOPE_UNDECLARED), the address
  // is open to others without TLS (INSECURE_BIND), it cannot be bound (LISTEN_FAILED, METRICS_LISTEN_FAILED) or a
  // certificate cannot be used (TLS_FILES).
  absl::Status Start();

  // "127.0.0.1:41234" with the port really bound; "" when in-process only. After Start.
  std::string address() const;
  int port() const;
  // 0 when metrics are not served.
  int metrics_port() const;

  // See Readiness: add each condition as false before Start, flip it whenever it changes.
  void SetReady(std::string_view condition, bool holds);
  bool ready() const;

  // The way out on SIGTERM: not ready, wait `drain_delay`, close streams with DRAINING, refuse new calls, wait for
  // those under way until `drain_deadline`, cancel them. Returns when all are done, so a handler that never answers
  // holds it up for ever: processes end it by RunUntilSignalled. Blocks.
  void DrainAndStop();
  // The same without the delay.
  void Stop();

  // A channel that needs no socket. Calls over it pass the same gate, and go on after Stop(), so that the parts of a
  // process can end one after the other. No call may be made over it after StopInProcess(), or the process crashes.
  std::shared_ptr<grpc::Channel> InProcessChannel();
  // Ends what is left of such calls; the destructor does too. Blocks.
  void StopInProcess();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::rpc
