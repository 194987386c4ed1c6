#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace switchyard::text {

// INVALID_ARGUMENT, saying what is wrong and where, unless `pattern` is a path pattern we accept: relative, `/` between
// non-empty segments, no `.` or `..` segment, `**` only as a whole segment, `*` and `?` within one, `[a-z]` and
// `[!a-z]` not empty and with ordered ranges, `{a,b}` without braces, brackets or `/` inside; no backslashes, no
// control characters; valid UTF-8; at most 1024 bytes. Such a pattern cannot leave the folder it is applied to.
absl::Status ValidateGlob(std::string_view pattern);

}  // namespace switchyard::text
