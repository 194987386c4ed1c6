#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <string_view>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/rpc/authenticator.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::testing {

// Hosts services for a test on a free loopback port and in the process, with a principal for each scope: the tokens are
// "admin-token", "submit-token", "read-token", "service-token" and "agent-token", their principals' ids "admin", … .
// Drains without delay and within a second. Declare it after the services it serves, or call Stop() before they go.
class RpcTestServer {
 public:
  explicit RpcTestServer(rpc::ServerOptions options = Options());
  // For tests that bring their own clock or authenticator; null means the default. Borrows both.
  RpcTestServer(rpc::ServerOptions options, const Clock* clock, rpc::Authenticator* authenticator);
  ~RpcTestServer();

  static rpc::ServerOptions Options();

  rpc::CallGate& gate() { return server_->gate(); }
  rpc::Server& server() { return *server_; }
  rpc::StaticAuthenticator& authenticator() { return authenticator_; }
  telemetry::Metrics& metrics() { return metrics_; }

  void Register(grpc::Service& service, std::string_view full_name) { server_->Register(service, full_name); }
  // The process stops with a message when it cannot start.
  void Start();
  void Stop();

  // Over the socket, and without one. Made at the first call, kept until the end.
  std::shared_ptr<grpc::Channel> channel();
  std::shared_ptr<grpc::Channel> in_process_channel();

  // Calls with one of the tokens above, or "" for none; retries without waiting. Valid as long as the server.
  const rpc::Caller& caller(std::string_view token);

 private:
  struct State;
  std::unique_ptr<State> state_;
  telemetry::Metrics metrics_;
  rpc::StaticAuthenticator authenticator_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace switchyard::testing
