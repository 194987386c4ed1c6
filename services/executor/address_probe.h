#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/rpc/channel.h"

namespace switchyard::executor {

// Dials "host:port" or "unix:PATH" and, with TLS, shakes hands, only to say what is wrong where gRPC would say that a
// connection failed. Blocks for about `timeout` at most. FAILED_PRECONDITION or UNAVAILABLE with one of the reasons
// ADDRESS_UNREADABLE, ADDRESS_UNRESOLVED, ADDRESS_UNREACHABLE, TLS_FILES, TLS_FAILED.
absl::Status ProbeAddress(const std::string& address, const rpc::ChannelTls& tls, absl::Duration timeout);

}  // namespace switchyard::executor
