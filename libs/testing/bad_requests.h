#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

#include "libs/testing/rpc_test_server.h"

namespace switchyard::testing {

// Calls every method of the contract with text that is not UTF-8, where its request has text, and with bytes that are
// no message. Returns a line for each call that was not refused with INVALID_FIELD and one violation, which names the
// field that is not UTF-8. `token` as for RpcTestServer::caller. Methods that stream requests count as calls of one.
std::vector<std::string> WronglyAnsweredBadRequests(RpcTestServer& server,
                                                    const google::protobuf::ServiceDescriptor& service,
                                                    std::string_view token);

}  // namespace switchyard::testing
