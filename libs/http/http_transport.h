// What an HTTP exchange is here, and the interface that carries one out: HttpClient over the network, FakeHttp in
// tests. Free of libcurl, so that cores may use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard::http {

struct HttpHeader {
  std::string name;
  std::string value;

  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

using HttpHeaders = std::vector<HttpHeader>;

// The first header of that name, in any case; nullptr when there is none.
const std::string* FindHeader(const HttpHeaders& headers, std::string_view name);

// Each is measured on its own; InfiniteDuration() leaves one out, zero or less has passed already.
struct HttpTimeouts {
  // For a free place among the requests of the same origin.
  absl::Duration queue = absl::InfiniteDuration();
  // Name resolution, TCP and TLS together.
  absl::Duration connect = absl::Seconds(5);
  // From when the connection stands until the first byte of the body: status and headers alone do not end it, since
  // model servers send those before they load a model.
  absl::Duration first_byte = absl::Seconds(60);
  // Between two pieces of the body.
  absl::Duration idle = absl::Seconds(60);
  // From Send() to the end, the time in the queue included.
  absl::Duration total = absl::Minutes(5);
};

struct HttpRequest {
  std::string method = "GET";
  // http or https only, without user or password.
  std::string url;
  // Those with secrets may go here: no header and no query is ever logged or quoted in an outcome.
  HttpHeaders headers;
  std::string body;
  HttpTimeouts timeouts;
  // Of the body as it arrives, streamed or not.
  std::size_t max_body_bytes = std::size_t{8} << 20;
  // Of status line and headers together.
  std::size_t max_header_bytes = std::size_t{64} << 10;
};

// Why there is no whole answer. An answer with status 500 is a whole answer.
enum class HttpFailure {
  kNone,
  // The place in the queue did not come; says nothing about the server.
  kQueueTimeout,
  kNotResolved,
  // Nothing listens there, or no way leads there.
  kRefused,
  // The handshake failed or the certificate is not one to trust.
  kTls,
  kConnectTimeout,
  kFirstByteTimeout,
  kIdleTimeout,
  kTotalTimeout,
  // The connection broke before the headers were whole.
  kReset,
  // It broke within the body. A server that ends a body only by closing can hide this: formats need their own end mark.
  kTruncated,
  // Headers or body beyond the request's bounds.
  kTooLarge,
  // What came is not HTTP.
  kProtocol,
  // Cancel(), Stop(), or a callback that returned false.
  kCancelled,
  kInternal,
};

// "first_byte_timeout"; stable, for labels of metrics.
std::string_view FailureName(HttpFailure failure);
bool IsTimeout(HttpFailure failure);

struct HttpTimings {
  absl::Duration queued;
  // Zero for a connection used again; from leaving the queue.
  absl::Duration connect;
  // From when the connection stood to the first byte of the body; zero when none came.
  absl::Duration first_byte;
  // From Send().
  absl::Duration total;
};

// Status and headers, known before the body.
struct HttpHead {
  int status = 0;
  HttpHeaders headers;
};

struct HttpOutcome {
  HttpFailure failure = HttpFailure::kNone;
  // For people and logs: free of headers, query and body.
  std::string detail;
  // What arrived before a failure is here too; status 0 when no headers came.
  HttpHead head;
  // Whole, when the answer was not streamed. Of a status other than 2xx that was to be streamed, the first 64 KiB.
  std::string body;
  HttpTimings timings;

  // A whole answer with status 2xx.
  bool ok() const { return failure == HttpFailure::kNone && head.status >= 200 && head.status < 300; }
  // OK for any whole answer, whatever its status. Reasons: "HTTP_" and FailureName() in capitals.
  absl::Status ToStatus() const;
};

// Called on the transport's thread, one request's in order, never after on_done: they must be quick, never wait, and
// may call Send and Cancel.
struct HttpCallbacks {
  // Once the headers are whole. May be empty. False ends the exchange as kCancelled.
  std::function<bool(const HttpHead& head)> on_head;
  // When set, the body of a 2xx answer comes in pieces as it arrives, not collected. False ends it as kCancelled.
  std::function<bool(std::string_view chunk)> on_chunk;
  // Exactly once for each request that Send took, also after Cancel and Stop.
  std::function<void(HttpOutcome outcome)> on_done;
};

// Names a request that Send took; never used again.
using HttpCallId = std::uint64_t;

// Thread-safe.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // Returns at once. When it refuses, no callback is ever called: INVALID_ARGUMENT, reason INVALID_HTTP_REQUEST;
  // RESOURCE_EXHAUSTED, reason HTTP_QUEUE_FULL; UNAVAILABLE, reason SHUTTING_DOWN. on_done may run before this returns.
  virtual absl::StatusOr<HttpCallId> Send(HttpRequest request, HttpCallbacks callbacks) = 0;
  // Ends the exchange and closes its connection, so that the server notices; on_done follows with kCancelled unless it
  // was already on its way. Unknown and ended ids are ignored. Callbacks may still run when this returns.
  virtual void Cancel(HttpCallId id) = 0;
};

// Sends and waits for the end; for commands and tests, never on a transport's own thread. What Send refuses ends as
// kCancelled (shutting down), kQueueTimeout (queue full) or kInternal, with its message as the detail.
HttpOutcome Fetch(HttpTransport& transport, HttpRequest request);

// INVALID_ARGUMENT (reason INVALID_HTTP_REQUEST) for a method, header name or value that could forge another line of
// the request. The URL is the transport's to check.
absl::Status CheckRequest(const HttpRequest& request);

// How long the server asks to wait: retry-after-ms, else Retry-After in seconds or as a date. Never negative; nullopt
// without a header that can be read.
std::optional<absl::Duration> RetryAfter(const HttpHeaders& headers, absl::Time now);

}  // namespace switchyard::http
