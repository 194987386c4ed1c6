#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard::http {

// Of an endpoint, or of what a credential may be sent to.
struct EndpointUrl {
  bool tls = false;
  // In lower case, an IPv6 address in brackets.
  std::string host;
  int port = 0;
  // Empty, or "/" and segments, without one at its end.
  std::string path;
};

// INVALID_ARGUMENT, reason INVALID_URL: http or https only; no user, query, fragment, percent sign, backslash, "." or
// ".." segment, or character that a URL does not have.
absl::StatusOr<EndpointUrl> ParseEndpointUrl(std::string_view text);

// "localhost", 127.0.0.0/8, ::1.
bool IsLoopback(const EndpointUrl& url);

// INVALID_ARGUMENT when it cannot be read; PERMISSION_DENIED, reason ADDRESS_REFUSED, when its host is written as a
// link-local address. Names are looked at when they are resolved, by the HTTP client.
absl::Status CheckEndpointUrl(std::string_view text);

// Whether everything below `prefix` holds `url` too: same scheme, host and port, and its path begins with that of the
// prefix, segment by segment.
bool IsBelow(const EndpointUrl& url, const EndpointUrl& prefix);

}  // namespace switchyard::http
