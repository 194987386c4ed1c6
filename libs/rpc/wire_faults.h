#pragma once

#include <google/protobuf/descriptor.h>

#include <string_view>
#include <vector>

#include "libs/base/status.h"

namespace switchyard::rpc {

// Why bytes that the parser refused are no message of that type: one violation for each text that is not UTF-8, at most
// 100; or a single one, without a field, when they are no message at all. Never empty. Work and memory are bounded by
// the bytes.
std::vector<FieldViolation> WireFaults(const google::protobuf::Descriptor& type, std::string_view bytes);

}  // namespace switchyard::rpc
