#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace switchyard::text {

// INVALID_ARGUMENT, saying what is wrong and where, unless `pattern` is a path pattern we accept: relative, `/` between
// non-empty segments, no `.` or `..` segment, `**` only as a whole segment, `*` and `?` within one, `[a-z]` and
// `[!a-z]` not empty and with ordered ranges, `{a,b}` without braces, brackets or `/` inside; no backslashes, no
// control characters; valid UTF-8; at most 1024 bytes. Such a pattern cannot leave the folder it is applied to.
absl::Status ValidateGlob(std::string_view pattern);

// Whether a path, relative and with `/` between its parts, matches such a pattern as a whole: `*` and `?` stand for
// anything but `/`, `**` for any number of whole parts, at the end of a pattern for at least one, a leading dot is like
// any other character. Any bytes may come as path, and take time linear in the product of both lengths. False for a
// pattern that is not valid.
bool MatchesGlob(std::string_view pattern, std::string_view path);

}  // namespace switchyard::text
