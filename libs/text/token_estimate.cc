#include "libs/text/token_estimate.h"

#include <algorithm>
#include <cstddef>

#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

// In hundredths of a token.
constexpr std::int64_t kOne = 100;
constexpr std::int64_t kPunctuation = 75;
constexpr std::int64_t kLineEnd = 35;
constexpr std::int64_t kBlanks = 50;
constexpr std::int64_t kOtherScript = 90;
// The scan alone guesses some 9 % too little.
constexpr std::int64_t kExpectedPercent = 110;
// What 97 of 100 texts stay below.
constexpr std::int64_t kUpperPercent = 135;
// Letters of one token, and of each that a longer word takes.
constexpr std::size_t kShortWord = 6;
constexpr std::size_t kWordPiece = 4;
constexpr std::size_t kDigitsPerToken = 3;
// Whatever the text, fewer bytes than this per token are rare.
constexpr std::int64_t kBytesPerToken = 3;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLetter(char c) { return IsLower(c) || IsUpper(c); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }

template <class Is>
std::size_t RunLength(std::string_view text, Is is) {
  std::size_t length = 1;
  while (length < text.size() && is(text[length])) ++length;
  return length;
}

// "parseHTTPHeader" is read as "parse", "HTTPHeader".
std::size_t WordLength(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && IsLetter(text[length]) && !(IsLower(text[length - 1]) && IsUpper(text[length]))) {
    ++length;
  }
  return length;
}

std::int64_t Pieces(std::size_t count, std::size_t size) {
  return static_cast<std::int64_t>((count + size - 1) / size) * kOne;
}

std::int64_t RoundUp(std::int64_t hundredths) { return (hundredths + kOne - 1) / kOne; }

}  // namespace

TokenEstimate EstimateTokens(std::string_view text) {
  std::int64_t scan = 0;
  // What rare scripts and emoji may take beyond the scan.
  std::int64_t extra = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const char c = rest[0];
    std::size_t length = 1;
    if (IsLetter(c)) {
      length = WordLength(rest);
      scan += kOne + (length > kShortWord ? Pieces(length - kShortWord, kWordPiece) : 0);
    } else if (IsDigit(c)) {
      length = RunLength(rest, IsDigit);
      scan += Pieces(length, kDigitsPerToken);
    } else if (c == '\n') {
      scan += kLineEnd;
    } else if (IsBlank(c)) {
      // One before a word belongs to it.
      length = RunLength(rest, IsBlank);
      scan += length > 1 ? kBlanks : 0;
    } else if (static_cast<unsigned char>(c) < 0x80) {
      scan += kPunctuation;
    } else {
      char32_t character = 0;
      length = std::max<std::size_t>(DecodeUtf8(rest, &character), 1);
      scan += kOtherScript;
      if (length > 2) extra += length == 3 ? kOne / 2 : 2 * kOne;
    }
    at += length;
  }
  const auto bytes = static_cast<std::int64_t>(text.size());
  TokenEstimate estimate;
  estimate.expected = RoundUp(scan * kExpectedPercent / 100);
  estimate.upper = std::max(RoundUp(scan * kUpperPercent / 100 + extra), (bytes + kBytesPerToken - 1) / kBytesPerToken);
  if (bytes > 0) estimate.expected = std::max<std::int64_t>(estimate.expected, 1);
  estimate.upper = std::max(estimate.upper, estimate.expected);
  return estimate;
}

}  // namespace switchyard::text
