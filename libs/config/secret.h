#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace switchyard::config {

using Environment = std::map<std::string, std::string>;

// A copy of this process' environment.
Environment ProcessEnvironment();

// Reads what "env:NAME" or "file:PATH" refers to; one newline at the end does not count. Asked at each use, so that a
// rotated file is noticed. FAILED_PRECONDITION, reason SECRET_UNREADABLE, when it is absent, empty, longer than 64 KiB,
// not a regular file, or a file that group or others may read. INVALID_ARGUMENT for a literal. Never repeats a secret.
absl::StatusOr<std::string> ResolveSecret(std::string_view reference, const Environment& environment);
absl::StatusOr<std::string> ResolveSecret(std::string_view reference);

}  // namespace switchyard::config
