#include "libs/rpc/healthcheck.h"

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/status_text.h"
#include "libs/base/strings.h"
#include "libs/rpc/address.h"
#include "libs/rpc/retry.h"

namespace switchyard::rpc {

absl::Status CheckHealth(const ChannelOptions& options, std::string_view service, absl::Duration timeout) {
  using grpc::health::v1::Health;
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel(options));
  const std::unique_ptr<Health::StubInterface> stub = Health::NewStub(channel);
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  AlarmTimer timer;
  const Caller caller(clock, *rng, timer, nullptr);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(std::string(service));
  SY_ASSIGN_OR_RETURN(const grpc::health::v1::HealthCheckResponse answer,
                      CallUnary(caller, *stub, &Health::StubInterface::Check, request, {.timeout = timeout}));
  if (answer.status() == grpc::health::v1::HealthCheckResponse::SERVING) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "NOT_SERVING",
                   absl::StrCat(service.empty() ? absl::string_view("the process") : ToAbsl(service), " is ",
                                grpc::health::v1::HealthCheckResponse::ServingStatus_Name(answer.status())));
}

int RunHealthcheck(std::string_view listen, std::string_view service, const ChannelTls& tls, absl::Duration timeout) {
  ChannelOptions options;
  options.target = LocalTarget(listen);
  options.tls = tls;
  // An address of this host that is not loopback; no token goes with the question.
  options.allow_insecure = true;
  const absl::Status status = CheckHealth(options, service, timeout);
  if (status.ok()) return 0;
  std::fprintf(stderr, "unhealthy: %s\n", ToText(status).c_str());
  return 1;
}

}  // namespace switchyard::rpc
