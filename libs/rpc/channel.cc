#include "libs/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/address.h"
#include "libs/rpc/grpc_runtime.h"
#include "libs/rpc/pem_file.h"

namespace switchyard::rpc {
namespace {

int Millis(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ChannelOptions& options) {
  const ChannelTls& tls = options.tls;
  if (!tls.enabled()) {
    if (options.allow_insecure || IsLocalAddress(options.target)) return grpc::InsecureChannelCredentials();
    return MakeError(absl::StatusCode::kFailedPrecondition, "INSECURE_TARGET",
                     absl::StrCat("refusing to send a token to ", options.target,
                                  " without TLS: others could read it. Configure the authority's certificate"));
  }
  grpc::SslCredentialsOptions ssl;
  SY_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(tls.ca_file, "CERTIFICATE"));
  if (!tls.cert_file.empty() || !tls.key_file.empty()) {
    SY_ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem(tls.cert_file, "CERTIFICATE"));
    SY_ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(tls.key_file, "PRIVATE KEY"));
    SY_RETURN_IF_ERROR(CheckKeyMatches(tls.cert_file, ssl.pem_cert_chain, tls.key_file, ssl.pem_private_key));
  }
  return grpc::SslCredentials(ssl);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options) {
  PrepareGrpc();
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials, MakeCredentials(options));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // Retries are ours: the same over the network and in one process.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // One connection per channel, not one shared by all channels to the same address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (options.target.rfind("dns:", 0) == 0) arguments.SetLoadBalancingPolicyName("round_robin");
  if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
  return grpc::CreateCustomChannel(options.target, credentials, arguments);
}

}  // namespace switchyard::rpc
