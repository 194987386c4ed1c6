#include "libs/rpc/server.h"

#include <google/protobuf/descriptor.h>
#include <grpc/support/time.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/rpc/address.h"
#include "libs/rpc/grpc_runtime.h"
#include "libs/rpc/pem_file.h"
#include "libs/rpc/readiness.h"
#include "libs/telemetry/metrics_server.h"
#include "switchyard/options/v1/options.pb.h"

namespace switchyard::rpc {
namespace {

// By then whoever calls over in-process channels has stopped.
constexpr absl::Duration kInProcessDeadline = absl::Seconds(1);
// gRPC may say that a server has ended before the last of its streams was told so.
constexpr absl::Duration kLastStreams = absl::Seconds(5);
constexpr int kUnlimited = -1;
constexpr absl::Duration kSweepPeriod = absl::Milliseconds(250);

int Millis(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

// Linking the libraries adds these services to every server of the process; here each server has what it asked for.
class ChosenPlugins final : public grpc::ServerBuilderOption {
 public:
  ChosenPlugins(bool reflection, bool channelz) : reflection_(reflection), channelz_(channelz) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [this](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      const std::string name = plugin->name();
      return (!reflection_ && absl::StartsWith(name, "proto_server_reflection")) ||
             (!channelz_ && absl::StartsWith(name, "channelz"));
    });
  }

 private:
  const bool reflection_;
  const bool channelz_;
};

absl::Status CheckScopes(const std::string& service) {
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  if (descriptor == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SERVICE_UNKNOWN",
                     absl::StrCat("no contract has the service ", service));
  }
  std::vector<std::string> undeclared;
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const auto* method = descriptor->method(i);
    if (method->options().GetExtension(options::v1::required_scope) == options::v1::SCOPE_UNSPECIFIED) {
      undeclared.push_back(method->full_name());
    }
  }
  if (undeclared.empty()) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "SCOPE_UNDECLARED",
      absl::StrCat("refusing to serve: no required_scope is declared for ", absl::StrJoin(undeclared, ", ")));
}

absl::Status CheckBind(std::string_view address, bool tls, bool allowed) {
  if (tls || allowed || address.empty() || IsLocalAddress(address)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "INSECURE_BIND",
                   absl::StrCat("refusing to listen on ", ToAbsl(address),
                                " without TLS: others could read tokens. Configure TLS, bind a loopback address or "
                                "pass --allow-insecure-bind"));
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(const ServerTls& tls) {
  if (!tls.enabled()) {
    if (tls.require_client_cert || !tls.client_ca_file.empty()) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "TLS_FILES",
                       "client certificates are asked for, but there is no certificate for this server");
    }
    return grpc::InsecureServerCredentials();
  }
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  SY_ASSIGN_OR_RETURN(pair.cert_chain, ReadPem(tls.cert_file, "CERTIFICATE"));
  SY_ASSIGN_OR_RETURN(pair.private_key, ReadPem(tls.key_file, "PRIVATE KEY"));
  SY_RETURN_IF_ERROR(CheckKeyMatches(tls.cert_file, pair.cert_chain, tls.key_file, pair.private_key));
  grpc::SslServerCredentialsOptions options(
      tls.require_client_cert      ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
      : tls.client_ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                   : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_key_cert_pairs.push_back(std::move(pair));
  if (!tls.client_ca_file.empty()) {
    SY_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(tls.client_ca_file, "CERTIFICATE"));
  } else if (tls.require_client_cert) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "TLS_FILES",
                     "client certificates are required, but client_ca_file does not say whose");
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace

struct Server::State {
  State(ServerOptions given, ServerDeps given_deps)
      : options(std::move(given)),
        deps(given_deps),
        gate(deps.clock, deps.rng, deps.metrics, deps.authenticator, options.limits),
        readiness([this](bool ready) { Tell(kReadyService, ready); }),
        sweeper(
            "rpc-sweep", [this] { Sweep(); }, [] { return kSweepPeriod; }) {}

  void Tell(std::string_view service, bool serving) {
    MutexLock lock(health_mutex);
    if (health != nullptr) health->SetServingStatus(std::string(service), serving);
    if (service == kReadyService) LogInfo("readiness changed", {{"ready", serving}});
  }

  void Sweep() {
    if (draining.load()) gate.DrainStreams();
    gate.streams().SweepAll(static_cast<int>(options.slow_reader_grace / kSweepPeriod));
  }

