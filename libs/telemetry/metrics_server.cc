#include "libs/telemetry/metrics_server.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::telemetry {

struct MetricsServer::State {
  explicit State(const std::string& address) : exposer(address, 1) {}
  std::shared_ptr<prometheus::Collectable> collectable;
  prometheus::Exposer exposer;
  int port = 0;
};

MetricsServer::MetricsServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
MetricsServer::~MetricsServer() = default;

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(std::string_view address, const Metrics& metrics) {
  try {
    auto state = std::make_unique<State>(std::string(address));
    state->collectable = metrics.collectable();
    state->exposer.RegisterCollectable(state->collectable);
    const std::vector<int> ports = state->exposer.GetListeningPorts();
    state->port = ports.empty() ? 0 : ports.front();
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(state)));
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kUnavailable, "METRICS_LISTEN_FAILED",
                     absl::StrCat("cannot serve metrics on ", ToAbsl(address),
                                  ": the port is taken or the address is not of this host (", error.what(), ")"));
  }
}

int MetricsServer::port() const { return state_->port; }

}  // namespace switchyard::telemetry
