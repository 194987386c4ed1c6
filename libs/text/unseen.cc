#include "libs/text/unseen.h"

#include <cstddef>

#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

constexpr char32_t kEmojiSelector = 0xFE0F;

bool IsJoiner(char32_t c) { return c == 0x200C || c == 0x200D; }

// Only seen as a gap, or carries bits from character to character: what text is smuggled with.
bool IsFiller(char32_t c) {
  return c == 0x034F || (c >= 0xFE00 && c <= 0xFE0E) || c == 0x115F || c == 0x1160 || c == 0x17B4 || c == 0x17B5 ||
         (c >= 0x180B && c <= 0x180F) || c == 0x3164 || c == 0xFFA0 || (c >= 0x1D173 && c <= 0x1D17A);
}

}  // namespace

bool IsUnseen(char32_t c) {
  return (c >= 0x80 && c <= 0x9F) || c == 0xAD || c == 0x61C || c == 0x180E || c == 0x200B || c == 0x200E ||
         c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

std::string StripUnseen(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  // What the last character that was kept lets follow: a selector and a joiner, a joiner, neither.
  enum class After { kVisible, kSelector, kJoiner } after = After::kJoiner;
  for (std::size_t i = 0; i < text.size();) {
    char32_t c = 0;
    const std::size_t length = DecodeUtf8(text.substr(i), &c);
    if (length == 0) {
      out += kReplacement;
      ++i;
      after = After::kVisible;
      continue;
    }
    const std::string_view character = text.substr(i, length);
    i += length;
    if (c == '\r') {
      if (i < text.size() && text[i] == '\n') continue;
      out += '\n';
      after = After::kVisible;
    } else if (c == kEmojiSelector) {
      if (after != After::kVisible) continue;
      out += character;
      after = After::kSelector;
    } else if (IsJoiner(c)) {
      // One between others is writing; more of them are a code.
      if (after == After::kJoiner) continue;
      out += character;
      after = After::kJoiner;
    } else if ((c >= 0x20 && c != 0x7F && !IsUnseen(c) && !IsFiller(c)) || c == '\n' || c == '\t') {
      out += character;
      after = After::kVisible;
    }
  }
  return out;
}

}  // namespace switchyard::text
