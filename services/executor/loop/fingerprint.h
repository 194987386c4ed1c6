#pragma once

#include <string>
#include <string_view>

namespace switchyard::executor::loop {

// Text of a failure without what differs from run to run: terminal colours, folders of paths (a file's own name stays),
// line and column numbers, addresses, times, durations, process ids, names of temporary files, ids and digests. Values
// that a test compares stay: another wrong result is another failure. Doing it twice changes nothing more. Takes
// arbitrary bytes; linear time.
std::string NormaliseFailure(std::string_view text);

// 16 hexadecimal digits, the same for failures that say the same: by the lines that name the error, normalised,
// whatever their order and however often they come; without such lines by all of them.
std::string Fingerprint(std::string_view text);

}  // namespace switchyard::executor::loop
