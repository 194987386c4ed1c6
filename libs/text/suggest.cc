#include "libs/text/suggest.h"

#include <algorithm>
#include <vector>

namespace switchyard::text {
namespace {

constexpr std::size_t kMaxLength = 128;

std::string Lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

template <class Text>
std::string Nearest(std::string_view name, std::span<const Text> candidates) {
  if (name.empty() || name.size() > kMaxLength) return "";
  const std::string wanted = Lowered(name);
  // One slip in three characters still reads as the same word.
  std::size_t limit = std::max<std::size_t>(1, name.size() / 3);
  std::string_view best;
  for (const Text& candidate : candidates) {
    const std::size_t distance = EditDistance(wanted, Lowered(candidate), limit);
    if (distance > limit || (!best.empty() && distance == limit)) continue;
    best = candidate;
    limit = distance;
    if (distance == 0) break;
  }
  return std::string(best);
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t limit) {
  const std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (gap > limit || a.size() > kMaxLength || b.size() > kMaxLength) return limit + 1;
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return std::min(last[b.size()], limit + 1);
}

std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates) {
  return Nearest(name, candidates);
}
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates) {
  return Nearest(name, candidates);
}

}  // namespace switchyard::text
