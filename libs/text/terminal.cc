#include "libs/text/terminal.h"

#include <cstddef>
#include <cstdint>

#include "libs/text/unseen.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

void AppendByte(std::uint8_t byte, std::string& out) {
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

void AppendCharacter(char32_t c, std::string& out) {
  out += "\\u{";
  int shift = 20;
  while (shift > 0 && (c >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out += kDigits[(c >> shift) & 15];
  out += '}';
}

std::string Escape(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) {
    char32_t c = 0;
    const std::size_t length = DecodeUtf8(text.substr(i), &c);
    if (length == 0) {
      AppendByte(static_cast<std::uint8_t>(text[i++]), out);
      continue;
    }
    if (c == '\n' || c == '\t') {
      if (keep_lines) {
        out += static_cast<char>(c);
      } else {
        out += c == '\n' ? "\\n" : "\\t";
      }
    } else if (c < 0x20 || c == 0x7F) {
      AppendByte(static_cast<std::uint8_t>(c), out);
    } else if (IsUnseen(c)) {
      AppendCharacter(c, out);
    } else {
      out += text.substr(i, length);
    }
    i += length;
  }
  return out;
}

}  // namespace

std::string EscapeForTerminal(std::string_view text) { return Escape(text, /*keep_lines=*/true); }
std::string EscapeForTerminalLine(std::string_view text) { return Escape(text, /*keep_lines=*/false); }

}  // namespace switchyard::text
