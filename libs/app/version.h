#pragma once

#include <string>
#include <string_view>

namespace switchyard::app {

// "0.1.0".
std::string_view Version();
// "switchyard-identity 0.1.0 (gRPC 1.51.1, protobuf 3.21.12)".
std::string VersionLine(std::string_view program);

}  // namespace switchyard::app
