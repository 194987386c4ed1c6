#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::telemetry {

// Answers Prometheus' scrapes over HTTP at /metrics, on threads of its own, until destroyed. There is no
// authentication: whoever chooses the address decides who can read.
class MetricsServer {
 public:
  // `address` is "host:port"; port 0 picks a free one. UNAVAILABLE, reason METRICS_LISTEN_FAILED, when the address is
  // taken or not of this host. `metrics` must outlive the server.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(std::string_view address, const Metrics& metrics);
  ~MetricsServer();

  int port() const;

 private:
  struct State;
  explicit MetricsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::telemetry
