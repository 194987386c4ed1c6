#include "libs/text/glob.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr std::size_t kMaxBytes = 1024;
constexpr int kMaxAlternatives = 64;

absl::Status Fault(const char* what, std::size_t at) {
  return absl::InvalidArgumentError(absl::StrCat("pattern: ", what, " at byte ", at));
}

// `i` stands on the opening bracket and is left on the closing one.
absl::Status CheckBracket(std::string_view pattern, std::size_t& i) {
  const std::size_t open = i++;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  const std::size_t first = i;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == '/') return Fault("a slash inside brackets", i);
    if (pattern[i] == ']' && i > first) return absl::OkStatus();
    if (pattern[i] == ']') return Fault("empty brackets", open);
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      if (static_cast<std::uint8_t>(pattern[i]) > static_cast<std::uint8_t>(pattern[i + 2])) {
        return Fault("a range that runs backwards", i);
      }
      if (static_cast<std::uint8_t>(pattern[i]) >= 0x80 || static_cast<std::uint8_t>(pattern[i + 2]) >= 0x80) {
        return Fault("a range beyond ASCII", i);
      }
      i += 2;
    }
  }
  return Fault("an opening bracket without its end", open);
}

// Whether some choice of alternatives turns the segment into "", "." or "..".
bool CouldBeDots(std::string_view segment) {
  // Bit n of `reachable`: what was read so far can be just n dots.
  unsigned reachable = 1;
  for (std::size_t i = 0; i < segment.size() && reachable != 0; ++i) {
    if (segment[i] == '.') {
      reachable = (reachable << 1) & 7;
    } else if (segment[i] != '{') {
      reachable = 0;
    } else {
      unsigned joined = 0;
      unsigned branch = reachable;
      while (segment[++i] != '}') {
        if (segment[i] == ',') {
          joined |= branch;
          branch = reachable;
        } else {
          branch = segment[i] == '.' ? (branch << 1) & 7 : 0;
        }
      }
      reachable = joined | branch;
    }
  }
  return reachable != 0;
}

absl::Status CheckSegment(std::string_view segment, std::size_t at) {
  if (segment.empty()) return Fault("an empty segment", at);
  if (segment == "." || segment == "..") return Fault("a segment \".\" or \"..\"", at);
  if (segment.find('{') != segment.npos && CouldBeDots(segment)) {
    return Fault("a segment that could read \"\", \".\" or \"..\"", at);
  }
  if (segment != "**" && segment.find("**") != segment.npos) return Fault("\"**\" beside other text", at);
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateGlob(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("pattern: empty");
  if (pattern.size() > kMaxBytes) return absl::InvalidArgumentError("pattern: longer than 1024 bytes");
  if (!IsValidUtf8(pattern)) return absl::InvalidArgumentError("pattern: not valid UTF-8");
  if (pattern[0] == '/') return Fault("a leading slash", 0);
  std::size_t segment = 0;
  std::size_t brace = 0;
  bool in_brace = false;
  int alternatives = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F) return Fault("a control character", i);
    switch (c) {
      case '\\':
        return Fault("a backslash", i);
      case '[':
        if (in_brace) return Fault("brackets inside braces", i);
        if (absl::Status status = CheckBracket(pattern, i); !status.ok()) return status;
        break;
      case ']':
        return Fault("a closing bracket without its start", i);
      case '{':
        if (in_brace) return Fault("nested braces", i);
        in_brace = true;
        brace = i;
        break;
      case '}':
        if (!in_brace) return Fault("a closing brace without its start", i);
        if (i == brace + 1) return Fault("empty braces", brace);
        in_brace = false;
        break;
      case ',':
        if (in_brace && ++alternatives > kMaxAlternatives) return Fault("too many alternatives", i);
        break;
      case '/':
        if (in_brace) return Fault("a slash inside braces", i);
        if (absl::Status status = CheckSegment(pattern.substr(segment, i - segment), segment); !status.ok())
          return status;
        segment = i + 1;
        break;
      default:
        break;
    }
  }
  if (in_brace) return Fault("an opening brace without its end", brace);
  return CheckSegment(pattern.substr(segment), segment);
}

}  // namespace switchyard::text
