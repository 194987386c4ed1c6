// Tables shared by hex.cc and id.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace switchyard::internal {

// The digits of byte b stand at 2 * b.
inline constexpr std::array<char, 512> kHexPairs = [] {
  std::array<char, 512> pairs{};
  constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = kDigits[i >> 4];
    pairs[2 * i + 1] = kDigits[i & 15];
  }
  return pairs;
}();

// 0xFF for what is no digit.
inline constexpr std::array<std::uint8_t, 256> kHexValues = [] {
  std::array<std::uint8_t, 256> values{};
  for (std::size_t i = 0; i < 256; ++i) {
    values[i] = 0xFF;
    if (i >= '0' && i <= '9') values[i] = static_cast<std::uint8_t>(i - '0');
    if (i >= 'a' && i <= 'f') values[i] = static_cast<std::uint8_t>(i - 'a' + 10);
    if (i >= 'A' && i <= 'F') values[i] = static_cast<std::uint8_t>(i - 'A' + 10);
  }
  return values;
}();

}  // namespace switchyard::internal
