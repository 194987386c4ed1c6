// What the way through rpc::Handlers costs on top of a bare callback handler: 64 calls in flight over loopback TCP.
#include <benchmark/benchmark.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/rpc/caching_authenticator.h"
#include "libs/rpc/echo_service.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"

namespace switchyard::rpc {
namespace {

constexpr int kInFlight = 64;

class BareEcho final : public EchoService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* c, const EchoRequest* q, EchoResponse* r) override {
    r->set_text(q->text());
    auto* reactor = c->DefaultReactor();
    reactor->Finish(grpc::Status());
    return reactor;
  }
};

// Keeps kInFlight calls going until as many as wanted are done.
class Load {
 public:
  Load(const Caller& caller, EchoService::StubInterface& stub, std::int64_t calls)
      : caller_(caller), stub_(stub), to_start_(calls), to_finish_(calls) {}
  void Run() {
    for (int i = 0; i < kInFlight; ++i) Next();
    done_.WaitForNotification();
  }

 private:
  void Next() {
    if (to_start_.fetch_sub(1) <= 0) return;
    EchoRequest request;
    request.set_text("hello");
    CallUnaryAsync(caller_, stub_.async(), &EchoService::StubInterface::async_interface::Echo, std::move(request),
                   CallOptions(), [this](const absl::StatusOr<EchoResponse>& answer) {
                     if (!answer.ok()) std::abort();
                     Next();
                     if (to_finish_.fetch_sub(1) == 1) done_.Notify();
                   });
  }

  const Caller& caller_;
  EchoService::StubInterface& stub_;
  std::atomic<std::int64_t> to_start_;
  std::atomic<std::int64_t> to_finish_;
  absl::Notification done_;
};

void BM_BareHandler(benchmark::State& state) {
  testing::RpcTestServer helper;
  BareEcho service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const std::unique_ptr<EchoService::StubInterface> stub =
      EchoService::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  for (auto _ : state) Load(helper.caller("read-token"), *stub, 5'000).Run();
  state.SetItemsProcessed(state.iterations() * 5'000);
  server->Shutdown();
}
BENCHMARK(BM_BareHandler)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_Handlers(benchmark::State& state) {
  const DisciplinedClock clock;
  StaticAuthenticator identity;
  identity.Add("read-token", {.id = "r", .name = "r", .scopes = {options::v1::SCOPE_READ}});
  CachingAuthenticator cache(identity, clock);
  ServerOptions options = testing::RpcTestServer::Options();
  options.reflection = false;
  testing::RpcTestServer server(options, &clock, &cache);
  EchoRpc service(server.gate());
  server.Register(service, EchoService::service_full_name());
  server.Start();
  const std::unique_ptr<EchoService::StubInterface> stub =
      EchoService::NewStub(state.range(0) != 0 ? server.in_process_channel() : server.channel());
  for (auto _ : state) Load(server.caller("read-token"), *stub, 5'000).Run();
  state.SetItemsProcessed(state.iterations() * 5'000);
  server.Stop();
}
BENCHMARK(BM_Handlers)
    ->ArgName("in_process")
    ->Arg(0)
    ->Arg(1)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace switchyard::rpc
