#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

// Thread-safe; contexts are kept per thread, since making one costs more than hashing a short text.
std::array<std::uint8_t, 32> Sha256(std::string_view text);
// The same as 64 small hexadecimal digits.
std::string Sha256Hex(std::string_view text);

}  // namespace switchyard
