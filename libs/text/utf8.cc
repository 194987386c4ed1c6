#include "libs/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace switchyard::text {

std::size_t DecodeUtf8(std::string_view text, char32_t* character) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0x80) {
    *character = first;
    return 1;
  }
  if (first < 0xC2) return 0;
  if (first < 0xE0) {
    if (text.size() < 2 || !follows(1)) return 0;
    *character = (static_cast<char32_t>(first & 0x1F) << 6) | (byte(1) & 0x3F);
    return 2;
  }
  if (first < 0xF0) {
    if (text.size() < 3 || !follows(1) || !follows(2)) return 0;
    const char32_t value =
        (static_cast<char32_t>(first & 0x0F) << 12) | (static_cast<char32_t>(byte(1) & 0x3F) << 6) | (byte(2) & 0x3F);
    if (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF)) return 0;
    *character = value;
    return 3;
  }
  if (first > 0xF4 || text.size() < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  const char32_t value = (static_cast<char32_t>(first & 0x07) << 18) | (static_cast<char32_t>(byte(1) & 0x3F) << 12) |
                         (static_cast<char32_t>(byte(2) & 0x3F) << 6) | (byte(3) & 0x3F);
  if (value < 0x10000 || value > 0x10FFFF) return 0;
  *character = value;
  return 4;
}

bool IsValidUtf8(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080u;
  std::size_t i = 0;
  while (i < text.size()) {
    while (text.size() - i >= 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + i, 8);
      if ((word & kHighBits) != 0) break;
      i += 8;
    }
    if (i == text.size()) break;
    char32_t ignored;
    const std::size_t length = DecodeUtf8(text.substr(i), &ignored);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  if (IsValidUtf8(text)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) {
    char32_t ignored;
    const std::size_t length = DecodeUtf8(text.substr(i), &ignored);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

std::string_view TruncateUtf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  // At most three bytes continue a character; more are not well-formed anyway and may be cut.
  for (int i = 0; i < 3 && end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

}  // namespace switchyard::text
