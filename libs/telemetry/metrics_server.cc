#include "libs/telemetry/metrics_server.h"

#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::telemetry {
namespace {

// Begins a connection and drops it; whether it comes about does not matter.
void Knock(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    connect(fd, at->ai_addr, at->ai_addrlen);
    close(fd);
  }
  freeaddrinfo(found);
}

// "127.0.0.1" of "127.0.0.1:80", "::1" of "[::1]:80".
std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

struct MetricsServer::State {
  explicit State(const std::string& address) : host(HostOf(address)) { exposer.emplace(address, 1); }

  // The exposer looks only every two seconds, or when somebody connects, whether it shall end.
  ~State() {
    PeriodicTask hurry(
        "metrics-stop", [this] { Knock(host, port); }, [] { return absl::Milliseconds(10); });
    hurry.Start();
    exposer.reset();
    hurry.Stop();
  }

  const std::string host;
  std::shared_ptr<prometheus::Collectable> collectable;
  std::optional<prometheus::Exposer> exposer;
  int port = 0;
};

MetricsServer::MetricsServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
MetricsServer::~MetricsServer() = default;

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(std::string_view address, const Metrics& metrics) {
  try {
    auto state = std::make_unique<State>(std::string(address));
    state->collectable = metrics.collectable();
    state->exposer->RegisterCollectable(state->collectable);
    const std::vector<int> ports = state->exposer->GetListeningPorts();
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
