#include "services/executor/checks/evidence.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::checks {
namespace {

// Of the line between head and tail.
constexpr std::size_t kMark = 48;
constexpr std::size_t kNear = 200;
constexpr std::size_t kPathBytes = 200;

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string Shorten(std::string_view text, std::size_t limit, std::size_t& omitted) {
  if (text.size() <= limit) return std::string(text);
  if (limit <= 2 * kMark) {
    const std::string_view head = text::TruncateUtf8(text, limit);
    omitted += text.size() - head.size();
    return std::string(head);
  }
  const std::size_t room = limit - kMark;
  std::string_view head = text::TruncateUtf8(text, room / 2);
  if (const std::size_t line = head.rfind('\n'); line != head.npos && head.size() - line < kNear) {
    head = head.substr(0, line + 1);
  }
  std::size_t from = text.size() - room / 2;
  while (from < text.size() && Continues(text[from])) ++from;
  if (const std::size_t line = text.find('\n', from); line != text.npos && line - from < kNear) from = line + 1;
  const std::string_view tail = text.substr(from);
  const std::size_t gone = text.size() - head.size() - tail.size();
  omitted += gone;
  const bool ended = !head.empty() && head.back() == '\n';
  return absl::StrCat(ToAbsl(head), ended ? "" : "\n", "[... ", gone, " bytes left out ...]\n", ToAbsl(tail));
}

std::string ToEvidence(std::string_view text, std::size_t& omitted) {
  std::string clean = text::Redact(text::ReplaceInvalidUtf8(text));
  std::replace(clean.begin(), clean.end(), '\0', ' ');
  return Shorten(clean, kEvidenceBytes, omitted);
}

std::string Quoted(std::string_view path) {
  const std::string clean = text::ReplaceInvalidUtf8(path);
  std::string escaped = absl::Utf8SafeCHexEscape(clean);
  if (escaped.size() > kPathBytes) {
    escaped = std::string(text::TruncateUtf8(escaped, kPathBytes)) + "...";
  }
  return absl::StrCat("\"", escaped, "\"");
}

}  // namespace switchyard::executor::checks
