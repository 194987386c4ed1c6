#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace switchyard::text {

// Well-formed by the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view text);

// Length in bytes of the well-formed character at the front of `text`, and the character itself; 0 when there is none.
std::size_t DecodeUtf8(std::string_view text, char32_t* character);

// The text with each byte that belongs to no well-formed character replaced by U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);

// The longest prefix of at most `limit` bytes that ends between characters.
std::string_view TruncateUtf8(std::string_view text, std::size_t limit);

}  // namespace switchyard::text
