#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard::rpc {

// PEM files. TLS is on when `ca_file` is set.
struct ChannelTls {
  // Authorities that the server's certificate must come from.
  std::string ca_file;
  // Ours, for mutual TLS; both or neither.
  std::string cert_file;
  std::string key_file;
  // The name in the server's certificate, where the target's differs ("localhost" for a tunnel).
  std::string server_name;

  bool enabled() const { return !ca_file.empty(); }
};

struct ChannelOptions {
  // "host:port", "dns:///name:port" (round robin over all addresses), "unix:/path".
  std::string target;
  ChannelTls tls;
  // Without TLS only loopback and Unix sockets are spoken to, since a token goes with every call, unless this is set.
  bool allow_insecure = false;
  // Of an answer. Servers bound what they are sent, and their lists to a few MiB a page; single answers may be larger.
  std::size_t max_message_bytes = 64u << 20;
  absl::Duration keepalive_time = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);
};

// FAILED_PRECONDITION, reason INSECURE_TARGET or TLS_FILES. Does not dial: calls do, and connect again by themselves
// within about two seconds of the server's return.
//
// Channels live as long as the process: gRPC 1.51 can crash when a callback drops the last one. Whoever makes one keeps
// it in the composition root until no call is under way, and drops it on a thread of its own.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options);

}  // namespace switchyard::rpc
