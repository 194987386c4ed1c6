#include "services/executor/edits/nearest.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kWindow = 12;
constexpr std::size_t kMostWidth = 200;
// Of a line that is the same but for blanks around it; one that shares words has less.
constexpr std::uint32_t kSame = 100;
constexpr std::uint32_t kAlike = 70;
// Of what a perfect window would have.
constexpr double kLeastShare = 0.3;
constexpr std::size_t kLeastWord = 3;

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

template <class Take>
void ForEachWord(std::string_view line, Take take) {
  for (std::size_t at = 0; at < line.size();) {
    if (!IsWordByte(line[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && IsWordByte(line[end])) ++end;
    if (end - at >= kLeastWord) take(HashLine(line.substr(at, end - at)));
    at = end;
  }
}

}  // namespace

std::string NumberedLines(const LineTable& file, std::size_t begin, std::size_t end) {
  std::string out;
  for (std::size_t at = begin; at < std::min(end, file.size()); ++at) {
    const std::string_view line = file.Line(at);
    const std::string_view shown = text::TruncateUtf8(line, kMostWidth);
    absl::StrAppendFormat(&out, "%5d | %s%s\n", at + 1, text::ReplaceInvalidUtf8(shown),
                          shown.size() < line.size() ? " [...]" : "");
  }
  return out;
}

std::string NearestLines(const LineTable& file, const LineTable& search, std::size_t& bytes) {
  absl::flat_hash_set<std::uint32_t> lines;
  absl::flat_hash_set<std::uint32_t> words;
  std::size_t telling = 0;
  for (std::size_t at = 0; at < search.size(); ++at) {
    const std::string_view line = search.Reduced(at, Likeness::kStripped);
    const std::size_t before = words.size();
    bool any = false;
    ForEachWord(line, [&](std::uint32_t word) {
      words.insert(word);
      any = true;
    });
    if (any || words.size() > before) {
      ++telling;
      lines.insert(HashLine(line));
    }
  }
  if (telling == 0) return "";
  std::vector<std::uint32_t> scores;
  for (std::size_t at = 0; at < file.size(); ++at) {
    const std::string_view line = file.Reduced(at, Likeness::kStripped);
    if (line.size() > bytes) break;
    bytes -= line.size();
    std::uint32_t total = 0;
    std::uint32_t common = 0;
    ForEachWord(line, [&](std::uint32_t word) {
      ++total;
      common += words.contains(word) ? 1 : 0;
    });
    const bool same = total > 0 && lines.contains(HashLine(line));
    scores.push_back(same ? kSame : total == 0 ? 0 : kAlike * common / total);
  }
  const std::size_t width = std::min(std::min(search.size(), kWindow), scores.size());
  std::uint64_t sum = 0;
  std::uint64_t best = 0;
  std::size_t best_at = 0;
  for (std::size_t at = 0; at < scores.size(); ++at) {
    sum += scores[at];
    if (at >= width) sum -= scores[at - width];
    if (sum > best) {
      best = sum;
      best_at = at + 1 - std::min(width, at + 1);
    }
  }
  if (static_cast<double>(best) < kLeastShare * kSame * static_cast<double>(std::min(telling, kWindow))) return "";
  return NumberedLines(file, best_at == 0 ? 0 : best_at - 1, best_at + width + 1);
}

}  // namespace switchyard::executor::edits
