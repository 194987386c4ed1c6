#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/http/http_transport.h"
#include "libs/telemetry/metrics.h"

namespace switchyard::http {

struct HttpClientOptions {
  // Of requests on the network at once, over all origins (scheme, host and port) and to one of them. A connection
  // carries one request at a time, so these bound connections too.
  std::size_t max_in_flight = 256;
  std::size_t max_per_origin = 32;
  // Of requests that wait for a place; more are refused.
  std::size_t max_queued = 4096;
  // Idle connections kept for reuse.
  std::size_t max_idle_connections = 64;
  // In PEM, instead of the system's authorities; empty means the system's.
  std::string ca_file;
  // Follows http_proxy, https_proxy and no_proxy. Off: endpoints are reached directly, whatever the environment says.
  bool proxy_from_environment = false;
  // Never connects to an address that is link-local (see link_local.h), whatever name led there: kRefused.
  bool refuse_link_local = false;
  std::string user_agent = "switchyard";
};

// HTTP/1.1 over one libcurl multi loop on one thread, however many requests are under way. Certificates are verified,
// TLS is 1.2 or later, redirects are answers like any other, cookies and stored credentials do not exist. A GET or HEAD
// may be sent again, once, when a connection kept for reuse proves to be dead; nothing else is ever sent twice.
class HttpClient final : public HttpTransport {
 public:
  // Borrows `clock`, and `metrics` when given: gauges switchyard_http_in_flight and switchyard_http_queued, counter
  // switchyard_http_requests_total by outcome. One client per Metrics.
  HttpClient(const Clock& clock, HttpClientOptions options, telemetry::Metrics* metrics = nullptr);
  // Stops first, if that was not done.
  ~HttpClient() override;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Requests sent before wait for it.
  void Start();
  // Ends every request as kCancelled; no callback runs once it has returned. Not to be called from a callback.
  void Stop();

  absl::StatusOr<HttpCallId> Send(HttpRequest request, HttpCallbacks callbacks) override;
  void Cancel(HttpCallId id) override;

  std::size_t in_flight() const;
  std::size_t queued() const;
  // Makes the loop read the clock now; a test that moved its own clock calls it.
  void Wake();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace switchyard::http
