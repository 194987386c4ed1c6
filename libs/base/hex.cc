#include "libs/base/hex.h"

#include <cstddef>
#include <cstdint>

#include "libs/base/hex_digits.h"

namespace switchyard {

std::string ToHex(std::string_view bytes) {
  std::string out(2 * bytes.size(), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t at = 2 * static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[i]));
    out[2 * i] = internal::kHexPairs[at];
    out[2 * i + 1] = internal::kHexPairs[at + 1];
  }
  return out;
}

absl::StatusOr<std::string> FromHex(std::string_view digits) {
  if (digits.size() % 2 != 0) return absl::InvalidArgumentError("odd count of hexadecimal digits");
  std::string out(digits.size() / 2, '\0');
  std::uint8_t bad = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint8_t high = internal::kHexValues[static_cast<std::uint8_t>(digits[2 * i])];
    const std::uint8_t low = internal::kHexValues[static_cast<std::uint8_t>(digits[2 * i + 1])];
    bad |= static_cast<std::uint8_t>((high | low) & 0xF0);
    out[i] = static_cast<char>((high << 4) | (low & 15));
  }
  if (bad != 0) return absl::InvalidArgumentError("not a hexadecimal digit");
  return out;
}

}  // namespace switchyard
