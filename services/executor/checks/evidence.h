// Text that stands in reports.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace switchyard::executor::checks {

inline constexpr std::size_t kEvidenceBytes = 16 * 1024;

// Head and tail of a text, at most `limit` bytes with a line between them that says how much is missing; cut between
// characters, at ends of lines where those are near. `omitted` grows by what is left out.
std::string Shorten(std::string_view text, std::size_t limit, std::size_t& omitted);

// Redacted, well-formed UTF-8, no NUL, shortened to kEvidenceBytes.
std::string ToEvidence(std::string_view text, std::size_t& omitted);

// A path in quotes, whatever bytes it holds, in one line of at most 300 bytes.
std::string Quoted(std::string_view path);

}  // namespace switchyard::executor::checks
