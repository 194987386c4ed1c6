#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "libs/rpc/call_gate.h"

namespace switchyard::rpc {

// PEM files. TLS is on when `cert_file` is set.
struct ServerTls {
  std::string cert_file;
  std::string key_file;
  // Authorities whose client certificates are accepted.
  std::string client_ca_file;
  // Mutual TLS: a client without a certificate of `client_ca_file` is turned away, whatever token it holds.
  bool require_client_cert = false;

  bool enabled() const { return !cert_file.empty(); }
};

struct ServerOptions {
  // "host:port" (port 0 picks a free one), "unix:/path", or "" for in-process channels only.
  std::string listen = "127.0.0.1:0";
  // Without TLS only loopback and Unix sockets may be bound, for calls and for metrics, unless this is set.
  bool allow_insecure_bind = false;
  ServerTls tls;
  // Of what is received; answers are bounded by those who make them.
  std::size_t max_message_bytes = 4u << 20;
  CallLimits limits;
  // Clients that ping more often than this are sent away.
  absl::Duration min_ping_interval = absl::Seconds(10);
  absl::Duration keepalive_time = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // "host:port" for Prometheus' scrapes; "" for none.
  std::string metrics_listen;
  // Between not being ready any more and the end of service: the time in which balancers notice.
  absl::Duration drain_delay = absl::Seconds(3);
  // Calls that are not done by then are cancelled.
  absl::Duration drain_deadline = absl::Seconds(20);
  // A closing stream whose reader takes nothing for this long is cancelled.
  absl::Duration slow_reader_grace = absl::Seconds(10);
  bool reflection = true;
  bool channelz = false;
};

}  // namespace switchyard::rpc
