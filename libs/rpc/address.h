#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::rpc {

// True when nobody off this host can reach it: "unix:…", or a host that is "localhost", in 127.0.0.0/8 or ::1. Takes
// listen addresses and targets ("dns:///host:port", "ipv4:…"). Anything unclear is not local.
bool IsLocalAddress(std::string_view address);

// The address under which a process on the same host reaches what listens on `listen`: wildcard hosts become loopback.
std::string LocalTarget(std::string_view listen);

// Why `listen` could not be bound, found by trying: says "in use", "permission denied" and so on. Also finds a live
// server on a Unix socket, which gRPC would silently replace. OK when binding works now. Blocks shortly.
absl::Status ProbeListen(std::string_view listen);

}  // namespace switchyard::rpc
