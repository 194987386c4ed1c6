#pragma once

#include <string>

#include "absl/status/status.h"

namespace switchyard {

// "UNAVAILABLE DATABASE_UNAVAILABLE: message": code, reason if it has one, message; for people and logs. "OK" for OK.
// Unlike ToString() without payloads, which are bytes for programs.
std::string ToText(const absl::Status& status);

}  // namespace switchyard
