#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace switchyard::rpc {

// Fit to leave the process: secrets redacted, valid UTF-8, at most `max_bytes`, cut between characters.
std::string CleanText(std::string_view text, std::size_t max_bytes);

}  // namespace switchyard::rpc
