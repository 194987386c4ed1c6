#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace switchyard {

// Two small-letter digits for each byte.
std::string ToHex(std::string_view bytes);
// Accepts digits of either case; INVALID_ARGUMENT for anything else or an odd count.
absl::StatusOr<std::string> FromHex(std::string_view digits);

}  // namespace switchyard
