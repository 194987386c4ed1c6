// A service whose answers each test decides; only for the tests of this folder.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "libs/rpc/handler.h"
#include "switchyard/testing/v1/echo.grpc.pb.h"

namespace switchyard::rpc {

using ::switchyard::testing::v1::EchoRequest;
using ::switchyard::testing::v1::EchoResponse;
using ::switchyard::testing::v1::EchoService;
using ::switchyard::testing::v1::WatchEchoRequest;
using ::switchyard::testing::v1::WatchEchoResponse;

class EchoRpc final : public EchoService::CallbackService {
 public:
  explicit EchoRpc(CallGate& gate) : rpc_(gate, EchoService::service_full_name()) {}

  using EchoHandler = std::function<void(const CallContext&, const EchoRequest&, EchoResponse&, Done)>;
  using WatchHandler = std::function<absl::Status(const CallContext&, const WatchEchoRequest&,
                                                  std::shared_ptr<ServerStream<WatchEchoResponse>>)>;

  EchoHandler echo = [](const CallContext&, const EchoRequest& request, EchoResponse& response, Done done) {
    response.set_text(request.text());
    done(absl::OkStatus());
  };
  WatchHandler watch = [](const CallContext&, const WatchEchoRequest&,
                          const std::shared_ptr<ServerStream<WatchEchoResponse>>&) { return absl::OkStatus(); };
  StreamLimits limits;

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* c, const EchoRequest* q, EchoResponse* r) override {
    return rpc_.Unary(c, echo_, q, r,
                      [this](const CallContext& call, const EchoRequest& request, EchoResponse& response, Done done) {
                        echo(call, request, response, std::move(done));
                      });
  }
  grpc::ServerUnaryReactor* AdminEcho(grpc::CallbackServerContext* c,
                                      const switchyard::testing::v1::AdminEchoRequest* q,
                                      switchyard::testing::v1::AdminEchoResponse* r) override {
    return rpc_.Unary(c, admin_echo_, q, r,
                      [](const CallContext&, const auto&, auto&, Done done) { done(absl::OkStatus()); });
  }
  grpc::ServerUnaryReactor* OpenEcho(grpc::CallbackServerContext* c, const switchyard::testing::v1::OpenEchoRequest* q,
                                     switchyard::testing::v1::OpenEchoResponse* r) override {
    return rpc_.Unary(c, open_echo_, q, r,
                      [](const CallContext&, const auto&, auto&, Done done) { done(absl::OkStatus()); });
  }
  grpc::ServerWriteReactor<WatchEchoResponse>* WatchEcho(grpc::CallbackServerContext* c,
                                                         const WatchEchoRequest* q) override {
    return rpc_.Stream<WatchEchoResponse>(c, watch_echo_, q, limits,
                                          [this](const CallContext& call, const WatchEchoRequest& request,
                                                 std::shared_ptr<ServerStream<WatchEchoResponse>> stream) {
                                            return watch(call, request, std::move(stream));
                                          });
  }

 private:
  Handlers rpc_;
  const Method& echo_ = rpc_.Find("Echo");
  const Method& admin_echo_ = rpc_.Find("AdminEcho");
  const Method& open_echo_ = rpc_.Find("OpenEcho");
  const Method& watch_echo_ = rpc_.Find("WatchEcho");
};

}  // namespace switchyard::rpc
