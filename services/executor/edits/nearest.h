// "Did you mean these lines": never applied, only shown. Internal.
#pragma once

#include <cstddef>
#include <string>

#include "services/executor/edits/line_table.h"

namespace switchyard::executor::edits {

// The lines of the file that have most in common with the search, numbered, at most 14; empty when none are like it.
// Looks at `bytes` of the file at most, and takes what it used from them.
std::string NearestLines(const LineTable& file, const LineTable& search, std::size_t& bytes);

// Lines [begin, end) as a model is shown them: "  12 | text", each cut to 200 bytes; well-formed UTF-8.
std::string NumberedLines(const LineTable& file, std::size_t begin, std::size_t end);

}  // namespace switchyard::executor::edits