  void Stop(absl::Duration delay) {
    MutexLock lock(stop_mutex);
    if (server == nullptr) return;
    readiness.BeginDraining();
    for (const std::string& name : names) Tell(name, false);
    drain_wait.NotifyAll();
    if (delay > absl::ZeroDuration()) drain_wait.WaitFor(stop_mutex, delay);
    // Another Stop() may have hurried past during the wait.
    if (server == nullptr) return;
    draining.store(true);
    gate.DrainStreams();
    server->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_millis(Millis(options.drain_deadline), GPR_TIMESPAN)));
    server->Wait();
    sweeper.Stop();
    {
      MutexLock health_lock(health_mutex);
      health = nullptr;
    }
    server.reset();
    metrics_server.reset();
  }

  void StopInProcess() {
    MutexLock lock(stop_mutex);
    if (inner == nullptr) return;
    inner->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_millis(Millis(kInProcessDeadline), GPR_TIMESPAN)));
    inner->Wait();
    if (!gate.streams().WaitUntilEmpty(kLastStreams)) LogWarning("streams outlive their server");
    inner.reset();
  }

  const ServerOptions options;
  const ServerDeps deps;
  CallGate gate;
  std::vector<grpc::Service*> services;
  std::vector<std::string> names;
  std::string address;
  int port = 0;
  std::atomic<bool> draining{false};
  Mutex health_mutex;
  grpc::HealthCheckServiceInterface* health ABSL_GUARDED_BY(health_mutex) = nullptr;
  Readiness readiness;
  PeriodicTask sweeper;
  // Held through a stop, so that a second one waits for the first, or hurries it past its delay.
  Mutex stop_mutex;
  CondVar drain_wait;
  std::unique_ptr<telemetry::MetricsServer> metrics_server;
  std::unique_ptr<grpc::Server> server ABSL_GUARDED_BY(stop_mutex);
  // The same services again, for calls of this process to itself: a call over an in-process channel whose server has
  // begun its shutdown crashes the process, and while agents and clients are drained these calls have to go on.
  std::unique_ptr<grpc::Server> inner ABSL_GUARDED_BY(stop_mutex);
};

Server::Server(ServerOptions options, ServerDeps deps) : state_(std::make_unique<State>(std::move(options), deps)) {}

Server::~Server() {
  Stop();
  StopInProcess();
}

CallGate& Server::gate() { return state_->gate; }

void Server::Register(grpc::Service& service, std::string_view full_name) {
  state_->services.push_back(&service);
  state_->names.emplace_back(full_name);
}

absl::Status Server::Start() {
  PrepareGrpc();
  State& state = *state_;
  const ServerOptions& options = state.options;
  for (const std::string& name : state.names) SY_RETURN_IF_ERROR(CheckScopes(name));
  SY_RETURN_IF_ERROR(CheckBind(options.listen, options.tls.enabled(), options.allow_insecure_bind));
  SY_RETURN_IF_ERROR(CheckBind(options.metrics_listen, false, options.allow_insecure_bind));
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, MakeCredentials(options.tls));
  if (!options.metrics_listen.empty()) {
    SY_ASSIGN_OR_RETURN(state.metrics_server,
                        telemetry::MetricsServer::Start(options.metrics_listen, state.deps.metrics));
  }

  grpc::EnableDefaultHealthCheckService(true);
  if (options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  if (options.channelz) grpc::channelz::experimental::InitChannelzService();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  // What was done must be answered: an answer that cannot be sent is a call whose effect nobody learns of.
  builder.SetMaxSendMessageSize(kUnlimited);
  // With port sharing a taken port would go unnoticed.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Millis(options.min_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.SetOption(std::make_unique<ChosenPlugins>(options.reflection, options.channelz));
  // Only reflection and channelz are served by threads that wait; few suffice.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  if (!options.listen.empty()) {
    SY_RETURN_IF_ERROR(ProbeListen(options.listen));
    builder.AddListeningPort(options.listen, credentials, &state.port);
  }
  for (grpc::Service* service : state.services) builder.RegisterService(service);

  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || (!options.listen.empty() && state.port == 0)) {
    state.metrics_server.reset();
    if (!options.listen.empty()) SY_RETURN_IF_ERROR(ProbeListen(options.listen));
    return MakeError(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
                     absl::StrCat("cannot listen on ", options.listen, ": the address cannot be bound"));
  }
  grpc::ServerBuilder inner_builder;
  inner_builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  inner_builder.SetMaxSendMessageSize(kUnlimited);
  inner_builder.SetOption(std::make_unique<ChosenPlugins>(false, false));
  for (grpc::Service* service : state.services) inner_builder.RegisterService(service);
  std::unique_ptr<grpc::Server> inner = inner_builder.BuildAndStart();

  state.address = options.listen;
  if (const std::size_t colon = options.listen.rfind(':'); state.port > 1 && colon != std::string::npos) {
    state.address = absl::StrCat(options.listen.substr(0, colon + 1), state.port);
  }
  {
    MutexLock lock(state.health_mutex);
    state.health = server->GetHealthCheckService();
  }
  for (const std::string& name : state.names) state.Tell(name, true);
  state.Tell(kReadyService, false);
  {
    MutexLock lock(state.stop_mutex);
    state.server = std::move(server);
    state.inner = std::move(inner);
  }
  state.sweeper.Start();
  state.readiness.BeginServing();
  LogInfo("serving", {{"address", state.address}, {"tls", options.tls.enabled()}, {"metrics_port", metrics_port()}});
  return absl::OkStatus();
}

std::string Server::address() const { return state_->address; }
int Server::port() const { return state_->port; }
int Server::metrics_port() const { return state_->metrics_server == nullptr ? 0 : state_->metrics_server->port(); }
void Server::SetReady(std::string_view condition, bool holds) { state_->readiness.Set(condition, holds); }
bool Server::ready() const { return state_->readiness.ready(); }
void Server::DrainAndStop() { state_->Stop(state_->options.drain_delay); }
void Server::Stop() { state_->Stop(absl::ZeroDuration()); }
void Server::StopInProcess() { state_->StopInProcess(); }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kUnlimited);
  MutexLock lock(state_->stop_mutex);
  return state_->inner == nullptr ? nullptr : state_->inner->InProcessChannel(arguments);
}

}  // namespace switchyard::rpc
