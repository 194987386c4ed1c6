#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/rpc/channel.h"

namespace switchyard::rpc {

// OK when the server says that `service` is SERVING: "" for the process itself, "switchyard.ready", or a service's
// name.
absl::Status CheckHealth(const ChannelOptions& channel, std::string_view service,
                         absl::Duration timeout = absl::Seconds(3));

// The `--healthcheck[=ready]` of every binary, for images without a shell: exit code 0 or 1, one line on standard error
// in the second case. `listen` is the address that the server was told to bind.
int RunHealthcheck(std::string_view listen, std::string_view service, const ChannelTls& tls = {},
                   absl::Duration timeout = absl::Seconds(3));

}  // namespace switchyard::rpc
